/* poll(2), every POSIX system. The cost of a wait grows with what is open. */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "poller.h"

struct state {
    struct pollfd *fds;
    uint64_t *tokens;
    int *place; /* descriptor -> index in fds, or -1 */
    int count, capacity, places;
    int first; /* where the next scan begins, so that none is starved */
};

static int poll_open(void **out)
{
    *out = calloc(1, sizeof(struct state));
    return *out ? 0 : -ENOMEM;
}

static int grow_places(struct state *state, int fd)
{
    int wanted = state->places ? state->places : 64;
    while (wanted <= fd)
        wanted *= 2;
    int *place = realloc(state->place, (size_t)wanted * sizeof *place);
    if (!place)
        return -ENOMEM;
    for (int i = state->places; i < wanted; i++)
        place[i] = -1;
    state->place = place;
    state->places = wanted;
    return 0;
}

static int grow_fds(struct state *state)
{
    int wanted = state->capacity ? state->capacity * 2 : 64;
    struct pollfd *fds = realloc(state->fds, (size_t)wanted * sizeof *fds);
    if (!fds)
        return -ENOMEM;
    state->fds = fds;
    uint64_t *tokens = realloc(state->tokens, (size_t)wanted * sizeof *tokens);
    if (!tokens)
        return -ENOMEM;
    state->tokens = tokens;
    state->capacity = wanted;
    return 0;
}

static void take_out(struct state *state, int fd)
{
    int index = state->place[fd], last = --state->count;
    state->place[fd] = -1;
    if (index == last)
        return;
    state->fds[index] = state->fds[last];
    state->tokens[index] = state->tokens[last];
    state->place[state->fds[index].fd] = index;
}

static int poll_modify(void *opaque, int fd, unsigned before, unsigned after, uint64_t token)
{
    struct state *state = opaque;
    (void)before;
    if (fd >= state->places && grow_places(state, fd) < 0)
        return -ENOMEM;
    int index = state->place[fd];
    if (!after) {
        if (index >= 0)
            take_out(state, fd);
        return 0;
    }
    if (index < 0) {
        if (state->count == state->capacity && grow_fds(state) < 0)
            return -ENOMEM;
        index = state->place[fd] = state->count++;
    }
    state->fds[index].fd = fd;
    state->fds[index].events = (short)((after & POLLER_READ ? POLLIN : 0)
                                       | (after & POLLER_WRITE ? POLLOUT : 0));
    state->fds[index].revents = 0;
    state->tokens[index] = token;
    return 0;
}

static int poll_wait(void *opaque, struct poller_event *events, int capacity, int timeout)
{
    struct state *state = opaque;
    int left = poll(state->fds, (nfds_t)state->count, timeout), found = 0;
    if (left < 0)
        return -errno;
    if (state->first >= state->count)
        state->first = 0;
    int index = state->first;
    for (; left > 0 && found < capacity; index = index + 1 == state->count ? 0 : index + 1) {
        short mask = state->fds[index].revents;
        if (!mask)
            continue;
        left--;
        events[found].token = state->tokens[index];
        events[found].ready = 0;
        if (mask & (POLLIN | POLLERR | POLLHUP))
            events[found].ready |= POLLER_READ;
        if (mask & (POLLOUT | POLLERR | POLLHUP))
            events[found].ready |= POLLER_WRITE;
        if (mask & POLLNVAL)
            events[found].ready = POLLER_GONE;
        found++;
    }
    state->first = left > 0 ? index : 0;
    return found;
}

static void poll_close(void *opaque)
{
    struct state *state = opaque;
    free(state->fds);
    free(state->tokens);
    free(state->place);
    free(state);
}

const struct poller poller_poll = {
    "poll", poll_open, poll_modify, poll_wait, poll_close,
};
