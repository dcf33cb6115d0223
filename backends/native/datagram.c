/* Datagram sockets: many taken in one call, many sent in one call.
 *
 * What is received lies tightly in the arena, in the order of its arrival.
 * What is queued leaves in order, once; a datagram that the kernel refuses is
 * told of by EVENT_SEND_FAILED and holds up no other. A full kernel buffer
 * blocks the queue; a receiver that is full, as those of Unix sockets can be,
 * is the datagram's own fault.
 */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "engine.h"

#ifndef MSG_NOSIGNAL
#define MSG_NOSIGNAL 0
#endif

#if (defined(__linux__) || defined(__FreeBSD__) || defined(__NetBSD__)) \
    && !defined(REACTORLIB_WITHOUT_MMSG)
#define HAVE_MMSG 1
#endif

enum {
    BATCH = 32,            /* of one call */
    TAKEN_MAX = 128,       /* of one socket in one turn */
    LONGEST = 1 << 13,     /* until Python says otherwise */
    LONGEST_MAX = 1 << 18, /* several fit into the arena */
    QUEUE_MAX = 1 << 22,
    FLUSH_BYTES = 1 << 16  /* so much is sent without waiting for the turn's end */
};

struct datagram {
    int family;
    uint32_t longest;
    /* What the next settling has to tell. */
    uint32_t failed;
    int error, refused;
};

/* In the output buffer, followed by the name of the receiver and the data. */
struct queued {
    uint32_t size, name_size;
};

#ifdef HAVE_MMSG

typedef struct mmsghdr message;

static int receive_many(int fd, message *messages, int count)
{
    return recvmmsg(fd, messages, (unsigned)count, 0, NULL);
}

static int send_many(int fd, message *messages, int count)
{
    return sendmmsg(fd, messages, (unsigned)count, MSG_NOSIGNAL);
}

#else

typedef struct {
    struct msghdr msg_hdr;
    size_t msg_len;
} message;

static int receive_many(int fd, message *messages, int count)
{
    for (int i = 0; i < count; i++) {
        ssize_t got = recvmsg(fd, &messages[i].msg_hdr, 0);
        if (got < 0)
            return i ? i : -1;
        messages[i].msg_len = (size_t)got;
    }
    return count;
}

static int send_many(int fd, message *messages, int count)
{
    for (int i = 0; i < count; i++)
        if (sendmsg(fd, &messages[i].msg_hdr, MSG_NOSIGNAL) < 0)
            return i ? i : -1;
    return count;
}

#endif

int64_t datagram_add(engine *e, int fd)
{
    struct sockaddr_storage name;
    socklen_t size = sizeof name, type_size = sizeof(int);
    int type;
    if (getsockname(fd, (struct sockaddr *)&name, &size) < 0
        || getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &type_size) < 0)
        return -errno;
    if (type != SOCK_DGRAM)
        return -EPROTOTYPE;
    struct datagram *d = calloc(1, sizeof *d);
    if (!d)
        return -ENOMEM;
    d->family = name.ss_family;
    d->longest = LONGEST;
    int64_t handle = slot_new(e, fd, ENGINE_DATAGRAM);
    if (handle < 0) {
        free(d);
        return handle;
    }
    struct slot *s = slot_at(e, index_of(handle));
    s->datagram = d;
    s->cap = QUEUE_MAX;
    s->flags = SHUTTING | SHUT; /* there is no stream to write to */
    return handle;
}

/* Receiving */

/* What one datagram may need of the arena, its sender included. */
static size_t stride(const struct datagram *d)
{
    return d->longest + (d->family == AF_INET ? 0 : ENGINE_PEER_ROOM);
}

int datagram_fits(const engine *e, const struct slot *s)
{
    return ARENA_BYTES - e->arena_used >= stride(s->datagram)
           && e->record_count + BATCH + RECORDS_PER_SLOT <= RECORDS;
}

/* Each moves down to where the one before it ends: never past its own place,
 * for that and the name of its sender take no more than a stride. */
static void report(engine *e, struct slot *s, int index, const message *messages, int count)
{
    const char *from = e->arena + e->arena_used;
    for (int i = 0; i < count; i++, from += stride(s->datagram)) {
        int64_t at = (int64_t)e->arena_used, size = (int64_t)messages[i].msg_len;
        if (from != e->arena + at)
            memmove(e->arena + at, from, (size_t)size);
        e->arena_used += (size_t)size;
        e->counters.received += size;
        int64_t peer = pack_peer(e, messages[i].msg_hdr.msg_name, messages[i].msg_hdr.msg_namelen);
        record(e, EVENT_DATAGRAM, slot_handle(s, index), at << 32 | size, peer);
    }
}

static void not_received(engine *e, struct slot *s, int index, int error)
{
    switch (error) {
    case EAGAIN:
#if EWOULDBLOCK != EAGAIN
    case EWOULDBLOCK:
#endif
    case EINTR:
        return;
    case ECONNREFUSED:
        record(e, EVENT_REFUSED, slot_handle(s, index), 0, 0);
        return;
    case EBADF:
    case ENOTSOCK:
    case EINVAL:
    case EOPNOTSUPP:
        slot_lost(e, s, index, error);
        return;
    default: /* news of a datagram that was sent */
        record(e, EVENT_SEND_FAILED, slot_handle(s, index), error, 1);
    }
}

/* At most so many that all of them fit. */
static int receive_batch(engine *e, struct slot *s, int index)
{
    message messages[BATCH];
    struct iovec parts[BATCH];
    struct sockaddr_storage names[BATCH];
    size_t step = stride(s->datagram), room = ARENA_BYTES - e->arena_used;
    int count = room / step < BATCH ? (int)(room / step) : BATCH;
    for (int i = 0; i < count; i++) {
        parts[i] = (struct iovec){e->arena + e->arena_used + (size_t)i * step, s->datagram->longest};
        messages[i] = (message){.msg_hdr = {.msg_name = &names[i],
                                            .msg_namelen = sizeof names[i],
                                            .msg_iov = &parts[i],
                                            .msg_iovlen = 1}};
    }
    int got = receive_many(s->fd, messages, count);
    if (got < 0)
        not_received(e, s, index, errno);
    else if (!(s->flags & CLOSING)) /* else nobody listens any more */
        report(e, s, index, messages, got);
    return got == count ? got : 0;
}

void datagram_readable(engine *e, struct slot *s, int index)
{
    int taken = 0, got = 1;
    for (; got && taken < TAKEN_MAX && datagram_fits(e, s); taken += got)
        got = receive_batch(e, s, index);
}

/* Sending */

static size_t pending(const struct slot *s)
{
    return s->tail - s->head;
}

/* The next ones in the queue, as the kernel takes them. */
static int gather(const struct slot *s, message *messages, struct iovec *parts)
{
    char *at = s->out + s->head, *end = s->out + s->tail;
    int count = 0;
    for (; at < end && count < BATCH; count++) {
        struct queued queued;
        memcpy(&queued, at, sizeof queued);
        at += sizeof queued;
        parts[count] = (struct iovec){at + queued.name_size, queued.size};
        messages[count] = (message){.msg_hdr = {.msg_name = queued.name_size ? at : NULL,
                                                .msg_namelen = queued.name_size,
                                                .msg_iov = &parts[count],
                                                .msg_iovlen = 1}};
        at += queued.name_size + queued.size;
    }
    return count;
}

static void take_out(struct slot *s, int count)
{
    for (; count > 0; count--) {
        struct queued queued;
        memcpy(&queued, s->out + s->head, sizeof queued);
        s->head += sizeof queued + queued.name_size + queued.size;
    }
    if (s->head == s->tail)
        s->head = s->tail = 0;
}

static int can_write(int fd)
{
    struct pollfd entry = {.fd = fd, .events = POLLOUT};
    return poll(&entry, 1, 0) == 1 && entry.revents & POLLOUT;
}

/* The first of the queue was not taken: whether to try it again at once. An
 * ICMP message about an earlier one comes out here too, and only once. */
static int not_sent(struct slot *s, int error, int tried)
{
    struct datagram *d = s->datagram;
    int full = error == EAGAIN || error == EWOULDBLOCK;
    struct queued first;
    memcpy(&first, s->out + s->head, sizeof first);
    if (full && !can_write(s->fd)) {
        s->flags |= BLOCKED;
        return 0;
    }
    if (error == ECONNREFUSED && !first.name_size)
        d->refused = 1;
    if (error == EINTR || (!tried && (full || error == ECONNREFUSED)))
        return 1;
    d->failed++;
    d->error = error;
    take_out(s, 1);
    return 0;
}

static void send_queued(engine *e, struct slot *s)
{
    message messages[BATCH];
    struct iovec parts[BATCH];
    int tried = 0;
    while (pending(s) && !(s->flags & BLOCKED)) {
        int sent = send_many(s->fd, messages, gather(s, messages, parts));
        if (sent < 0) {
            tried = not_sent(s, errno, tried);
            continue;
        }
        tried = 0;
        for (int i = 0; i < sent; i++) {
            s->sent += parts[i].iov_len;
            e->counters.sent += (int64_t)parts[i].iov_len;
        }
        take_out(s, sent);
    }
    if (s->size > FLUSH_BYTES && !pending(s))
        output_free(e, s);
}

void datagram_flush(engine *e, struct slot *s, int index)
{
    struct datagram *d = s->datagram;
    send_queued(e, s);
    if (d->refused)
        record(e, EVENT_REFUSED, slot_handle(s, index), 0, 0);
    if (d->failed)
        record(e, EVENT_SEND_FAILED, slot_handle(s, index), d->error, d->failed);
    d->refused = 0;
    d->failed = 0;
}

static int append(engine *e, struct slot *s, const void *data, size_t size, const void *name,
                  size_t name_size)
{
    struct queued queued = {(uint32_t)size, (uint32_t)name_size};
    size_t needed = sizeof queued + name_size + size;
    if (pending(s) + needed > s->cap)
        return -ENOBUFS;
    if (output_room(e, s, needed) < 0)
        return -ENOMEM;
    output_append(e, s, (const char *)&queued, sizeof queued);
    output_append(e, s, name, name_size);
    output_append(e, s, data, size);
    return 0;
}

static int queue(engine *e, struct slot *s, int64_t handle, const void *data, size_t size,
                 const void *name, size_t name_size)
{
    if (s->kind != ENGINE_DATAGRAM)
        return -EINVAL;
    if (s->flags & (CLOSING | ABORTED))
        return -EPIPE;
    if (size > LONGEST_MAX)
        return -EMSGSIZE;
    int error = slot_mark(e, s, index_of(handle));
    if (error == 0)
        error = append(e, s, data, size, name, name_size);
    if (error == 0 && pending(s) >= FLUSH_BYTES)
        send_queued(e, s);
    return error;
}

int engine_send_to(engine *e, int64_t handle, const void *data, size_t size, int64_t peer)
{
    struct sockaddr_storage name;
    struct slot *s;
    int error = find_slot(e, handle, &s);
    if (error < 0)
        return error;
    size_t name_size = unpack_ipv4(&name, peer);
    if (!name_size && peer != -1)
        return -EINVAL;
    return queue(e, s, handle, data, size, &name, name_size);
}

int engine_send_to_bytes(engine *e, int64_t handle, const void *data, size_t size,
                         const void *address, size_t address_size)
{
    struct sockaddr_storage name;
    struct slot *s;
    int error = find_slot(e, handle, &s);
    if (error == 0 && s->kind != ENGINE_DATAGRAM)
        error = -EINVAL;
    if (error < 0)
        return error;
    size_t name_size = unpack_bytes(&name, s->datagram->family, address, address_size);
    return name_size ? queue(e, s, handle, data, size, &name, name_size) : -EINVAL;
}

int engine_set_longest(engine *e, int64_t handle, uint32_t size)
{
    struct slot *s;
    int error = find_slot(e, handle, &s);
    if (error == 0 && (s->kind != ENGINE_DATAGRAM || size == 0 || size > LONGEST_MAX))
        error = -EINVAL;
    if (error < 0)
        return error;
    s->datagram->longest = size;
    return 0;
}
