/* What the fields say that decide how a message is framed and by whom it is
 * meant (RFC 9110, 7.2, 7.6.1, 8.6, 10.1.1; RFC 9112, 6).
 */
#include "http.h"

static int understand_host(struct meaning *m, const struct field *f)
{
    if (m->flags & HTTP_HAS_HOST)
        return -TWO_HOSTS;
    m->flags |= HTTP_HAS_HOST;
    /* An empty one is right where the target has no authority (RFC 9110, 7.2). */
    return f->value == f->value_end || is_authority(f->value, f->value_end) ? DONE : -BAD_HOST;
}

static int understand_length(struct meaning *m, const struct field *f)
{
    const byte *p = f->value;
    if (m->length >= 0)
        return -TWO_LENGTHS;
    if (p == f->value_end || f->value_end - p > HTTP_LENGTH_DIGITS)
        return -BAD_LENGTH;
    m->length = 0;
    for (; p < f->value_end; p++) {
        if (!is(*p, DIGIT))
            return -BAD_LENGTH;
        m->length = m->length * 10 + (*p - '0');
    }
    return DONE;
}

/* The token at *p, and the whitespace and one comma behind it; 0 if another byte is there. */
static int list_member(const byte **p, const byte *end, const byte **token_end)
{
    while (*p < end && is(**p, TOKEN))
        ++*p;
    *token_end = *p;
    while (*p < end && (**p == ' ' || **p == '\t'))
        ++*p;
    return *p == end || *(*p)++ == ',';
}

static void skip_blanks(const byte **p, const byte *end)
{
    while (*p < end && (**p == ' ' || **p == '\t'))
        ++*p;
}

/* Empty members are ignored (RFC 9110, 5.6.1.2). */
static int understand_connection(struct meaning *m, const struct field *f)
{
    const byte *p = f->value, *end = f->value_end;
    while (p < end) {
        const byte *token = p, *token_end;
        if (!list_member(&p, end, &token_end))
            return -BAD_CONNECTION;
        if (is_word(token, token_end, "close", 5))
            m->options |= CLOSE;
        else if (is_word(token, token_end, "keep-alive", 10))
            m->options |= KEEP;
        else if (is_word(token, token_end, "upgrade", 7))
            m->options |= SWITCH;
        skip_blanks(&p, end);
    }
    return DONE;
}

/* Here empty members are refused: two readers must not read two lists. A
 * coding with parameters is another one than chunked, which has none. */
static int understand_coding(struct meaning *m, const struct field *f)
{
    const byte *p = f->value, *end = f->value_end;
    do {
        const byte *token = p, *token_end;
        int plain = list_member(&p, end, &token_end);
        if (token == token_end || m->coding & CHUNKED)
            return -BAD_CODING;
        int chunked = is_word(token, token_end, "chunked", 7);
        m->coding |= chunked ? CHUNKED : OTHER;
        if (!plain)
            return p[-1] == ';' && !chunked ? DONE : -BAD_CODING;
        if (p == end && p[-1] == ',')
            return -BAD_CODING;
        skip_blanks(&p, end);
    } while (p < end);
    return DONE;
}

static void understand_expectation(struct meaning *m, const struct field *f)
{
    int known = is_word(f->value, f->value_end, "100-continue", 12);
    m->flags |= known ? HTTP_EXPECT_CONTINUE : HTTP_EXPECT_UNKNOWN;
}

static int is_named(const struct field *f, const char *word, size_t length)
{
    return is_word(f->name, f->name_end, word, length);
}

static int understand_trailer(const struct field *f)
{
    static const char *const refused[] = {
        "connection", "content-length", "expect", "host", "keep-alive", "te",
        "trailer", "transfer-encoding", "upgrade",
    };
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++)
        if (is_named(f, refused[i], strlen(refused[i])))
            return -BAD_TRAILER;
    return DONE;
}

int understand_field(struct meaning *m, const struct field *f)
{
    if (m->trailer)
        return understand_trailer(f);
    switch (f->name_end - f->name) {
    case 4:
        if (is_named(f, "host", 4))
            return understand_host(m, f);
        break;
    case 6:
        if (is_named(f, "expect", 6))
            understand_expectation(m, f);
        break;
    case 7:
        if (is_named(f, "upgrade", 7))
            m->upgrade = 1;
        break;
    case 10:
        if (is_named(f, "connection", 10))
            return understand_connection(m, f);
        break;
    case 14:
        if (is_named(f, "content-length", 14))
            return understand_length(m, f);
        break;
    case 17:
        if (is_named(f, "transfer-encoding", 17))
            return understand_coding(m, f);
        break;
    }
    return DONE;
}
