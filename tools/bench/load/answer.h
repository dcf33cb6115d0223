/* The answers to HTTP requests, as they come in pieces.
 *
 * Guarantees: a whole answer had the status 200 and a body of exactly the
 * expected length, by Content-Length or in chunks; of the body, all that was
 * given to answer_take had the expected contents. Anything else ends the
 * program. Takes no byte behind an answer. */
#ifndef BENCH_ANSWER_H
#define BENCH_ANSWER_H

#include <stdbool.h>
#include <stddef.h>

struct answer_expected {
    unsigned count;   /* of answers to a message; 0 when the message is echoed */
    const char *body; /* of each */
    size_t size;
};

/* All zero before the first answer; made so by a whole one. */
struct answer {
    enum { HEAD, BODY, CHUNK_SIZE, CHUNK, CHUNK_END, TRAILER } part;
    size_t left; /* bytes of the body, or of a chunk, that are due now */
    size_t seen; /* bytes of the body so far */
};

/* How much of the data belongs to this answer and could be made use of; the
 * rest must be given again, with more behind it or for the next answer. */
size_t answer_take(struct answer *answer, const struct answer_expected *expected,
                   const char *data, size_t size, bool *whole);

/* In the place of answer_take, for `size` bytes that nobody looked at: at most `left`. */
void answer_skip(struct answer *answer, const struct answer_expected *expected,
                 size_t size, bool *whole);

#endif
