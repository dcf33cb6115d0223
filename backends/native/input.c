/* Input: receive into the arena, accept, finish a connect. */
#if defined(__linux__) && !defined(_GNU_SOURCE)
#define _GNU_SOURCE /* accept4 */
#endif

#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "engine.h"

static void stream_ended(engine *e, struct slot *s, int index)
{
    s->flags |= ENDED;
    if (s->flags & LINGERING) {
        slot_close(e, s, index);
        return;
    }
    if (s->notify & NOTIFY_EOF)
        record(e, EVENT_EOF, slot_handle(s, index), 0, 0);
    else
        s->flags |= CLOSING;
    slot_settle(e, s, index);
}

static void stream_readable(engine *e, struct slot *s, int index)
{
    char *at = e->arena + e->arena_used;
    size_t room = ARENA_BYTES - e->arena_used;
    ssize_t got;
    if (room > READ_MAX)
        room = READ_MAX;
    do
        got = s->kind == ENGINE_PIPE ? read(s->fd, at, room)
              : s->passing           ? passing_receive(e, s, index, at, room)
                                     : recv(s->fd, at, room, 0);
    while (got < 0 && errno == EINTR);
    if (got == 0) {
        stream_ended(e, s, index);
    } else if (got < 0 && errno == EIO && s->kind == ENGINE_PIPE) {
        stream_ended(e, s, index); /* nobody has the other side of the terminal open any more */
    } else if (got > 0) {
        e->counters.received += got;
        s->received += (uint64_t)got;
        if (s->flags & CLOSING)
            return; /* nobody listens any more */
        record(e, EVENT_DATA, slot_handle(s, index), (int64_t)e->arena_used,
               (int64_t)e->arena_used + got);
        e->arena_used += (size_t)got;
    } else if (s->kind == ENGINE_PIPE && errno == EBADF) {
        slot_lost(e, s, index, EPIPE); /* a writing end whose reader has gone */
    } else if (errno != EAGAIN && errno != EWOULDBLOCK) {
        slot_lost(e, s, index, errno);
    }
}

static void connect_finished(engine *e, struct slot *s, int index)
{
    int error = 0;
    socklen_t size = sizeof error;
    if (getsockopt(s->fd, SOL_SOCKET, SO_ERROR, &error, &size) < 0)
        error = errno;
    if (error) {
        slot_lost(e, s, index, error);
        return;
    }
    s->kind = ENGINE_STREAM;
    record(e, EVENT_CONNECTED, slot_handle(s, index), 0, 0);
    slot_settle(e, s, index);
}

static int accept_one(int listener, struct sockaddr_storage *peer, socklen_t *size)
{
#if defined(__linux__) || defined(__FreeBSD__) || defined(__NetBSD__) || defined(__OpenBSD__)
    int fd = accept4(listener, (struct sockaddr *)peer, size, SOCK_NONBLOCK | SOCK_CLOEXEC);
    return fd < 0 ? -errno : fd;
#else
    int fd = accept(listener, (struct sockaddr *)peer, size);
    if (fd < 0)
        return -errno;
#ifdef SO_NOSIGPIPE
    int on = 1;
    setsockopt(fd, SOL_SOCKET, SO_NOSIGPIPE, &on, sizeof on);
#endif
    if (fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK) < 0 || fcntl(fd, F_SETFD, FD_CLOEXEC) < 0) {
        int error = errno;
        close(fd);
        return -error;
    }
    return fd;
#endif
}

int open_spare(void)
{
    return open("/dev/null", O_RDONLY | O_CLOEXEC);
}

/* Out of descriptors: the one kept back is spent to accept a connection and
 * close it, so that its peer learns at once instead of waiting in the queue. */
static int shed(engine *e, struct slot *s)
{
    if (e->spare < 0)
        return 0;
    close(e->spare);
    int fd = accept(s->fd, NULL, NULL);
    if (fd >= 0)
        close(fd);
    e->spare = open_spare();
    return fd >= 0;
}

void listener_overload(engine *e, struct slot *s, int index, int error, int shed)
{
    s->flags |= PAUSED;
    slot_interest(e, s, index, 0);
    record(e, EVENT_OVERLOAD, slot_handle(s, index), error, shed);
}

/* What accept(2) hands on of a connection that died in the queue. */
static int is_of_the_connection(int error)
{
    switch (error) {
    case EINTR:
    case ECONNABORTED:
    case EPROTO:
    case EPERM:
    case ENETDOWN:
    case ENOPROTOOPT:
    case EHOSTDOWN:
#ifdef ENONET
    case ENONET:
#endif
    case EHOSTUNREACH:
    case EOPNOTSUPP:
    case ENETUNREACH:
    case ETIMEDOUT:
        return 1;
    default:
        return 0;
    }
}

static void listener_readable(engine *e, struct slot *s, int index)
{
    if (e->spare < 0)
        e->spare = open_spare();
    for (int i = 0; i < ACCEPT_MAX && room_for_slot(e); i++) {
        struct sockaddr_storage peer;
        socklen_t size = sizeof peer;
        int fd = accept_one(s->fd, &peer, &size);
        if (fd == -EAGAIN || fd == -EWOULDBLOCK)
            return;
        if (fd < 0 && is_of_the_connection(-fd))
            continue;
        if (fd == -EBADF || fd == -ENOTSOCK || fd == -EINVAL) {
            slot_lost(e, s, index, -fd);
            return;
        }
        if (fd < 0) {
            int count = fd == -EMFILE || fd == -ENFILE ? shed(e, s) : 0;
            listener_overload(e, s, index, -fd, count);
            return;
        }
        int64_t handle = slot_new(e, fd, ENGINE_STREAM);
        if (handle < 0) {
            close(fd);
            listener_overload(e, s, index, (int)-handle, 1);
            return;
        }
        e->counters.accepted++;
        record(e, EVENT_ACCEPTED, slot_handle(s, index), handle, pack_peer(e, &peer, size));
    }
}

static void watched_ready(engine *e, struct slot *s, int index, unsigned ready)
{
    if (ready & POLLER_READ)
        record(e, EVENT_READABLE, slot_handle(s, index), 0, 0);
    if (ready & POLLER_WRITE)
        record(e, EVENT_WRITABLE, slot_handle(s, index), 0, 0);
}

void input_ready(engine *e, struct slot *s, int index, unsigned ready)
{
    int64_t handle = slot_handle(s, index);
    if (ready & POLLER_GONE) {
        slot_gone(e, s, index);
        slot_settle(e, s, index);
        return;
    }
    ready &= s->interest;
    switch (s->kind) {
    case ENGINE_LISTENER:
        if (ready)
            listener_readable(e, s, index);
        return;
    case ENGINE_CONNECTING:
        if (ready)
            connect_finished(e, s, index);
        return;
    case ENGINE_DATAGRAM:
        if (ready & POLLER_WRITE)
            output_writable(e, s, index);
        if (ready & POLLER_READ && slot_find(e, handle) == s)
            datagram_readable(e, s, index);
        return;
    case ENGINE_WATCHED:
        watched_ready(e, s, index, ready);
        return;
    default:
        if (ready & POLLER_WRITE)
            output_writable(e, s, index);
        /* Settling may have closed it. */
        if (!(ready & POLLER_READ) || slot_find(e, handle) != s || s->flags & ENDED)
            return;
        if (s->kind == ENGINE_WRITER)
            slot_lost(e, s, index, EPIPE);
        else
            stream_readable(e, s, index);
    }
}
