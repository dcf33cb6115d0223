/* Handles, generations, interest: kept here and nowhere else.
 *
 * A handle is generation << 32 | index. Closing a slot raises its generation,
 * so that an event or a call that comes late finds nothing.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "engine.h"

int64_t now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static int take_free(engine *e)
{
    if (e->free != NOWHERE) {
        int index = e->free;
        e->free = slot_at(e, index)->next;
        return index;
    }
    if (e->used == e->chunk_count * CHUNK) {
        struct slot **chunks = realloc(e->chunks, (size_t)(e->chunk_count + 1) * sizeof *chunks);
        if (!chunks)
            return -ENOMEM;
        e->chunks = chunks;
        chunks[e->chunk_count] = calloc(CHUNK, sizeof(struct slot));
        if (!chunks[e->chunk_count])
            return -ENOMEM;
        e->chunk_count++;
    }
    slot_at(e, e->used)->generation = 1;
    return e->used++;
}

static void give_free(engine *e, struct slot *s, int index)
{
    uint32_t generation = s->generation == 0x7fffffff ? 1 : s->generation + 1;
    memset(s, 0, sizeof *s);
    s->generation = generation;
    s->fd = NOWHERE;
    s->next = e->free;
    e->free = index;
}

static int cover_fd(engine *e, int fd)
{
    if (fd < e->by_fd_count)
        return 0;
    int wanted = e->by_fd_count ? e->by_fd_count : 256;
    while (wanted <= fd)
        wanted *= 2;
    int *by_fd = realloc(e->by_fd, (size_t)wanted * sizeof *by_fd);
    if (!by_fd)
        return -ENOMEM;
    for (int i = e->by_fd_count; i < wanted; i++)
        by_fd[i] = NOWHERE;
    e->by_fd = by_fd;
    e->by_fd_count = wanted;
    return 0;
}

/* Its descriptor was closed behind our back, and the number may be somebody
 * else's by now: keep the handle until the loss is told, touch nothing. */
void slot_gone(engine *e, struct slot *s, int index)
{
    slot_interest(e, s, index, 0);
    e->by_fd[s->fd] = NOWHERE;
    s->fd = NOWHERE;
    s->flags |= STALE;
}

/* The number was given out again, so whoever stands under it is gone. */
static int evict(engine *e, int fd)
{
    int index = e->by_fd[fd];
    if (index == NOWHERE)
        return 0;
    if (slot_mark(e, slot_at(e, index), index) < 0)
        return -ENOMEM;
    slot_gone(e, slot_at(e, index), index);
    return 0;
}

static unsigned first_interest(int kind)
{
    return kind == ENGINE_WATCHED ? 0 : kind == ENGINE_CONNECTING ? POLLER_WRITE : POLLER_READ;
}

int64_t slot_new(engine *e, int fd, int kind)
{
    /* Registered by the first watch, but refused now if it cannot be then. */
    if (kind == ENGINE_WATCHED && e->poller->modify(e->state, fd, 0, 0, 0) == -ERANGE)
        return -ERANGE;
    if (cover_fd(e, fd) < 0 || evict(e, fd) < 0)
        return -ENOMEM;
    int index = take_free(e);
    if (index < 0)
        return index;
    struct slot *s = slot_at(e, index);
    s->fd = fd;
    s->kind = (uint8_t)kind;
    s->low = 1 << 14;
    s->high = 1 << 16;
    s->cap = UINT32_MAX;
    s->previous = s->next = NOWHERE;
    int error = slot_interest(e, s, index, first_interest(kind));
    if (error < 0) {
        give_free(e, s, index);
        return error;
    }
    e->by_fd[fd] = index;
    e->counters.open++;
    return slot_handle(s, index);
}

int slot_interest(engine *e, struct slot *s, int index, unsigned wanted)
{
    if (s->interest == wanted || s->fd < 0)
        return 0;
    int error = e->poller->modify(e->state, s->fd, s->interest, wanted,
                                  (uint64_t)slot_handle(s, index));
    if (error < 0 && wanted)
        return error;
    if (error < 0)
        e->orphans = 1;
    s->interest = (uint8_t)wanted;
    return 0;
}

int slot_mark(engine *e, struct slot *s, int index)
{
    if (s->flags & DIRTY)
        return 0;
    struct index_list *list = &e->dirty;
    if (list->count == list->capacity) {
        int wanted = list->capacity ? list->capacity * 2 : 64;
        int *items = realloc(list->items, (size_t)wanted * sizeof *items);
        if (!items)
            return -ENOMEM;
        list->items = items;
        list->capacity = wanted;
    }
    list->items[list->count++] = index;
    s->flags |= DIRTY;
    return 0;
}

static void linger_stop(engine *e, struct slot *s)
{
    if (!(s->flags & LINGERING))
        return;
    if (s->previous == NOWHERE)
        e->linger_first = s->next;
    else
        slot_at(e, s->previous)->next = s->next;
    if (s->next == NOWHERE)
        e->linger_last = s->previous;
    else
        slot_at(e, s->next)->previous = s->previous;
    e->counters.lingering--;
}

void linger_start(engine *e, struct slot *s, int index, int64_t now)
{
    s->flags |= LINGERING;
    s->deadline = now + LINGER_MS;
    s->previous = e->linger_last;
    s->next = NOWHERE;
    if (e->linger_last == NOWHERE)
        e->linger_first = index;
    else
        slot_at(e, e->linger_last)->next = index;
    e->linger_last = index;
    e->counters.lingering++;
}

void linger_expire(engine *e, int64_t now)
{
    while (e->linger_first != NOWHERE && slot_at(e, e->linger_first)->deadline <= now)
        slot_close(e, slot_at(e, e->linger_first), e->linger_first);
}

void slot_free_parts(struct slot *s)
{
    free(s->out);
    if (s->files)
        files_free(s);
    if (s->kind == ENGINE_DATAGRAM)
        free(s->datagram);
    else if (s->passing)
        passing_free(s);
}

void slot_release(engine *e, struct slot *s, int index)
{
    slot_interest(e, s, index, 0);
    if (s->fd >= 0)
        e->by_fd[s->fd] = NOWHERE;
    linger_stop(e, s);
    output_free(e, s);
    slot_free_parts(s);
    give_free(e, s, index);
    e->counters.open--;
}

void slot_close(engine *e, struct slot *s, int index)
{
    int fd = s->fd;
    slot_release(e, s, index);
    if (fd >= 0)
        close(fd);
}

void slot_lost(engine *e, struct slot *s, int index, int error)
{
    if (!(s->flags & LINGERING)) {
        int64_t unsent = s->kind == ENGINE_STREAM ? output_left(s) : 0;
        record(e, EVENT_LOST, slot_handle(s, index), error, unsent);
    }
    /* A peer must not take what is cut short for what is complete. */
    if (error && s->fd >= 0 && s->kind != ENGINE_WATCHED) {
        struct linger reset = {1, 0};
        setsockopt(s->fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
    }
    if (s->kind == ENGINE_WATCHED)
        slot_release(e, s, index);
    else
        slot_close(e, s, index);
}
