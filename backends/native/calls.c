/* What Python calls between turns: each finds its slot, changes what is
 * wanted of it, and marks it for the next turn, which does it.
 */
#include <errno.h>

#include "engine.h"

/* How often this process has come out of a fork: in a child it is more than
 * when its parent opened an engine. Cheaper than getpid for each call. */
static unsigned forks;
static pthread_once_t once = PTHREAD_ONCE_INIT;
static int refused;

static void count_fork(void)
{
    forks++;
}

static void register_count(void)
{
    refused = pthread_atfork(NULL, NULL, count_fork);
}

int watch_forks(void)
{
    pthread_once(&once, register_count);
    return -refused;
}

unsigned fork_count(void)
{
    return forks;
}

int check_caller(const engine *e)
{
    if (e->forks != forks)
        return -ECHILD;
    if (e->owned && !pthread_equal(e->owner, pthread_self()))
        return -EXDEV;
    return 0;
}

int find_slot(engine *e, int64_t handle, struct slot **out)
{
    int error = check_caller(e);
    if (error < 0)
        return error;
    *out = slot_find(e, handle);
    return *out && !((*out)->flags & (STALE | LINGERING)) ? 0 : -EBADF;
}

int64_t engine_add(engine *e, int fd, int kind)
{
    int error = check_caller(e);
    if (error < 0)
        return error;
    if (fd < 0 || !e->state)
        return -EBADF;
    if (kind == ENGINE_LISTENER && e->spare < 0)
        e->spare = open_spare();
    return kind == ENGINE_DATAGRAM ? datagram_add(e, fd) : slot_new(e, fd, kind);
}

int engine_detach(engine *e, int64_t handle)
{
    struct slot *s;
    int error = find_slot(e, handle, &s);
    if (error < 0)
        return error;
    int fd = s->fd;
    slot_release(e, s, index_of(handle));
    return fd;
}

int engine_descriptor(engine *e, int64_t handle)
{
    struct slot *s;
    int error = find_slot(e, handle, &s);
    return error < 0 ? error : s->fd;
}

int engine_watch(engine *e, int64_t handle, int readable, int writable)
{
    struct slot *s;
    int error = find_slot(e, handle, &s);
    if (error < 0)
        return error;
    return slot_interest(e, s, index_of(handle),
                         (readable ? POLLER_READ : 0u) | (writable ? POLLER_WRITE : 0u));
}

int engine_notify(engine *e, int64_t handle, int mask)
{
    struct slot *s;
    int error = find_slot(e, handle, &s);
    if (error < 0)
        return error;
    s->notify = (uint8_t)mask;
    return 0;
}

static size_t send_now(engine *e, struct slot *s, const char *data, size_t size, int more)
{
    ssize_t taken = output_send(s, data, size, more);
    if (taken < 0) {
        s->flags |= FAILED;
        s->error = (int)-taken;
        return 0;
    }
    e->counters.sent += taken;
    return (size_t)taken;
}

/* Large data goes to the kernel at once, behind what little waits before it, unless
 * that has to wait. */
static size_t write_directly(engine *e, struct slot *s, const char *data, size_t size)
{
    size_t pending = s->tail - s->head;
    if (size < DIRECT_BYTES || pending >= DIRECT_BYTES || s->files || s->flags & BLOCKED
        || s->kind == ENGINE_CONNECTING)
        return 0;
    if (pending) {
        size_t taken = send_now(e, s, s->out + s->head, pending, 1);
        s->head += taken;
        if (taken < pending)
            return 0;
        output_free(e, s);
    }
    return send_now(e, s, data, size, 0);
}

static int doom(struct slot *s, int error)
{
    s->flags |= ABORTED;
    s->error = error;
    return -error;
}

int engine_write(engine *e, int64_t handle, const void *data, size_t size)
{
    struct slot *s;
    int error = find_slot(e, handle, &s), index = index_of(handle);
    if (error < 0)
        return error;
    if (s->flags & FAILED)
        return -EBADF; /* it is lost, which is told in the next turn */
    if (s->flags & (ABORTED | SHUTTING))
        return -EPIPE;
    if (size == 0)
        return 0;
    if ((error = slot_mark(e, s, index)) < 0)
        return error;
    size_t pending = s->tail - s->head;
    if (pending + size > s->cap)
        return doom(s, ENOBUFS);
    size_t taken = write_directly(e, s, data, size);
    if (s->flags & FAILED)
        return -EBADF;
    if (taken < size && output_append(e, s, (const char *)data + taken, size - taken) < 0)
        return taken ? doom(s, ENOMEM) : -ENOMEM; /* a hole in the stream */
    s->flags |= WROTE;
    if (s->tail - s->head <= s->high || s->flags & ABOVE)
        return 0;
    s->flags |= ABOVE;
    return 1;
}

int engine_set_limits(engine *e, int64_t handle, uint32_t low, uint32_t high, uint32_t cap)
{
    struct slot *s;
    int error = find_slot(e, handle, &s);
    if (error < 0)
        return error;
    if (low > high || high > cap)
        return -EINVAL;
    if ((error = slot_mark(e, s, index_of(handle))) < 0)
        return error;
    s->low = low;
    s->high = high;
    s->cap = cap;
    return 0;
}

int64_t engine_buffered(engine *e, int64_t handle)
{
    struct slot *s;
    int error = find_slot(e, handle, &s);
    return error < 0 ? error : output_left(s);
}

int64_t engine_sent(engine *e, int64_t handle)
{
    struct slot *s;
    int error = find_slot(e, handle, &s);
    return error < 0 ? error : (int64_t)s->sent;
}

static int ask(engine *e, int64_t handle, uint16_t set, uint16_t clear)
{
    struct slot *s;
    int error = find_slot(e, handle, &s);
    if (error < 0)
        return error;
    if ((error = slot_mark(e, s, index_of(handle))) < 0)
        return error;
    s->flags = (uint16_t)((s->flags | set) & ~clear);
    return 0;
}

int engine_pause(engine *e, int64_t handle)
{
    return ask(e, handle, PAUSED, 0);
}

int engine_resume(engine *e, int64_t handle)
{
    return ask(e, handle, 0, PAUSED);
}

int engine_shut(engine *e, int64_t handle)
{
    return ask(e, handle, SHUTTING, 0);
}

int engine_lose(engine *e, int64_t handle)
{
    return ask(e, handle, CLOSING, 0);
}

int engine_abort(engine *e, int64_t handle)
{
    return ask(e, handle, ABORTED, 0);
}

void engine_count(engine *e, struct engine_counters *out)
{
    *out = e->counters;
}
