/* Descriptors passed over a Unix stream, in both directions.
 *
 * A descriptor goes with the byte that is written next, and every duplicate
 * that waits for one is ours to close. What is received is close-on-exec, and
 * told before the data it came with; what nobody takes is closed here.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "engine.h"

struct passed {
    int fd;
    uint64_t at; /* the position in the stream of the byte it goes with */
};

struct passing {
    int takes;
    int count, capacity;
    struct passed *queue;
};

union control { /* aligned for the first header */
    struct cmsghdr header;
    char bytes[CMSG_SPACE(PASSED_MAX * sizeof(int))];
};

static struct passing *passing_of(struct slot *s)
{
    if (!s->passing)
        s->passing = calloc(1, sizeof *s->passing);
    return s->passing;
}

static void close_queued(struct passing *p, int count)
{
    for (int i = 0; i < count; i++)
        close(p->queue[i].fd);
    p->count -= count;
    if (count && p->count)
        memmove(p->queue, p->queue + count, (size_t)p->count * sizeof *p->queue);
}

void passing_free(struct slot *s)
{
    close_queued(s->passing, s->passing->count);
    free(s->passing->queue);
    free(s->passing);
    s->passing = NULL;
}

int passing_waits(const struct slot *s)
{
    return s->passing->count > 0;
}

/* Receiving */

static int make_close_on_exec(int fd)
{
#ifdef MSG_CMSG_CLOEXEC
    (void)fd;
    return 0;
#else
    return fcntl(fd, F_SETFD, FD_CLOEXEC);
#endif
}

static void take_descriptors(engine *e, struct slot *s, int index, const struct cmsghdr *header,
                             int wanted)
{
    size_t count = (header->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    for (size_t i = 0; i < count; i++) {
        int fd;
        memcpy(&fd, CMSG_DATA(header) + i * sizeof fd, sizeof fd);
        if (wanted && make_close_on_exec(fd) == 0)
            record(e, EVENT_DESCRIPTOR, slot_handle(s, index), fd, 0);
        else
            close(fd);
    }
}

/* As recv(2) does. ETOOMANYREFS: not all descriptors could be received, and
 * whoever counts on them must not go on. */
ssize_t passing_receive(engine *e, struct slot *s, int index, void *data, size_t room)
{
    union control control;
    struct iovec part = {data, room};
    struct msghdr message = {.msg_iov = &part,
                             .msg_iovlen = 1,
                             .msg_control = control.bytes,
                             .msg_controllen = sizeof control.bytes};
#ifdef MSG_CMSG_CLOEXEC
    ssize_t got = recvmsg(s->fd, &message, MSG_CMSG_CLOEXEC);
#else
    ssize_t got = recvmsg(s->fd, &message, 0);
#endif
    if (got < 0)
        return got;
    int cut = (message.msg_flags & MSG_CTRUNC) != 0;
    int wanted = s->passing->takes && !cut && !(s->flags & CLOSING);
    for (struct cmsghdr *h = CMSG_FIRSTHDR(&message); h; h = CMSG_NXTHDR(&message, h))
        if (h->cmsg_level == SOL_SOCKET && h->cmsg_type == SCM_RIGHTS)
            take_descriptors(e, s, index, h, wanted);
    if (cut && s->passing->takes) {
        errno = ETOOMANYREFS;
        return -1;
    }
    return got;
}

int engine_take_descriptors(engine *e, int64_t handle)
{
    struct slot *s;
    int error = find_slot(e, handle, &s);
    if (error < 0)
        return error;
    if (s->kind != ENGINE_STREAM && s->kind != ENGINE_CONNECTING)
        return -EINVAL;
    if (!passing_of(s))
        return -ENOMEM;
    s->passing->takes = 1;
    return 0;
}

/* Sending */

/* Those that go with the byte at this position, or with one before it. */
static int due(const struct passing *p, uint64_t position)
{
    int count = 0;
    while (count < p->count && p->queue[count].at <= position)
        count++;
    return count;
}

static ssize_t send_with(int fd, const struct passed *queue, int count, const char *data,
                         size_t size)
{
    union control control;
    struct iovec part = {(char *)data, size};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
    memset(&control, 0, sizeof control);
    if (count) {
        message.msg_control = control.bytes;
        message.msg_controllen = CMSG_SPACE((size_t)count * sizeof(int));
        struct cmsghdr *header = CMSG_FIRSTHDR(&message);
        header->cmsg_level = SOL_SOCKET;
        header->cmsg_type = SCM_RIGHTS;
        header->cmsg_len = CMSG_LEN((size_t)count * sizeof(int));
        for (int i = 0; i < count; i++)
            memcpy(CMSG_DATA(header) + (size_t)i * sizeof(int), &queue[i].fd, sizeof(int));
    }
    return sendmsg(fd, &message, MSG_NOSIGNAL);
}

/* Up to the byte that the next descriptor after these goes with. */
static size_t part_before(const struct passing *p, int count, uint64_t position, size_t size)
{
    if (count == p->count || p->queue[count].at - position >= size)
        return size;
    return (size_t)(p->queue[count].at - position);
}

/* As output_send does. */
ssize_t passing_send(struct slot *s, const char *data, size_t size)
{
    struct passing *p = s->passing;
    size_t done = 0;
    while (done < size) {
        int count = due(p, s->sent);
        size_t part = part_before(p, count, s->sent, size - done);
        ssize_t taken = send_with(s->fd, p->queue, count, data + done, part);
        if (taken < 0 && errno == EINTR)
            continue;
        if (taken < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == ENOBUFS))
            break;
        if (taken < 0)
            return done ? (ssize_t)done : -errno;
        close_queued(p, count);
        s->sent += (uint64_t)taken;
        done += (size_t)taken;
        if ((size_t)taken < part)
            break;
    }
    return (ssize_t)done;
}

static int queue_duplicate(struct slot *s, int duplicate)
{
    struct passing *p = s->passing;
    if (p->count == p->capacity) {
        int wanted = p->capacity ? p->capacity * 2 : 8;
        struct passed *queue = realloc(p->queue, (size_t)wanted * sizeof *queue);
        if (!queue)
            return -ENOMEM;
        p->queue = queue;
        p->capacity = wanted;
    }
    p->queue[p->count++] = (struct passed){duplicate, end_of_output(s)};
    return 0;
}

int engine_pass_descriptor(engine *e, int64_t handle, int fd)
{
    struct slot *s;
    int error = find_slot(e, handle, &s);
    if (error < 0)
        return error;
    if (s->kind != ENGINE_STREAM && s->kind != ENGINE_CONNECTING)
        return -EINVAL;
    if (s->flags & (CLOSING | SHUTTING | ABORTED | FAILED))
        return -EPIPE;
    if (!passing_of(s))
        return -ENOMEM;
    if (s->passing->count == PASSED_MAX)
        return -ETOOMANYREFS;
    return queue_duplicate(s, fd);
}
