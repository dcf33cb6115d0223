/* What Python calls. Read twice: by the C compiler, and by cffi as its
 * declarations, so there is no preprocessor directive in this file.
 *
 * HTTP/1.1 messages by RFC 9112, strictly. Everything is a function of its
 * arguments: nothing is allocated, nothing is remembered, nothing is called
 * back. Offsets count bytes from `data`. Of `data` only what is between
 * `start` and `end` is read.
 *
 * A function for a head answers
 *     > 0   the length of the head with its empty line, from `start`;
 *     0     more bytes are needed;
 *     < 0   minus the HTTP status to refuse it with: 400, 414, 431, 501, 505.
 * What has been refused stays refused, whatever follows, and for the same
 * reason: the answer does not depend on how the bytes were divided. What cannot
 * become valid any more is refused at that byte.
 *
 * `scanned` is how far an earlier call with the same `start` has looked; for
 * the first call it is `start`. It saves work and changes no answer.
 */

/* Bytes of the request line without its CRLF; bytes of the whole head or
 * trailer section, at most 2^31 - 1; field lines. */
struct http_limits { uint32_t line, head, fields, unused; };

enum http_bounds {
    HTTP_EMPTY_LINES = 2,         /* before a request line (RFC 9112, 2.2) */
    HTTP_LENGTH_DIGITS = 18,      /* of a Content-Length */
    HTTP_CHUNK_DIGITS = 16,       /* of a chunk's size, which stays below 2^63 */
    HTTP_CHUNK_EXTENSION = 256,   /* bytes after a chunk's size */
    HTTP_CHUNK_OVERHEAD = 16384   /* that the body's bytes have not paid for */
};

enum http_flag {
    HTTP_CHUNKED = 1,           /* the body is chunked */
    HTTP_KEEP_ALIVE = 2,        /* the sender will use the connection again */
    HTTP_EXPECT_CONTINUE = 4,   /* Expect: 100-continue, in 1.1 */
    HTTP_EXPECT_UNKNOWN = 8,    /* another expectation, in 1.1 */
    HTTP_UPGRADE = 16,          /* Upgrade, named by Connection, in 1.1 */
    HTTP_HAS_HOST = 32,
    HTTP_HAS_BODY = 64,         /* at least a byte or a chunk follows */
    HTTP_IS_HEAD = 128,
    HTTP_IS_CONNECT = 256,      /* the target is host:port, and only then */
    HTTP_ABSOLUTE = 512,        /* the target has scheme and authority; these override Host */
    HTTP_ASTERISK = 1024,       /* the target is *: OPTIONS */
    HTTP_UNTIL_CLOSE = 2048     /* a response whose body ends with the connection */
};

/* Behind the limits, which are the caller's and are left alone, unpacked as "=6Iq2I". After a
 * refusal `flags` is the http_fault, and the rest undefined. */
struct http_request {
    struct http_limits limits; /* here, because each argument costs Python as much as a field */
    uint32_t method_start, method_end;
    uint32_t target_start, target_end;
    uint32_t minor; /* 0 or 1; later ones are 1.1 (RFC 9110, 2.5) */
    uint32_t flags;
    int64_t content_length; /* -1 if there is none */
    uint32_t fields_start;  /* they end 2 bytes before the head does */
    uint32_t fields;        /* how many lines */
};

/* The same. HTTP_HAS_BODY and
 * HTTP_UNTIL_CLOSE are for the answer to anything but HEAD and CONNECT. */
struct http_response {
    struct http_limits limits;
    uint32_t minor, status;
    uint32_t reason_start, reason_end;
    uint32_t fields_start;
    uint32_t flags;
    int64_t content_length;
    uint32_t fields;
    uint32_t unused;
};

const char *http_version(void); /* of the package that this was built for */

int http_request_head(const char *data, uint32_t start, uint32_t end, uint32_t scanned,
                      struct http_request *out);
int http_response_head(const char *data, uint32_t start, uint32_t end, uint32_t scanned,
                       struct http_response *out);

/* The section after a last chunk, with the empty line that ends it; answers as
 * for a head. `out` becomes the number of field lines, or the http_fault.
 * Fields that would frame or route the message are refused (RFC 9110, 6.5.1). */
int http_trailers(const char *data, uint32_t start, uint32_t end, uint32_t scanned,
                  const struct http_limits *limits, uint32_t *out);

/* The field lines between `start` and `end`, which have been accepted before:
 * four offsets for each, name and its end, value and its end. Returns how many. */
int http_fields(const char *data, uint32_t start, uint32_t end, uint32_t *table, uint32_t max);

/* A chunked body, on its way. All zero at first. */
struct http_chunks {
    int64_t left;      /* bytes of this chunk that are still to come */
    int64_t received;  /* bytes of the body so far */
    uint32_t state, digits, extension, overhead; /* of no interest outside */
    uint32_t consumed; /* offset of what the last call did not take */
    uint32_t done;     /* the last chunk's line has been read; trailers follow */
    uint32_t fault;    /* after a refusal */
    uint32_t unused;
};

/* Takes bytes until `end`, the last chunk's line, or `max` pieces: pairs of
 * offsets, start and end. Returns how many pieces, or minus the status. */
int http_chunks(const char *data, uint32_t start, uint32_t end, struct http_chunks *chunks,
                uint32_t *pieces, uint32_t max);

/* Why something was refused: a sentence, without the full stop. */
const char *http_fault_text(uint32_t fault);
