/* A closed loop: every connection sends a message, waits for exactly its bytes
 * back, or for the answers to the HTTP requests that it is made of, and begins
 * the next one at once, or after a pause. It receives while it sends.
 *
 * Guarantees: every echo has exactly the message's length, and until the
 * measured window opens also its contents; for answers see answer.h, large
 * bodies are skipped within the window. Anything else ends the program.
 * The loop never sleeps, so the server never pays for waking it, and what it
 * spends waiting is known exactly: see `busy`. */
#ifndef BENCH_EXCHANGE_H
#define BENCH_EXCHANGE_H

#include <netinet/in.h>
#include <stdbool.h>
#include <sys/types.h>

#include "answer.h"
#include "histogram.h"
#include "message.h"

struct exchange_plan {
    struct sockaddr_in server;
    unsigned connections;
    struct message message;
    struct answer_expected expected;
    double seconds;   /* the measured window */
    bool reconnect;   /* close after each message that was answered and open anew */
    uint64_t pause_ns; /* wait so long after an answer, so that the server sleeps */
    pid_t watched;    /* the server's process */
};

struct exchange_result {
    double seconds;         /* the window as it was */
    uint64_t operations;    /* echoes or answers finished within it */
    uint64_t received;      /* bytes of those */
    uint64_t server_ns;     /* processor time of the watched process */
    uint64_t queued_ns;     /* time it waited for a processor that others had */
    double busy;            /* share of the window that was not spent waiting */
    struct histogram latency; /* of messages: from the first byte sent to the last received */
};

void exchange_run(const struct exchange_plan *plan, struct exchange_result *result);

#endif
