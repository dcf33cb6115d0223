/* The chunked coding (RFC 9112, 7.1): a machine with a table, a byte at a time
 * but for the data. The grammar of a chunk's line is the table's, with the
 * "bad" whitespace of RFC 9110, 5.6.3 where it has a place.
 */
#include "http.h"

enum state {
    SIZE_FIRST,   /* a digit must come */
    SIZE,
    BEFORE_NEXT,  /* whitespace; an extension must come */
    BEFORE_NAME,  /* behind ";" */
    NAME_OF,
    AFTER_NAME,   /* whitespace behind a name */
    BEFORE_VALUE, /* behind "=" */
    VALUE_OF,
    QUOTED,
    ESCAPED,
    AFTER_QUOTED,
    LINE_FEED,
    DATA,
    DATA_RETURN,
    DATA_FEED,
    LINE_STATES = LINE_FEED
};

enum class { HEX_DIGIT, WORD, BLANK, SEMICOLON, EQUALS, QUOTE, BACKSLASH, OTHER_TEXT, RETURN, BAD };

/* What is not here fails: no line leads back to SIZE_FIRST, which is 0. */
static const byte next_state[LINE_STATES][BAD + 1] = {
    [SIZE_FIRST] = {[HEX_DIGIT] = SIZE},
    [SIZE] = {[HEX_DIGIT] = SIZE, [BLANK] = BEFORE_NEXT, [SEMICOLON] = BEFORE_NAME,
              [RETURN] = LINE_FEED},
    [BEFORE_NEXT] = {[BLANK] = BEFORE_NEXT, [SEMICOLON] = BEFORE_NAME},
    [BEFORE_NAME] = {[HEX_DIGIT] = NAME_OF, [WORD] = NAME_OF, [BLANK] = BEFORE_NAME},
    [NAME_OF] = {[HEX_DIGIT] = NAME_OF, [WORD] = NAME_OF, [BLANK] = AFTER_NAME,
                 [SEMICOLON] = BEFORE_NAME, [EQUALS] = BEFORE_VALUE, [RETURN] = LINE_FEED},
    [AFTER_NAME] = {[BLANK] = AFTER_NAME, [SEMICOLON] = BEFORE_NAME, [EQUALS] = BEFORE_VALUE},
    [BEFORE_VALUE] = {[HEX_DIGIT] = VALUE_OF, [WORD] = VALUE_OF, [BLANK] = BEFORE_VALUE,
                      [QUOTE] = QUOTED},
    [VALUE_OF] = {[HEX_DIGIT] = VALUE_OF, [WORD] = VALUE_OF, [BLANK] = BEFORE_NEXT,
                  [SEMICOLON] = BEFORE_NAME, [RETURN] = LINE_FEED},
    [QUOTED] = {QUOTED, QUOTED, QUOTED, QUOTED, QUOTED, AFTER_QUOTED, ESCAPED, QUOTED},
    [ESCAPED] = {QUOTED, QUOTED, QUOTED, QUOTED, QUOTED, QUOTED, QUOTED, QUOTED},
    [AFTER_QUOTED] = {[BLANK] = BEFORE_NEXT, [SEMICOLON] = BEFORE_NAME, [RETURN] = LINE_FEED},
};

static enum class class_of(byte b)
{
    switch (b) {
    case '\r': return RETURN;
    case ' ': case '\t': return BLANK;
    case ';': return SEMICOLON;
    case '=': return EQUALS;
    case '"': return QUOTE;
    case '\\': return BACKSLASH;
    }
    if (is(b, HEX))
        return HEX_DIGIT;
    if (is(b, TOKEN))
        return WORD;
    return is(b, VALUE) ? OTHER_TEXT : BAD;
}

static int add_digit(struct http_chunks *k, byte b)
{
    int value = is(b, DIGIT) ? b - '0' : (b | 0x20) - 'a' + 10;
    if (++k->digits > HTTP_CHUNK_DIGITS || k->left > INT64_MAX >> 4)
        return -BIG_CHUNK;
    k->left = k->left << 4 | value;
    return DONE;
}

/* A byte of a chunk's line, up to its CR. */
static int read_line_byte(struct http_chunks *k, byte b)
{
    enum state before = (enum state)k->state, after = next_state[before][class_of(b)];
    if (!after)
        return before <= SIZE ? -BAD_CHUNK_SIZE : -BAD_EXTENSION;
    k->state = after;
    if (after == SIZE)
        return add_digit(k, b);
    if (after != LINE_FEED && ++k->extension > HTTP_CHUNK_EXTENSION)
        return -LONG_EXTENSION;
    return DONE;
}

/* Extensions are paid for by data, with 16 bytes free for each chunk, so that
 * a body cannot be all extensions. */
static int end_line(struct http_chunks *k, byte b)
{
    if (b != '\n')
        return -BAD_LINE_END;
    int64_t paid = k->left > HTTP_CHUNK_OVERHEAD ? HTTP_CHUNK_OVERHEAD : k->left + 16;
    k->overhead += k->extension;
    k->overhead -= paid < k->overhead ? (uint32_t)paid : k->overhead;
    if (k->overhead > HTTP_CHUNK_OVERHEAD)
        return -MUCH_OVERHEAD;
    k->extension = k->digits = 0;
    k->state = DATA;
    k->done = k->left == 0;
    return DONE;
}

static int read_byte(struct http_chunks *k, byte b)
{
    switch (k->state) {
    case LINE_FEED:
        return end_line(k, b);
    case DATA_RETURN:
        k->state = DATA_FEED;
        return b == '\r' ? DONE : -BAD_CHUNK_END;
    case DATA_FEED:
        k->state = SIZE_FIRST;
        return b == '\n' ? DONE : -BAD_CHUNK_END;
    default:
        return read_line_byte(k, b);
    }
}

int http_chunks(const char *data, uint32_t start, uint32_t end, struct http_chunks *k,
                uint32_t *pieces, uint32_t max)
{
    const byte *base = (const byte *)data;
    uint32_t at = start, count = 0;
    int result = k->fault ? -(int)k->fault : DONE;
    while (at < end && result > 0 && !k->done) {
        if (k->state != DATA) {
            result = read_byte(k, base[at++]);
            continue;
        }
        if (count == max)
            break;
        uint32_t size = end - at < k->left ? end - at : (uint32_t)k->left;
        pieces[2 * count] = at;
        pieces[2 * count++ + 1] = at += size;
        k->received += size;
        if (!(k->left -= size))
            k->state = DATA_RETURN;
    }
    k->consumed = at;
    if (result > 0)
        return (int)count;
    k->fault = (uint32_t)-result;
    return -fault_status(-result);
}
