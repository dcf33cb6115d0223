/* kqueue(2), the BSDs and macOS. Read and write interest are two filters. */
#ifdef REACTORLIB_HAVE_KQUEUE

#include <errno.h>
#include <stdlib.h>
#include <sys/types.h>
#include <sys/event.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include "poller.h"

enum { BATCH = 512 };

struct state {
    int fd;
    pid_t pid;
    struct kevent ready[BATCH];
};

static int kqueue_open(void **out)
{
    struct state *state = malloc(sizeof *state);
    if (!state)
        return -ENOMEM;
    state->fd = kqueue();
    if (state->fd < 0) {
        int error = errno;
        free(state);
        return -error;
    }
    state->pid = getpid();
    *out = state;
    return 0;
}

/* One filter in a call of its own: EV_RECEIPT answers for the change and
 * leaves pending events where they are. */
static int change(struct state *state, int fd, short filter, int wanted, uint64_t token)
{
    struct kevent request, receipt;
    EV_SET(&request, fd, filter, (wanted ? EV_ADD : EV_DELETE) | EV_RECEIPT, 0, 0,
           (void *)(uintptr_t)token);
    if (kevent(state->fd, &request, 1, &receipt, 1, NULL) < 0)
        return -errno;
    return receipt.flags & EV_ERROR ? -(int)receipt.data : 0;
}

static int kqueue_modify(void *opaque, int fd, unsigned before, unsigned after, uint64_t token)
{
    struct state *state = opaque;
    unsigned changed = before ^ after;
    int result = 0;
    if (changed & POLLER_READ)
        result = change(state, fd, EVFILT_READ, after & POLLER_READ, token);
    if (result < 0 || !(changed & POLLER_WRITE))
        return result;
    result = change(state, fd, EVFILT_WRITE, after & POLLER_WRITE, token);
    if (result < 0 && changed & POLLER_READ)
        change(state, fd, EVFILT_READ, before & POLLER_READ, token);
    return result;
}

static int kqueue_wait(void *opaque, struct poller_event *events, int capacity, int timeout)
{
    struct state *state = opaque;
    struct timespec limit = {timeout / 1000, (long)(timeout % 1000) * 1000000};
    int count = kevent(state->fd, NULL, 0, state->ready, capacity < BATCH ? capacity : BATCH,
                       timeout < 0 ? NULL : &limit);
    if (count < 0)
        return -errno;
    for (int i = 0; i < count; i++) {
        events[i].token = (uint64_t)(uintptr_t)state->ready[i].udata;
        events[i].ready = state->ready[i].filter == EVFILT_WRITE ? POLLER_WRITE : POLLER_READ;
    }
    return count;
}

static void kqueue_close(void *opaque)
{
    struct state *state = opaque;
    /* A forked child does not inherit it: the number is another's there. */
    if (state->pid == getpid())
        close(state->fd);
    free(state);
}

const struct poller poller_kqueue = {
    "kqueue", kqueue_open, kqueue_modify, kqueue_wait, kqueue_close,
};

#else
typedef int poller_kqueue_is_not_of_this_system;
#endif
