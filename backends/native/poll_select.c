/* select(2), every POSIX system. Refuses descriptors of FD_SETSIZE and above
 * with -ERANGE: to put one into an fd_set writes past its end. */
#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/select.h>

#include "engine_api.h"
#include "poller.h"

int engine_select_limit(void)
{
    return FD_SETSIZE;
}

struct state {
    fd_set reading, writing;
    uint64_t tokens[FD_SETSIZE];
    unsigned char interest[FD_SETSIZE];
    int highest; /* the greatest registered descriptor, or -1 */
    int first;   /* where the next scan begins, so that none is starved */
};

static int select_open(void **out)
{
    struct state *state = calloc(1, sizeof *state);
    if (!state)
        return -ENOMEM;
    FD_ZERO(&state->reading);
    FD_ZERO(&state->writing);
    state->highest = -1;
    *out = state;
    return 0;
}

static int select_modify(void *opaque, int fd, unsigned before, unsigned after, uint64_t token)
{
    struct state *state = opaque;
    (void)before;
    if (fd < 0 || fd >= FD_SETSIZE)
        return -ERANGE;
    FD_CLR(fd, &state->reading);
    FD_CLR(fd, &state->writing);
    if (after & POLLER_READ)
        FD_SET(fd, &state->reading);
    if (after & POLLER_WRITE)
        FD_SET(fd, &state->writing);
    state->interest[fd] = (unsigned char)after;
    state->tokens[fd] = token;
    if (after && fd > state->highest)
        state->highest = fd;
    while (state->highest >= 0 && !state->interest[state->highest])
        state->highest--;
    return 0;
}

/* A descriptor in the sets is not open: say which, so that the others go on. */
static int report_closed(const struct state *state, struct poller_event *events, int capacity)
{
    int found = 0;
    for (int fd = 0; fd <= state->highest && found < capacity; fd++)
        if (state->interest[fd] && fcntl(fd, F_GETFD) < 0)
            events[found++] = (struct poller_event){state->tokens[fd], POLLER_GONE};
    return found;
}

static int select_wait(void *opaque, struct poller_event *events, int capacity, int timeout)
{
    struct state *state = opaque;
    fd_set reading = state->reading, writing = state->writing;
    struct timeval limit = {timeout / 1000, (timeout % 1000) * 1000};
    int count = state->highest + 1, found = 0;
    int left = select(count, &reading, &writing, NULL, timeout < 0 ? NULL : &limit);
    if (left < 0)
        return errno == EBADF ? report_closed(state, events, capacity) : -errno;
    if (state->first >= count)
        state->first = 0;
    int fd = state->first;
    for (int i = 0; i < count && left > 0 && found < capacity; i++, fd = fd + 1 == count ? 0 : fd + 1) {
        unsigned ready = 0;
        if (FD_ISSET(fd, &reading))
            ready |= POLLER_READ, left--;
        if (FD_ISSET(fd, &writing))
            ready |= POLLER_WRITE, left--;
        if (!ready)
            continue;
        events[found].token = state->tokens[fd];
        events[found++].ready = ready;
    }
    state->first = left > 0 ? fd : 0;
    return found;
}

static void select_close(void *opaque)
{
    free(opaque);
}

const struct poller poller_select = {
    "select", select_open, select_modify, select_wait, select_close,
};
