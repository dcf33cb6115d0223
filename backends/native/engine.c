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
    int error = watch_forks();
    if (error < 0)
        return error;
    engine *e = calloc(1, sizeof *e);
    if (!e)
        return -ENOMEM;
    e->poller = poller;
    e->forks = fork_count();
    pthread_mutex_init(&e->wake_lock, NULL);
    e->free = e->linger_first = e->linger_last = NOWHERE;
    e->wake_in = e->wake_out = e->spare = NOWHERE;
    error = open_parts(e);
    if (error < 0) {
        engine_free(e);
        return error;
    }
    *out = e;
    return 0;
}

static void close_wake(engine *e)
{
    int *ends[] = {&e->wake_in, &e->wake_out};
    for (int i = 0; i < 2; i++) {
        if (*ends[i] >= 0)
            close(*ends[i]);
        *ends[i] = NOWHERE;
    }
}

/* The watched descriptors are not ours. No registration is changed: in a
 * forked child that would change the parent's. */
static void close_all(engine *e)
{
    for (int i = 0; i < e->used; i++) {
        struct slot *s = slot_at(e, i);
        if (s->fd >= 0 && s->kind != ENGINE_WATCHED)
            close(s->fd);
        slot_free_parts(s);
    }
    e->used = 0;
    if (e->spare >= 0)
        close(e->spare);
    e->spare = NOWHERE;
    if (e->state)
        e->poller->close(e->state);
    e->state = NULL;
    memset(&e->counters, 0, sizeof e->counters);
    /* In a child, whoever held the lock is not there to give it back. */
    if (e->forks != fork_count()) {
        close_wake(e);
        return;
    }
    pthread_mutex_lock(&e->wake_lock);
    close_wake(e);
    pthread_mutex_unlock(&e->wake_lock);
}

int engine_close(engine *e)
{
    int error = check_caller(e);
    if (error == -EXDEV)
        return error;
    close_all(e);
    return 0;
}

void engine_free(engine *e)
{
    close_all(e);
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
    if (e->forks == fork_count())
        pthread_mutex_destroy(&e->wake_lock);
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
    int error = check_caller(e);
    if (error == 0 && e->wake_out < 0)
        error = -EBADF;
    return error < 0 ? error : e->wake_out;
}

/* A full pipe wakes as well as a byte more would. Called by any thread: one
 * that comes late must not write into what has the number by then. */
int engine_wake(engine *e)
{
    if (e->forks != fork_count())
        return -ECHILD;
    pthread_mutex_lock(&e->wake_lock);
    int error = write(e->wake_out, "", 1) < 0 ? errno : 0;
    pthread_mutex_unlock(&e->wake_lock);
    return error == EAGAIN || error == EWOULDBLOCK ? 0 : -error;
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

static void settle_list(engine *e, struct index_list *list)
{
    int done = 0;
    while (done < list->count && room_for_slot(e))
        settle_one(e, list->items[done++]);
    list->count -= done;
    if (list->count)
        memmove(list->items, list->items + done, (size_t)list->count * sizeof *list->items);
}

/* Everything that was asked for is done before anything is read: a pause
 * holds. What there is no room to report is done first in the next turn. */
static void settle_dirty(engine *e)
{
    settle_list(e, &e->settling);
    if (e->settling.count)
        return;
    struct index_list empty = e->settling;
    e->settling = e->dirty;
    e->dirty = empty;
    settle_list(e, &e->settling);
}

static int register_slot(engine *e, void *state, struct slot *s, int index)
{
    if (s->fd < 0 || !s->interest)
        return 0;
    int error = e->poller->modify(state, s->fd, 0, s->interest, (uint64_t)slot_handle(s, index));
    if (error != -EBADF)
        return error;
    if ((error = slot_mark(e, s, index)) == 0)
        slot_gone(e, s, index);
    return error;
}

/* A descriptor that was closed behind our back and has a duplicate reports for
 * ever, and cannot be taken out: only a new set is without it. If there can be
 * none now, the next such report tries again. */
static void renew_poller(engine *e)
{
    void *fresh;
    e->renew = 0;
    if (e->poller->open(&fresh) < 0)
        return;
    int error = e->poller->modify(fresh, e->wake_in, 0, POLLER_READ, 0);
    for (int i = 0; i < e->used && error == 0; i++)
        error = register_slot(e, fresh, slot_at(e, i), i);
    e->poller->close(error < 0 ? fresh : e->state);
    if (error < 0)
        return;
    e->state = fresh;
    e->orphans = 0;
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
    if (e->renew)
        renew_poller(e);
    int count = e->poller->wait(e->state, e->ready, READY, wait_limit(e, seconds));
    e->ready_next = 0;
    e->ready_count = count > 0 ? count : 0;
    return count < 0 && count != -EINTR ? count : 0;
}

static int may_serve(const engine *e)
{
    return e->ready_next < e->ready_count && room_for_slot(e)
           && ARENA_BYTES - e->arena_used >= READ_MIN;
}

static int serve_ready(engine *e)
{
    for (int served = 0; served < SERVED_MAX && may_serve(e); served++) {
        struct poller_event *event = &e->ready[e->ready_next++];
        int64_t handle = (int64_t)event->token;
        if (handle == 0) {
            if (event->ready & POLLER_GONE)
                return -EBADF;
            drain_wake(e);
            continue;
        }
        struct slot *s = slot_find(e, handle);
        if (s && !room_for_input(e, s)) {
            e->ready_next--; /* the first of the next turn */
            return 0;
        }
        if (s && !(s->flags & STALE) && event->ready & (s->interest | POLLER_GONE))
            input_ready(e, s, index_of(handle), event->ready);
        else
            e->renew = e->orphans;
    }
    return 0;
}

int engine_turn(engine *e, double seconds)
{
    int error = check_caller(e);
    if (error < 0)
        return error;
    if (!e->state)
        return -EBADF;
    e->record_count = 0;
    e->arena_used = 0;
    e->counters.turns++;
    settle_dirty(e);
    if (e->ready_next == e->ready_count)
        error = await_ready(e, seconds);
    if (error == 0)
        error = serve_ready(e);
    if (e->linger_first != NOWHERE)
        linger_expire(e, now_ms());
    e->counters.events += e->record_count;
    return e->record_count ? e->record_count : error;
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
