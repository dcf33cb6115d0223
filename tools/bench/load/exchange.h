/* A closed loop of echoes: every connection sends a message, waits for exactly
 * its bytes back, and begins the next one at once, or after a pause.
 *
 * Guarantees: every echo has exactly the message's length, and until the
 * measured window opens also its contents; anything else ends the program.
 * The loop never sleeps, so the server never pays for waking it, and what it
 * spends waiting is known exactly: see `busy`. */
#ifndef BENCH_EXCHANGE_H
#define BENCH_EXCHANGE_H

#include <netinet/in.h>
#include <stdbool.h>
#include <sys/types.h>

#include "histogram.h"

struct exchange_plan {
    struct sockaddr_in server;
    unsigned connections;
    size_t size;      /* bytes in a message */
    const char *unit; /* repeated to make up the message; NULL for any bytes */
    double seconds;   /* the measured window */
    bool reconnect;   /* close after each echo and open anew; we close first */
    uint64_t pause_ns; /* wait so long after an echo, so that the server sleeps */
    pid_t watched;    /* the server's process */
};

struct exchange_result {
    double seconds;         /* the window as it was */
    uint64_t operations;    /* echoes finished within it */
    uint64_t server_ns;     /* processor time of the watched process */
    uint64_t queued_ns;     /* time it waited for a processor that others had */
    double busy;            /* share of the window that was not spent waiting */
    struct histogram latency;
};

void exchange_run(const struct exchange_plan *plan, struct exchange_result *result);

#endif
