/* The one seam below the engine: what a kernel interface must do.
 *
 * Each poll_*.c implements these five members, in this order, and nothing
 * else: no table of connections, no generations, no retry, no clock. All
 * interest is level-triggered. Errors come back as negative errno.
 */
#ifndef REACTORLIB_POLLER_H
#define REACTORLIB_POLLER_H

#include <stdint.h>

enum {
    POLLER_READ = 1,
    POLLER_WRITE = 2,
    POLLER_GONE = 4 /* reported only: the descriptor is not open any more */
};

struct poller_event {
    uint64_t token;
    unsigned ready; /* errors and hang-ups show as readable and writable */
};

struct poller {
    const char *name;

    /* Makes the kernel's state. */
    int (*open)(void **state);

    /* Changes the interest in `fd` from `before` to `after`. `before` 0 means
     * that it is not registered, `after` 0 that it must not be from now on:
     * the engine always says so before it closes a descriptor. A refusal
     * changes nothing. */
    int (*modify)(void *state, int fd, unsigned before, unsigned after, uint64_t token);

    /* Waits up to `timeout` milliseconds, without end if negative; fills in
     * up to `capacity` events and returns their number. Descriptors that did
     * not fit come first in the next call. */
    int (*wait)(void *state, struct poller_event *events, int capacity, int timeout);

    /* Frees the state. Never changes registrations: after a fork they are
     * shared with the parent. */
    void (*close)(void *state);
};

extern const struct poller poller_epoll;
extern const struct poller poller_kqueue;
extern const struct poller poller_poll;
extern const struct poller poller_select;

/* Every poller compiled in, ended by NULL. */
extern const struct poller *const pollers[];

#endif
