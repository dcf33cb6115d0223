/* Output: what was accepted for writing leaves in order, or its connection
 * is lost with a reason. An empty connection holds no buffer.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "engine.h"

#ifndef MSG_MORE
#define MSG_MORE 0
#endif

static size_t pending(const struct slot *s)
{
    return s->tail - s->head;
}

static int waits(const struct slot *s)
{
    return s->tail != s->head || s->files != NULL;
}

static char *take_buffer(engine *e, size_t size)
{
    if (size == POOLED_BYTES && e->pooled)
        return e->pool[--e->pooled];
    return malloc(size);
}

static void give_buffer(engine *e, char *buffer, size_t size)
{
    if (size == POOLED_BYTES && e->pooled < POOLED)
        e->pool[e->pooled++] = buffer;
    else
        free(buffer);
}

void output_free(engine *e, struct slot *s)
{
    if (s->out)
        give_buffer(e, s->out, s->size);
    s->out = NULL;
    s->head = s->tail = s->size = 0;
}

/* Room for `more` bytes at the tail. The pending bytes are moved to the front
 * only when at least as many were sent before them, and else to a buffer of
 * at least twice the size: moving costs no more than sending. */
int output_room(engine *e, struct slot *s, size_t more)
{
    size_t kept = pending(s);
    if (s->size - s->tail >= more && s->out)
        return 0;
    if (s->out && s->size - kept >= more && s->head >= kept) {
        memcpy(s->out, s->out + s->head, kept);
    } else {
        size_t size = s->size ? s->size * 2 : POOLED_BYTES;
        while (size - kept < more)
            size *= 2;
        char *out = take_buffer(e, size);
        if (!out)
            return -ENOMEM;
        if (s->out) {
            memcpy(out, s->out + s->head, kept);
            give_buffer(e, s->out, s->size);
        }
        s->out = out;
        s->size = size;
    }
    s->head = 0;
    s->tail = kept;
    return 0;
}

int output_append(engine *e, struct slot *s, const char *data, size_t size)
{
    if (output_room(e, s, size) < 0)
        return -ENOMEM;
    memcpy(s->out + s->tail, data, size);
    s->tail += size;
    return 0;
}

/* Bytes taken, 0 when the kernel takes none now, or negative errno. `more`: what
 * follows at once may share a segment with them. */
ssize_t output_send(struct slot *s, const char *data, size_t size, int more)
{
    ssize_t taken;
    if (s->passing)
        return passing_send(s, data, size);
    do
        taken = s->kind == ENGINE_PIPE || s->kind == ENGINE_WRITER
                    ? write(s->fd, data, size)
                    : send(s->fd, data, size, more ? MSG_NOSIGNAL | MSG_MORE : MSG_NOSIGNAL);
    while (taken < 0 && errno == EINTR);
    if (taken < 0)
        return errno == EAGAIN || errno == EWOULDBLOCK || errno == ENOBUFS ? 0 : -errno;
    s->sent += (uint64_t)taken;
    return taken;
}

static void set_blocked(engine *e, struct slot *s, int index, int blocked)
{
    s->flags = (uint16_t)(blocked ? s->flags | BLOCKED : s->flags & ~BLOCKED);
    if (s->notify & NOTIFY_CONGESTION)
        record(e, blocked ? EVENT_BLOCKED : EVENT_CLEARED, slot_handle(s, index), 0, 0);
}

void output_writable(engine *e, struct slot *s, int index)
{
    set_blocked(e, s, index, 0);
    slot_settle(e, s, index);
}

static void fail(struct slot *s, int error)
{
    s->flags |= FAILED;
    s->error = error;
}

int64_t output_left(const struct slot *s)
{
    return (int64_t)pending(s) + files_left(s);
}

/* Whether the kernel took all that is buffered, or all before the next file. */
static int flush_buffer(engine *e, struct slot *s, int index)
{
    size_t size = s->files ? files_before(s, pending(s)) : pending(s);
    if (size == 0)
        return 1;
    ssize_t taken = output_send(s, s->out + s->head, size, s->files != NULL);
    if (taken < 0) {
        fail(s, (int)-taken);
        return 0;
    }
    e->counters.sent += taken;
    s->head += (size_t)taken;
    if (pending(s) == 0)
        output_free(e, s);
    if ((size_t)taken < size)
        set_blocked(e, s, index, 1);
    return (size_t)taken == size;
}

/* Whether the next file has left, and more may follow in this turn. */
static int flush_file(engine *e, struct slot *s, int index, int64_t *share)
{
    int outcome = files_send(e, s, index, share);
    if (outcome == FILE_DONE)
        return 1;
    if (outcome < 0)
        fail(s, -outcome);
    else if (outcome == FILE_BLOCKED || slot_mark(e, s, index) < 0)
        set_blocked(e, s, index, 1);
    return 0;
}

static void output_flush(engine *e, struct slot *s, int index)
{
    int64_t share = FILE_BYTES;
    int files = 0;
    while (flush_buffer(e, s, index) && s->files) {
        if (files++ == FILES_MAX)
            share = 0;
        if (!flush_file(e, s, index, &share))
            break;
    }
    if (s->flags & FAILED)
        return;
    if (s->flags & ABOVE && pending(s) <= s->low) {
        s->flags &= (uint16_t)~ABOVE;
        record(e, EVENT_DRAINED, slot_handle(s, index), 0, 0);
    }
}

static void finish(engine *e, struct slot *s, int index)
{
    if (s->kind != ENGINE_STREAM || s->flags & ENDED) {
        slot_lost(e, s, index, 0);
        return;
    }
    if (s->passing && passing_waits(s)) {
        slot_lost(e, s, index, ETOOMANYREFS);
        return;
    }
    if (!(s->flags & SHUT) && shutdown(s->fd, SHUT_WR) < 0) {
        slot_lost(e, s, index, errno == ENOTCONN ? ECONNRESET : errno);
        return;
    }
    s->flags |= SHUT;
    record(e, EVENT_LOST, slot_handle(s, index), 0, 0);
    linger_start(e, s, index, now_ms());
}

static unsigned wanted(const struct slot *s)
{
    unsigned interest = 0;
    if (s->kind == ENGINE_WATCHED || s->kind == ENGINE_CONNECTING)
        return s->interest;
    /* A closing connection reads and drops: the peer may not take our last
     * bytes before it has got rid of its own. */
    if (!(s->flags & ENDED)
        && (!(s->flags & PAUSED) || (s->flags & CLOSING && s->kind != ENGINE_WRITER)))
        interest |= POLLER_READ;
    if (s->flags & BLOCKED)
        interest |= POLLER_WRITE;
    return interest;
}

/* One step for a slot that something was asked of since the last turn, or
 * that can be written to again. */
void slot_settle(engine *e, struct slot *s, int index)
{
    if (s->flags & STALE) {
        slot_lost(e, s, index, EBADF);
        return;
    }
    if (s->flags & ABORTED) {
        slot_lost(e, s, index, s->error ? s->error : ECONNABORTED);
        return;
    }
    /* Nothing can leave before it is connected. */
    if (s->kind == ENGINE_CONNECTING && (waits(s) || !(s->flags & CLOSING)))
        return;
    if (s->kind == ENGINE_DATAGRAM)
        datagram_flush(e, s, index);
    else if (waits(s) && !(s->flags & (BLOCKED | FAILED)))
        output_flush(e, s, index);
    if (s->flags & FAILED) {
        slot_lost(e, s, index, s->error);
        return;
    }
    if (!waits(s)) {
        if (s->flags & WROTE && s->notify & NOTIFY_EMPTIED)
            record(e, EVENT_EMPTIED, slot_handle(s, index), 0, 0);
        s->flags &= (uint16_t)~WROTE;
        if (s->flags & CLOSING && !(s->flags & LINGERING)) {
            finish(e, s, index);
            if (!(s->flags & LINGERING))
                return;
        } else if ((s->flags & (SHUTTING | SHUT)) == SHUTTING) {
            s->flags |= SHUT;
            shutdown(s->fd, SHUT_WR);
            record(e, EVENT_SHUT, slot_handle(s, index), 0, 0);
        }
    }
    int error = slot_interest(e, s, index, wanted(s));
    if (error < 0 && error != -EBADF && s->kind == ENGINE_LISTENER)
        listener_overload(e, s, index, -error, 0);
    else if (error < 0)
        slot_lost(e, s, index, -error);
}
