/* Operations in an order that a seed decides, on streams, pipes and watched
 * descriptors, with raw sockets on the other side. At the end everything is
 * closed, and no descriptor is left.
 */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "driver.h"

enum { CLIENTS = 48 };

struct run {
    struct model *m;
    uint64_t seed;
    struct party *listener;
    struct sockaddr_storage address;
    socklen_t address_size;
    struct client clients[CLIENTS];
    int copies[CLIENTS], copy_count;
};

static struct run run;

static uint32_t chance(struct run *r, uint32_t below)
{
    r->seed ^= r->seed << 13;
    r->seed ^= r->seed >> 7;
    r->seed ^= r->seed << 17;
    return (uint32_t)((r->seed >> 16) % below);
}

static size_t some_size(struct run *r)
{
    static const size_t sizes[] = {1, 3, 17, 500, 4096, 5000, 16384, 40000, 200000};
    return sizes[chance(r, sizeof sizes / sizeof *sizes)];
}

static struct party *some_party(struct run *r)
{
    struct party *p = &r->m->parties[chance(r, PARTIES)];
    return p->handle ? p : NULL;
}

static struct party *some_stream(struct run *r)
{
    for (int i = 0; i < 64; i++) {
        struct party *p = some_party(r);
        if (p && p->kind != ENGINE_LISTENER && p->kind != ENGINE_WATCHED)
            return p;
    }
    return NULL;
}

static int room(struct run *r)
{
    int used = 0;
    for (int i = 0; i < PARTIES; i++)
        used += r->m->parties[i].handle != 0;
    return PARTIES - used > PARTIES / 2;
}

static void nonblocking(int fd)
{
    CHECK(fcntl(fd, F_SETFL, O_NONBLOCK) == 0);
}

static int connect_some(struct run *r)
{
    int fd = socket(r->address.ss_family, SOCK_STREAM, 0);
    CHECK(fd > 0);
    nonblocking(fd);
    if (connect(fd, (struct sockaddr *)&r->address, r->address_size) == 0 || errno == EINPROGRESS)
        return fd;
    CHECK(errno == EAGAIN || errno == ECONNREFUSED); /* the queue is full, or the listener gone */
    close(fd);
    return -1;
}

/* The other side */

static void client_open(struct run *r, int fd)
{
    for (int i = 0; i < CLIENTS && fd > 0; i++) {
        if (r->clients[i].fd)
            continue;
        r->clients[i] = (struct client){.fd = fd, .id = new_id(r->m)};
        return;
    }
    if (fd > 0)
        close(fd);
}

static void act_outside(struct run *r)
{
    struct client *c = &r->clients[chance(r, CLIENTS)];
    if (!c->fd) {
        if (room(r))
            client_open(r, connect_some(r));
        return;
    }
    switch (chance(r, 24)) {
    case 0:
        client_close(r->m, c, 0);
        break;
    case 1:
        client_close(r->m, c, 1);
        break;
    case 2:
        client_end(c);
        break;
    case 3: case 4: case 5: case 6: case 7: case 8: case 9:
        client_send(r->m, c, some_size(r));
        break;
    default:
        client_receive(r->m, c, some_size(r));
    }
}

/* The engine's side */

static void detach(struct run *r, struct party *p)
{
    int fd = engine_detach(r->m->e, p->handle);
    CHECK(fd >= 0);
    r->m->total[p->id] = (uint64_t)UNKNOWN;
    p->handle = 0;
    close(fd);
}

static void act_on_stream(struct run *r, struct party *p)
{
    engine *e = r->m->e;
    int result = 0;
    switch (chance(r, 32)) {
    case 0:
        if ((result = engine_lose(e, p->handle)) == 0)
            p->leaving = 1;
        break;
    case 1:
        if ((result = engine_abort(e, p->handle)) == 0)
            p->leaving = 1;
        break;
    case 2:
        if ((result = engine_shut(e, p->handle)) == 0 && !p->shut)
            p->shut = 1;
        break;
    case 3: case 4:
        if ((result = engine_pause(e, p->handle)) == 0)
            p->paused = 1;
        break;
    case 5: case 6: case 7:
        if ((result = engine_resume(e, p->handle)) == 0)
            p->paused = 0;
        break;
    case 8:
        p->notify = (int)chance(r, 8);
        CHECK(engine_notify(e, p->handle, p->notify) == 0);
        break;
    case 9:
        result = engine_set_limits(e, p->handle, chance(r, 9000), 9000, 9000 + chance(r, 4000000));
        break;
    case 10:
        if (chance(r, 4) == 0)
            detach(r, p);
        break;
    case 11:
        CHECK(engine_buffered(e, p->handle) >= 0 && engine_sent(e, p->handle) >= 0);
        CHECK(engine_descriptor(e, p->handle) > 0);
        break;
    default:
        party_write(r->m, p, some_size(r));
    }
    CHECK(result == 0 || result == -ENOMEM);
}

static void add_two(struct run *r)
{
    int ends[2], one_way = (int)chance(r, 2);
    CHECK(one_way ? pipe(ends) == 0 : socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0);
    for (int i = 0; i < 2; i++) {
        nonblocking(ends[i]);
        if (!party_add(r->m, ends[i], one_way && i ? ENGINE_WRITER : ENGINE_PIPE))
            close(ends[i]);
    }
}

static void add_connecting(struct run *r)
{
    int fd = connect_some(r);
    if (fd > 0 && !party_add(r->m, fd, ENGINE_CONNECTING))
        close(fd);
}

/* Closed without a word, and with a copy somewhere; heard of later or never. */
static void vanish(struct run *r, struct party *p)
{
    if (!p->vanished && r->copy_count < CLIENTS)
        CHECK((r->copies[r->copy_count++] = dup(p->fd)) > 0);
    if (!p->vanished)
        close(p->fd);
    else if (chance(r, 4) == 0 && engine_detach(r->m->e, p->handle) >= 0)
        p->handle = 0;
    p->vanished = 1;
}

static void act_on_watched(struct run *r, struct party *p)
{
    unsigned wanted = chance(r, 4);
    switch (p->vanished ? 2 : chance(r, 8)) {
    case 0: /* in good order */
        detach(r, p);
        break;
    case 1: /* the number is another one's when the engine hears of it */
        CHECK(dup2(STDERR_FILENO, p->fd) == p->fd);
        detach(r, p);
        break;
    case 2:
        vanish(r, p);
        break;
    default:
        if (engine_watch(r->m->e, p->handle, wanted & 1, wanted & 2) == 0)
            p->watched = wanted;
    }
}

static void add_watched(struct run *r)
{
    int ends[2];
    CHECK(pipe(ends) == 0);
    struct party *p = party_add(r->m, ends[chance(r, 2)], ENGINE_WATCHED);
    for (int i = 0; i < 2; i++)
        if (!p || ends[i] != p->fd)
            close(ends[i]);
}

static void act_inside(struct run *r)
{
    struct party *p = chance(r, 4) ? some_stream(r) : some_party(r);
    if (!p)
        return;
    if (p->kind == ENGINE_WATCHED)
        act_on_watched(r, p);
    else if (p != r->listener)
        act_on_stream(r, p);
}

static void act_on_listener(struct run *r)
{
    struct party *p = r->listener;
    int pause = chance(r, 4) == 0;
    if (p->handle && (pause ? engine_pause : engine_resume)(r->m->e, p->handle) == 0)
        p->paused = pause;
}

/* Churn: each step opens one connection and ends another. */
static void churn(struct run *r)
{
    struct client *c = &r->clients[chance(r, CLIENTS)];
    if (c->fd)
        client_close(r->m, c, (int)chance(r, 2));
    int fd = connect_some(r);
    if (fd < 0)
        return;
    *c = (struct client){.fd = fd, .id = new_id(r->m)};
    client_send(r->m, c, 1 + chance(r, 50));
    struct party *p = some_stream(r);
    if (p && chance(r, 2)) /* enough to block one that is written to again and again */
        party_write(r->m, p, chance(r, 30) ? 20 : 250000);
    else if (p)
        act_on_stream(r, p);
}

static void step(struct run *r, enum profile profile)
{
    if (profile == CHURN) {
        churn(r);
        if (!room(r) || chance(r, 6) == 0)
            model_turn(r->m, 0.0);
        return;
    }
    uint32_t what = chance(r, 64);
    if (what < 26)
        act_outside(r);
    else if (what < 46)
        act_inside(r);
    else if (what < 47 && room(r))
        add_connecting(r);
    else if (what < 48 && room(r))
        add_two(r);
    else if (what < 50 && room(r))
        add_watched(r);
    else if (what < 51)
        act_on_listener(r);
    else
        model_turn(r->m, 0.0);
}

/* Beginning and end */

/* More than the tables hold at first. */
static void let_a_crowd_in(struct run *r)
{
    for (int i = 0; i < 150; i++)
        add_two(r);
    for (int i = 0; i < PARTIES; i++) {
        struct party *p = &r->m->parties[i];
        if (p->handle && p != r->listener)
            p->paused = engine_pause(r->m->e, p->handle) == 0;
    }
    model_turn(r->m, 0.0);
}

static int bound_socket(struct run *r, enum profile profile)
{
    struct sockaddr_in *inet = (struct sockaddr_in *)&r->address;
    r->address.ss_family = profile == CHURN ? AF_UNIX : AF_INET;
    r->address_size = sizeof(sa_family_t); /* a name of the kernel's choice */
    if (profile != CHURN) {
        inet->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        r->address_size = sizeof *inet;
    }
    int fd = socket(r->address.ss_family, SOCK_STREAM, 0);
    CHECK(fd > 0);
    nonblocking(fd);
    CHECK(bind(fd, (struct sockaddr *)&r->address, r->address_size) == 0);
    r->address_size = sizeof r->address;
    CHECK(getsockname(fd, (struct sockaddr *)&r->address, &r->address_size) == 0);
    CHECK(listen(fd, 64) == 0);
    return fd;
}

static void clear_up(struct run *r)
{
    while (r->copy_count)
        close(r->copies[--r->copy_count]);
    for (int i = 0; i < CLIENTS; i++)
        if (r->clients[i].fd)
            client_close(r->m, &r->clients[i], 1);
    for (int i = 0; i < PARTIES; i++) {
        struct party *p = &r->m->parties[i];
        if (p->handle && p->vanished) {
            if (engine_detach(r->m->e, p->handle) >= 0)
                p->handle = 0;
        } else if (p->handle && p->kind == ENGINE_WATCHED)
            detach(r, p);
        else if (p->handle) {
            CHECK(engine_abort(r->m->e, p->handle) == 0);
            p->leaving = 1;
        }
    }
    for (int i = 0; i < 1000 && still_open(r->m); i++)
        model_turn(r->m, 0.05);
    CHECK(still_open(r->m) == 0);
    for (int i = 0; i < PARTIES; i++)
        CHECK(r->m->parties[i].handle == 0);
}

int64_t run_random(const char *poller, uint64_t seed, int64_t steps, enum profile profile)
{
    int before = count_descriptors();
    memset(&run, 0, sizeof run);
    run.m = &model;
    run.seed = seed * 2654435761u + 88172645463325252u;
    memset(&model, 0, offsetof(struct model, total));
    int error = engine_open(poller, &model.e);
    CHECK(error == 0 || error == -ENOMEM);
    if (error) {
        CHECK(count_descriptors() == before);
        return 0;
    }
    int fd = bound_socket(&run, profile);
    run.listener = party_add(&model, fd, ENGINE_LISTENER);
    stutter(profile == STUTTER);
    if (profile == CROWD && run.listener)
        let_a_crowd_in(&run);
    for (int64_t i = 0; i < steps && run.listener; i++)
        step(&run, profile);
    stutter(0);
    int64_t left = allocations_left();
    fail_allocation(0);
    if (!run.listener)
        close(fd);
    clear_up(&run);
    CHECK(profile != CHURN || model.accepted > steps * 3 / 4);
    engine_free(model.e);
    CHECK(count_descriptors() == before);
    return left;
}
