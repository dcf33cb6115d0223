/* What is sent: made once, never changed, freed by the caller. */
#ifndef BENCH_MESSAGE_H
#define BENCH_MESSAGE_H

#include <stddef.h>

struct message {
    char *data;
    size_t size;
};

/* So many bytes, `unit` again and again; for NULL bytes that differ from their neighbours. */
struct message message_of_unit(const char *unit, size_t size);

/* The same request so many times. */
struct message message_of_requests(const char *request, unsigned count);

/* A request with a body of so many bytes; `head` has to say so itself. */
struct message message_with_body(const char *head, size_t size);

#endif
