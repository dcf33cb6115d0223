#include "answer.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "fatal.h"

static const char STATUS[] = "HTTP/1.1 200 ";

/* The length of a line with its end; 0 when it has not come whole. */
static size_t line_of(const char *data, size_t size)
{
    const char *end = memchr(data, '\n', size);
    if (end == NULL)
        return 0;
    if (end == data || end[-1] != '\r')
        fatal("a line of an answer does not end with CR LF");
    return (size_t)(end - data) + 1;
}

/* The value of a field, when the line is one of that name; else NULL. The name
 * ends with its colon. A line ends with CR LF, so that the value ends, too. */
static const char *value_of(const char *line, size_t size, const char *name)
{
    size_t length = strlen(name);
    if (size <= length || line[length - 1] != ':' || strncasecmp(line, name, length) != 0)
        return NULL;
    return line + length + strspn(line + length, " \t");
}

static void begin_body(struct answer *answer, const struct answer_expected *expected,
                       const char *length, const char *coding)
{
    if (coding != NULL && strncasecmp(coding, "chunked\r", 8) == 0) {
        answer->part = CHUNK_SIZE;
        return;
    }
    if (length == NULL || coding != NULL)
        fatal("an answer has neither a Content-Length nor chunks");
    if (strtoull(length, NULL, 10) != expected->size)
        fatal("an answer has another Content-Length than was expected");
    answer->part = BODY;
    answer->left = expected->size;
}

static size_t take_head(struct answer *answer, const struct answer_expected *expected,
                        const char *data, size_t size)
{
    const char *length = NULL, *coding = NULL, *value;
    size_t line = line_of(data, size);
    if (line > 0 && (line < sizeof STATUS || memcmp(data, STATUS, sizeof STATUS - 1) != 0))
        fatal("an answer has another status than 200");
    for (size_t used = line; line > 0; used += line) {
        line = line_of(data + used, size - used);
        if (line == 2) {
            begin_body(answer, expected, length, coding);
            return used + line;
        }
        if ((value = value_of(data + used, line, "content-length:")) != NULL)
            length = value;
        else if ((value = value_of(data + used, line, "transfer-encoding:")) != NULL)
            coding = value;
    }
    return 0;
}

static size_t take_chunk_size(struct answer *answer, const char *data, size_t size)
{
    char *end;
    size_t line = line_of(data, size);
    if (line == 0)
        return 0;
    answer->left = strtoull(data, &end, 16);
    if (end == data || (*end != '\r' && *end != ';'))
        fatal("a chunk of an answer has no size");
    answer->part = answer->left > 0 ? CHUNK : TRAILER;
    return line;
}

static size_t take_chunk_end(struct answer *answer, const char *data, size_t size)
{
    if (size < 2)
        return 0;
    if (memcmp(data, "\r\n", 2) != 0)
        fatal("a chunk of an answer has another size than it says");
    answer->part = CHUNK_SIZE;
    return 2;
}

static void finish(struct answer *answer, const struct answer_expected *expected, bool *whole)
{
    if (answer->seen != expected->size)
        fatal("the body of an answer has another length than was expected");
    *answer = (struct answer){0};
    *whole = true;
}

static size_t take_trailer(struct answer *answer, const struct answer_expected *expected,
                           const char *data, size_t size, bool *whole)
{
    size_t line = line_of(data, size);
    if (line == 2)
        finish(answer, expected, whole);
    return line;
}

void answer_skip(struct answer *answer, const struct answer_expected *expected,
                 size_t size, bool *whole)
{
    if (size > expected->size - answer->seen)
        fatal("the body of an answer is longer than was expected");
    answer->seen += size;
    answer->left -= size;
    if (answer->left > 0)
        return;
    if (answer->part == CHUNK)
        answer->part = CHUNK_END;
    else
        finish(answer, expected, whole);
}

static size_t take_body(struct answer *answer, const struct answer_expected *expected,
                        const char *data, size_t size, bool *whole)
{
    size_t taken = size < answer->left ? size : answer->left;
    const char *due = expected->body + answer->seen;
    answer_skip(answer, expected, taken, whole);
    if (memcmp(data, due, taken) != 0)
        fatal("the body of an answer has other bytes than were expected");
    return taken;
}

static size_t take_part(struct answer *answer, const struct answer_expected *expected,
                        const char *data, size_t size, bool *whole)
{
    switch (answer->part) {
    case HEAD:
        return take_head(answer, expected, data, size);
    case CHUNK_SIZE:
        return take_chunk_size(answer, data, size);
    case CHUNK_END:
        return take_chunk_end(answer, data, size);
    case TRAILER:
        return take_trailer(answer, expected, data, size, whole);
    default:
        return take_body(answer, expected, data, size, whole);
    }
}

size_t answer_take(struct answer *answer, const struct answer_expected *expected,
                   const char *data, size_t size, bool *whole)
{
    size_t used = 0, step;
    *whole = false;
    while (!*whole && used < size) {
        step = take_part(answer, expected, data + used, size - used, whole);
        if (step == 0)
            break;
        used += step;
    }
    return used;
}
