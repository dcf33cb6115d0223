/* What the files of the parser share.
 *
 * Inside, a function that reads answers DONE, MORE (the bytes are all right
 * and too few), or minus an http_fault, and decides from left to right: what
 * it says of some bytes it says of all that begin with them, but for MORE.
 */
#ifndef REACTORLIB_HTTP_H
#define REACTORLIB_HTTP_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "http_api.h"

#ifdef __SSE2__
#include <emmintrin.h>
#endif

typedef uint8_t byte;

enum { MORE = 0, DONE = 1 };

/* Bits of byte_class, the ABNF of RFC 9110, 5.5 and 5.6, and RFC 3986. */
enum {
    TOKEN = 1,  /* tchar */
    VALUE = 2,  /* field-vchar, SP, HTAB */
    TARGET = 4, /* printing ASCII but "#" */
    NAME = 8,   /* reg-name but for its %: unreserved, sub-delims */
    DIGIT = 16,
    HEX = 32,
    ALPHA = 64
};
extern const byte byte_class[256];

static inline int is(byte b, int classes)
{
    return byte_class[b] & classes;
}

/* What is read, and how far that has come. */
struct cursor {
    const byte *at, *end;
};

struct field {
    const byte *name, *name_end;
    const byte *value, *value_end; /* without whitespace around it */
};

enum http_fault {
    NO_FAULT,
    BAD_METHOD,
    BAD_TARGET,
    BAD_TARGET_FORM,
    BAD_AUTHORITY,
    BAD_VERSION,
    OTHER_VERSION,
    BAD_STATUS,
    BAD_LINE_END,
    LONG_LINE,
    LONG_HEAD,
    MANY_FIELDS,
    FOLDED,
    BAD_NAME,
    BAD_VALUE,
    NO_HOST,
    TWO_HOSTS,
    BAD_HOST,
    BAD_LENGTH,
    TWO_LENGTHS,
    LENGTH_AND_CODING,
    BAD_CODING,
    CODING_IN_1_0,
    OTHER_CODING,
    BAD_CONNECTION,
    BODY_OF_CONNECT,
    BAD_TRAILER,
    BAD_CHUNK_SIZE,
    BIG_CHUNK,
    BAD_EXTENSION,
    LONG_EXTENSION,
    MUCH_OVERHEAD,
    BAD_CHUNK_END,
    FAULTS
};

/* What a section of fields says about its message. */
struct meaning {
    uint32_t flags;        /* HTTP_EXPECT_..., HTTP_HAS_HOST */
    uint32_t options;      /* CLOSE, KEEP, SWITCH: the options of Connection */
    uint32_t coding;       /* CHUNKED, OTHER: of Transfer-Encoding */
    uint32_t upgrade;      /* the field is there */
    uint32_t trailer;      /* it is a section of trailers */
    uint32_t fields;       /* field lines */
    int64_t length;        /* Content-Length, or -1 */
};
enum { CLOSE = 1, KEEP = 2, SWITCH = 4 };
enum { CHUNKED = 1, OTHER = 2 };

int fault_status(int fault);

/* A section of fields with its empty line. */
int field_section(struct cursor *c, uint32_t max, struct meaning *m);
int field_line(struct cursor *c, struct field *f);

int understand_field(struct meaning *m, const struct field *f);

/* host [":" port], the host not empty; and both, for CONNECT. */
int is_authority(const byte *p, const byte *end);
int is_host_and_port(const byte *p, const byte *end);

static inline int read_crlf(struct cursor *c)
{
    if (c->at == c->end)
        return MORE;
    if (*c->at != '\r')
        return -BAD_LINE_END;
    if (c->at + 1 == c->end)
        return MORE;
    if (c->at[1] != '\n')
        return -BAD_LINE_END;
    c->at += 2;
    return DONE;
}

/* Whether validated bytes are this word, which has small letters and no others. */
static inline int is_word(const byte *p, const byte *end, const char *word, size_t length)
{
    if ((size_t)(end - p) != length)
        return 0;
    for (size_t i = 0; i < length; i++)
        if ((p[i] | 0x20) != (byte)word[i])
            return 0;
    return 1;
}

/* The first byte that does not belong to a field's value. */
static inline const byte *skip_value(const byte *p, const byte *end)
{
#ifdef __SSE2__
    const __m128i last_control = _mm_set1_epi8(0x1f);
    while (end - p >= 16) {
        __m128i x = _mm_loadu_si128((const __m128i *)(const void *)p);
        __m128i control = _mm_cmpeq_epi8(_mm_min_epu8(x, last_control), x);
        __m128i tab = _mm_cmpeq_epi8(x, _mm_set1_epi8('\t'));
        __m128i delete = _mm_cmpeq_epi8(x, _mm_set1_epi8(0x7f));
        int found = _mm_movemask_epi8(_mm_or_si128(_mm_andnot_si128(tab, control), delete));
        if (found)
            return p + __builtin_ctz((unsigned)found);
        p += 16;
    }
#endif
    while (p < end && is(*p, VALUE))
        p++;
    return p;
}

#endif
