/* Every record must fit what was asked of its party, every byte its place. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "driver.h"

struct model model;

static char outgoing[1 << 20];

_Noreturn void failed(const char *file, int line, const char *condition)
{
    fprintf(stderr, "%s:%d: not true: %s\n", file, line, condition);
    abort();
}

uint32_t new_id(struct model *m)
{
    CHECK(m->ids < IDS);
    m->total[m->ids] = 0;
    return m->ids++;
}

static char byte_at(uint32_t id, uint64_t offset)
{
    if (offset < 4)
        return (char)(id >> 8 * offset);
    return (char)(id * 131 + offset * 7 + (offset >> 8) * 13);
}

void fill(uint32_t id, uint64_t offset, char *data, size_t size)
{
    for (size_t i = 0; i < size; i++)
        data[i] = byte_at(id, offset + i);
}

void consume(struct incoming *in, const char *data, size_t size)
{
    for (size_t i = 0; i < size; i++, in->count++) {
        if (in->count < 4)
            in->id |= (uint32_t)(unsigned char)data[i] << 8 * in->count;
        else
            CHECK(data[i] == byte_at(in->id, in->count));
    }
}

/* A clean end: nothing of what was written is missing. */
void consume_end(struct model *m, const struct incoming *in)
{
    if (in->count < 4)
        return;
    CHECK(in->id < m->ids);
    CHECK(m->total[in->id] == (uint64_t)UNKNOWN || m->total[in->id] == in->count);
}

static struct party *find(struct model *m, int64_t handle)
{
    for (int i = 0; i < PARTIES; i++)
        if (m->parties[i].handle == handle)
            return &m->parties[i];
    return NULL;
}

static struct party *know(struct model *m, int64_t handle, int fd, int kind)
{
    CHECK(handle > 0);
    CHECK(!find(m, handle));
    struct party *p = find(m, 0);
    CHECK(p);
    *p = (struct party){.handle = handle, .kind = kind, .fd = fd, .id = new_id(m)};
    return p;
}

struct party *party_add(struct model *m, int fd, int kind)
{
    int64_t handle = engine_add(m->e, fd, kind);
    CHECK(handle > 0 || handle == -ENOMEM || handle == -ERANGE);
    return handle > 0 ? know(m, handle, fd, kind) : NULL;
}

int party_write(struct model *m, struct party *p, size_t size)
{
    fill(p->id, p->written, outgoing, size);
    int result = engine_write(m->e, p->handle, outgoing, size);
    if (result >= 0) {
        p->written += size;
        m->total[p->id] = p->written;
    } else {
        CHECK(result == -EPIPE || result == -EBADF || result == -ENOBUFS || result == -ENOMEM);
        if (result == -ENOBUFS)
            p->leaving = 1;
    }
    return result;
}

static void take_data(struct model *m, struct party *p, int64_t from, int64_t to)
{
    CHECK(0 <= from && from < to && to <= engine_arena_capacity());
    CHECK(p->kind == ENGINE_STREAM || p->kind == ENGINE_PIPE);
    CHECK(!p->paused && !p->leaving && !p->ended);
    consume(&p->in, engine_arena(m->e) + from, (size_t)(to - from));
}

static void take_lost(struct model *m, struct party *p, int64_t error)
{
    CHECK(error >= 0);
    CHECK(p->kind != ENGINE_LISTENER || p->leaving);
    if (error)
        m->total[p->id] = (uint64_t)UNKNOWN;
    else if (!p->leaving && !p->ended && p->kind == ENGINE_STREAM)
        consume_end(m, &p->in);
    p->handle = 0;
}

static void take_overload(struct model *m, struct party *p)
{
    p->paused = engine_resume(m->e, p->handle) < 0;
}

static int is_ready(int fd, short what)
{
    struct pollfd asked = {fd, what, 0};
    return poll(&asked, 1, 0) == 1;
}

static void take(struct model *m, const int64_t *record)
{
    struct party *p = find(m, record[1]);
    CHECK(p);
    switch (record[0]) {
    case EVENT_DATA:
        take_data(m, p, record[2], record[3]);
        break;
    case EVENT_EOF:
        CHECK(p->notify & NOTIFY_EOF && !p->ended);
        p->ended = 1;
        if (!p->leaving)
            consume_end(m, &p->in);
        break;
    case EVENT_LOST:
        take_lost(m, p, record[2]);
        break;
    case EVENT_ACCEPTED:
        CHECK(p->kind == ENGINE_LISTENER && !p->paused);
        know(m, record[2], -1, ENGINE_STREAM);
        m->accepted++;
        break;
    case EVENT_OVERLOAD:
        CHECK(p->kind == ENGINE_LISTENER && record[2] > 0);
        take_overload(m, p);
        break;
    case EVENT_CONNECTED:
        CHECK(p->kind == ENGINE_CONNECTING);
        p->kind = ENGINE_STREAM;
        break;
    case EVENT_READABLE:
        CHECK(p->vanished || (p->watched & 1 && is_ready(p->fd, POLLIN)));
        m->readable++;
        break;
    case EVENT_WRITABLE:
        CHECK(p->vanished || (p->watched & 2 && is_ready(p->fd, POLLOUT)));
        break;
    case EVENT_BLOCKED:
    case EVENT_CLEARED:
        CHECK(p->notify & NOTIFY_CONGESTION);
        break;
    case EVENT_EMPTIED:
        CHECK(p->notify & NOTIFY_EMPTIED && p->written);
        break;
    case EVENT_SHUT:
        CHECK(p->shut == 1);
        p->shut = 2;
        break;
    default:
        CHECK(record[0] == EVENT_DRAINED);
    }
}

int model_turn(struct model *m, double seconds)
{
    int count = engine_turn(m->e, seconds);
    CHECK(count >= 0 || count == -ENOMEM);
    CHECK(count <= engine_records_capacity());
    m->turns++;
    for (int i = 0; i < count; i++)
        take(m, engine_records(m->e) + 4 * i);
    return count;
}

int64_t still_open(struct model *m)
{
    struct engine_counters counters;
    engine_count(m->e, &counters);
    return counters.open;
}

void begin(const char *poller)
{
    memset(&model, 0, offsetof(struct model, total));
    CHECK(engine_open(poller, &model.e) == 0);
}

struct party *add_pair(int *peer)
{
    int ends[2], small = 4096;
    CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0);
    for (int i = 0; i < 2; i++)
        CHECK(fcntl(ends[i], F_SETFL, O_NONBLOCK) == 0);
    CHECK(setsockopt(ends[0], SOL_SOCKET, SO_SNDBUF, &small, sizeof small) == 0);
    *peer = ends[1];
    return party_add(&model, ends[0], ENGINE_STREAM);
}
