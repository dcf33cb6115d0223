/* epoll(7), Linux. */
#ifdef __linux__

#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "poller.h"

enum { BATCH = 512 };

struct state {
    int fd;
    struct epoll_event ready[BATCH];
};

static int epoll_open(void **out)
{
    struct state *state = malloc(sizeof *state);
    if (!state)
        return -ENOMEM;
    state->fd = epoll_create1(EPOLL_CLOEXEC);
    if (state->fd < 0) {
        int error = errno;
        free(state);
        return -error;
    }
    *out = state;
    return 0;
}

static int epoll_modify(void *opaque, int fd, unsigned before, unsigned after, uint64_t token)
{
    struct state *state = opaque;
    struct epoll_event event = {0};
    int operation = !after ? EPOLL_CTL_DEL : before ? EPOLL_CTL_MOD : EPOLL_CTL_ADD;
    if (after & POLLER_READ)
        event.events |= EPOLLIN;
    if (after & POLLER_WRITE)
        event.events |= EPOLLOUT;
    event.data.u64 = token;
    if (epoll_ctl(state->fd, operation, fd, &event) == 0)
        return 0;
    /* A descriptor that was closed behind our back left the set by itself
     * (ENOENT), or stays in it through a duplicate (EEXIST). */
    if (errno == ENOENT && operation == EPOLL_CTL_MOD)
        operation = EPOLL_CTL_ADD;
    else if (errno == EEXIST && operation == EPOLL_CTL_ADD)
        operation = EPOLL_CTL_MOD;
    else
        return -errno;
    return epoll_ctl(state->fd, operation, fd, &event) == 0 ? 0 : -errno;
}

static int epoll_wait_events(void *opaque, struct poller_event *events, int capacity, int timeout)
{
    struct state *state = opaque;
    int count = epoll_wait(state->fd, state->ready, capacity < BATCH ? capacity : BATCH, timeout);
    if (count < 0)
        return -errno;
    for (int i = 0; i < count; i++) {
        uint32_t mask = state->ready[i].events;
        events[i].token = state->ready[i].data.u64;
        events[i].ready = 0;
        if (mask & (EPOLLIN | EPOLLERR | EPOLLHUP))
            events[i].ready |= POLLER_READ;
        if (mask & (EPOLLOUT | EPOLLERR | EPOLLHUP))
            events[i].ready |= POLLER_WRITE;
    }
    return count;
}

static void epoll_close(void *opaque)
{
    struct state *state = opaque;
    close(state->fd);
    free(state);
}

const struct poller poller_epoll = {
    "epoll", epoll_open, epoll_modify, epoll_wait_events, epoll_close,
};

#else
typedef int poller_epoll_is_not_of_this_system;
#endif
