/* Open, close, and the turn: flush, wait, accept and receive, expire.
 *
 * A turn never waits while there is something to report, and never takes
 * more than the arena and the records hold: what is left comes first in the
 * next turn, before anything new is asked of the kernel.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "engine.h"

const char *engine_version(void)
{
    return REACTORLIB_VERSION;
}

int engine_backends(const char **names, int capacity)
{
    int count = 0;
    for (; pollers[count] && count < capacity; count++)
        names[count] = pollers[count]->name;
    return count;
}

static const struct poller *poller_named(const char *name)
{
    for (int i = 0; pollers[i]; i++)
        if (strcmp(pollers[i]->name, name) == 0)
            return pollers[i];
    return NULL;
}

static int open_wake(engine *e)
{
    int ends[2];
    if (pipe(ends) < 0)
        return -errno;
    e->wake_in = ends[0];
    e->wake_out = ends[1];
    for (int i = 0; i < 2; i++)
        if (fcntl(ends[i], F_SETFL, O_NONBLOCK) < 0 || fcntl(ends[i], F_SETFD, FD_CLOEXEC) < 0)
            return -errno;
    return e->poller->modify(e->state, e->wake_in, 0, POLLER_READ, 0);
}

static int open_parts(engine *e)
{
    e->arena = malloc(ARENA_BYTES);
    e->records = malloc(sizeof *e->records * RECORDS * 4);
    if (!e->arena || !e->records)
        return -ENOMEM;
    int error = e->poller->open(&e->state);
    return error < 0 ? error : open_wake(e);
}

int engine_open(const char *backend, engine **out)
{
    const struct poller *poller = poller_named(backend);
    if (!poller)
        return -ENOENT;
    engine *e = calloc(1, sizeof *e);
    if (!e)
        return -ENOMEM;
    e->poller = poller;
    e->pid = getpid();
    e->free = e->linger_first = e->linger_last = NOWHERE;
    e->wake_in = e->wake_out = e->spare = NOWHERE;
    int error = open_parts(e);
    if (error < 0) {
        engine_free(e);
        return error;
    }
    *out = e;
    return 0;
}

/* The watched descriptors are not ours. No registration is changed: in a
 * forked child that would change the parent's. */
void engine_close(engine *e)
{
    for (int i = 0; i < e->used; i++) {
        struct slot *s = slot_at(e, i);
        if (s->fd >= 0 && s->kind != ENGINE_WATCHED)
            close(s->fd);
        free(s->out);
    }
    e->used = 0;
    int *mine[] = {&e->wake_in, &e->wake_out, &e->spare};
    for (int i = 0; i < 3; i++) {
        if (*mine[i] >= 0)
            close(*mine[i]);
        *mine[i] = NOWHERE;
    }
    if (e->state)
        e->poller->close(e->state);
    e->state = NULL;
    memset(&e->counters, 0, sizeof e->counters);
}

void engine_free(engine *e)
{
    engine_close(e);
    for (int i = 0; i < e->chunk_count; i++)
        free(e->chunks[i]);
    for (int i = 0; i < e->pooled; i++)
        free(e->pool[i]);
    free(e->chunks);
    free(e->by_fd);
    free(e->dirty.items);
    free(e->settling.items);
    free(e->arena);
    free(e->records);
    free(e);
}

int engine_own(engine *e, int owned)
{
    int error = check_caller(e);
    if (error < 0)
        return error;
    e->owner = pthread_self();
    e->owned = owned;
    return 0;
}

int engine_wake_descriptor(engine *e)
{
    return e->wake_out;
}

/* A full pipe wakes as well as a byte more would. Called by any thread. */
int engine_wake(engine *e)
{
    if (write(e->wake_out, "", 1) < 0 && errno != EAGAIN && errno != EWOULDBLOCK)
        return -errno;
    return 0;
}

static void drain_wake(engine *e)
{
    char bytes[512];
    while (read(e->wake_in, bytes, sizeof bytes) > 0)
        ;
}

static void settle_one(engine *e, int index)
{
    struct slot *s = slot_at(e, index);
    if (!(s->flags & DIRTY)) /* closed since */
        return;
    s->flags &= (uint16_t)~DIRTY;
    slot_settle(e, s, index);
}

/* Whoever becomes dirty while this runs waits for the next turn. */
static void settle_dirty(engine *e)
{
    if (e->settling.count == 0) {
        struct index_list empty = e->settling;
        e->settling = e->dirty;
        e->dirty = empty;
    }
    int done = 0;
    while (done < e->settling.count && room_for_slot(e))
        settle_one(e, e->settling.items[done++]);
    e->settling.count -= done;
    if (e->settling.count)
        memmove(e->settling.items, e->settling.items + done,
                (size_t)e->settling.count * sizeof *e->settling.items);
}

/* A descriptor in the set is not open: find it, so that the others go on. */
static void sweep_closed(engine *e)
{
    for (int i = 0; i < e->used && room_for_slot(e); i++) {
        struct slot *s = slot_at(e, i);
        if (s->fd >= 0 && s->interest && fcntl(s->fd, F_GETFD) < 0 && errno == EBADF) {
            slot_gone(e, s, i);
            slot_settle(e, s, i);
        }
    }
}

/* Milliseconds for the kernel: rounded up, for a timer must never be early. */
static int wait_limit(engine *e, double seconds)
{
    if (e->record_count || e->dirty.count || e->settling.count)
        return 0;
    double limit = seconds < 0 ? -1 : ceil(seconds * 1000);
    if (e->linger_first != NOWHERE) {
        double until = (double)(slot_at(e, e->linger_first)->deadline - now_ms());
        until = until < 0 ? 0 : until;
        limit = limit < 0 || until < limit ? until : limit;
    }
    return limit > INT_MAX ? INT_MAX : (int)limit;
}

static int await_ready(engine *e, double seconds)
{
    int count = e->poller->wait(e->state, e->ready, READY, wait_limit(e, seconds));
    e->ready_next = 0;
    e->ready_count = count > 0 ? count : 0;
    if (count == -EBADF)
        sweep_closed(e);
    else if (count < 0 && count != -EINTR)
        return count;
    return 0;
}

static void serve_ready(engine *e)
{
    while (e->ready_next < e->ready_count && room_for_slot(e)
           && ARENA_BYTES - e->arena_used >= READ_MIN) {
        struct poller_event *event = &e->ready[e->ready_next++];
        int64_t handle = (int64_t)event->token;
        if (handle == 0) {
            drain_wake(e);
            continue;
        }
        struct slot *s = slot_find(e, handle);
        if (s && !(s->flags & STALE))
            input_ready(e, s, index_of(handle), event->ready);
    }
}

int engine_turn(engine *e, double seconds)
{
    int error = check_caller(e);
    if (error < 0)
        return error;
    if (!e->state)
        return -EBADF;
    if (getpid() != e->pid)
        return -ECHILD;
    e->record_count = 0;
    e->arena_used = 0;
    e->counters.turns++;
    settle_dirty(e);
    if (e->ready_next == e->ready_count && (error = await_ready(e, seconds)) < 0)
        return error;
    serve_ready(e);
    if (e->linger_first != NOWHERE)
        linger_expire(e, now_ms());
    return e->record_count;
}

const int64_t *engine_records(engine *e)
{
    return e->records;
}

const char *engine_arena(engine *e)
{
    return e->arena;
}

int64_t engine_records_capacity(void)
{
    return RECORDS;
}

int64_t engine_arena_capacity(void)
{
    return ARENA_BYTES;
}
