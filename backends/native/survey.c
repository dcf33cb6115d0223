/* Survey: one walk over all connections, for who looks at a running server. What it
 * has to know of the time before stands in the looker's memory, so that nothing is
 * kept while nobody looks, and several may look side by side.
 */
#include <string.h>

#include "engine.h"

int64_t engine_slots(engine *e)
{
    return e->used;
}

static void count_state(const struct slot *s, struct engine_survey *out)
{
    if (s->flags & LINGERING)
        out->lingering++;
    else if (s->flags & (CLOSING | ABORTED | FAILED))
        out->closing++;
    else if (s->flags & PAUSED)
        out->paused++;
    else
        out->open++;
}

/* Into its place among the busiest, most first; the last one falls out. */
static void rank(struct engine_survey *out, const struct engine_moved *moved)
{
    int64_t bytes = moved->received + moved->sent;
    int at = (int)out->busy_count;
    while (at > 0 && out->busiest[at - 1].received + out->busiest[at - 1].sent < bytes)
        at--;
    if (at == SURVEY_BUSY)
        return;
    if (out->busy_count < SURVEY_BUSY)
        out->busy_count++;
    memmove(out->busiest + at + 1, out->busiest + at,
            ((size_t)out->busy_count - 1 - (size_t)at) * sizeof *moved);
    out->busiest[at] = *moved;
}

/* What it has moved since it was looked at last, or since its beginning. */
static void compare(const struct slot *s, int64_t handle, struct engine_moved *known,
                    struct engine_survey *out)
{
    struct engine_moved now = {handle, (int64_t)s->received, (int64_t)s->sent, 0};
    struct engine_moved moved = now;
    if (known->handle == handle) {
        moved.received -= known->received;
        moved.sent -= known->sent;
    }
    *known = now;
    moved.buffered = (int64_t)(s->tail - s->head) + files_left(s);
    out->buffered += moved.buffered;
    if (moved.received + moved.sent > 0 && !(s->flags & LINGERING))
        rank(out, &moved);
}

int engine_look(engine *e, struct engine_moved *known, int64_t slots, struct engine_survey *out)
{
    int error = check_caller(e);
    if (error < 0)
        return error;
    memset(out, 0, sizeof *out);
    for (int i = 0; i < e->used && i < slots; i++) {
        const struct slot *s = slot_at(e, i);
        if (s->fd < 0)
            continue;
        if (s->kind == ENGINE_LISTENER && out->listener_count < SURVEY_LISTENERS)
            out->listeners[out->listener_count++] = slot_handle(s, i);
        if (s->kind != ENGINE_STREAM)
            continue;
        count_state(s, out);
        compare(s, slot_handle(s, i), &known[i], out);
    }
    return 0;
}
