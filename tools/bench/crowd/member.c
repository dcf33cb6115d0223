#include "member.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

#include "clock.h"
#include "fatal.h"

/* PENDING_MAX: so many connects are under way in a process at once, for a
 * listening socket's queue is short. PATIENCE: for answers, after the last ping. */
enum { PENDING_MAX = 128, EVENTS_MAX = 512, TICK_MS = 5, PING_SIZE = 8 };
static const uint64_t PATIENCE_NS = 10ull * 1000 * 1000 * 1000;

enum state { UNUSED, CONNECTING, OPEN, PINGED, GONE };

struct connection {
    uint64_t since; /* when it began to connect, or was pinged last */
    int descriptor;
    uint8_t state, received;
    bool answered;
};

struct member {
    const struct plan *plan;
    struct tally *tally;
    struct connection *connections;
    unsigned count, first, pending, awaited;
    int poller, accounts;
};

struct moment {
    uint64_t wall;
    struct processor processor;
};

/* From a file that is open already: there may be no descriptor left. */
static struct moment moment_now(const struct member *member)
{
    char text[128] = "";
    unsigned long long spent = 0, queued = 0;
    if (pread(member->accounts, text, sizeof text - 1, 0) > 0)
        sscanf(text, "%llu %llu", &spent, &queued);
    return (struct moment){clock_wall(), {spent, queued}};
}

static struct stage stage_since(const struct member *member, struct moment start)
{
    struct moment now = moment_now(member);
    double wall = (double)(now.wall - start.wall) + 1;
    return (struct stage){
        .seconds = wall / 1e9,
        .busy = (double)(now.processor.spent - start.processor.spent) / wall,
        .queued = (double)(now.processor.queued - start.processor.queued) / wall,
    };
}

static bool is_over(const struct member *member)
{
    return clock_wall() >= member->plan->deadline;
}

static void count_errno(uint32_t *counts, int number)
{
    counts[number >= 0 && number < ERRNO_MAX ? number : ERRNO_MAX - 1]++;
}

static void fail(struct member *member, int number)
{
    count_errno(member->tally->failures, number);
    member->tally->failed++;
}

static void drop(struct member *member, struct connection *connection)
{
    if (connection->state == PINGED)
        member->awaited--;
    close(connection->descriptor);
    connection->state = GONE;
}

static void lose(struct member *member, struct connection *connection, int number)
{
    drop(member, connection);
    count_errno(member->tally->losses, number);
    member->tally->lost++;
}

/* False when it has to be tried again later. */
static bool open_one(struct member *member, unsigned index)
{
    struct connection *connection = &member->connections[index];
    struct epoll_event event = {.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET,
                                .data.u32 = index};
    connection->since = clock_wall();
    int descriptor =
        place_connect(&member->plan->place, (member->first + index) % member->plan->sources);
    if (descriptor == -EAGAIN)
        return false;
    if (descriptor < 0) {
        connection->state = GONE;
        fail(member, -descriptor);
        return true;
    }
    connection->descriptor = descriptor;
    connection->state = CONNECTING;
    member->pending++;
    if (epoll_ctl(member->poller, EPOLL_CTL_ADD, descriptor, &event) != 0)
        fatal_errno("epoll_ctl");
    return true;
}

static void connected(struct member *member, struct connection *connection)
{
    int problem = 0;
    socklen_t size = sizeof problem;
    getsockopt(connection->descriptor, SOL_SOCKET, SO_ERROR, &problem, &size);
    member->pending--;
    if (problem != 0) {
        drop(member, connection);
        fail(member, problem);
        return;
    }
    connection->state = OPEN;
    histogram_add(&member->tally->to_open, clock_wall() - connection->since);
    member->tally->opened++;
}

/* A ping is the number of its connection, twice. */
static void write_ping(char *bytes, uint32_t index)
{
    memcpy(bytes, &index, sizeof index);
    memcpy(bytes + sizeof index, &index, sizeof index);
}

static void answered(struct member *member, struct connection *connection)
{
    histogram_add(&member->tally->to_answer, clock_wall() - connection->since);
    connection->state = OPEN;
    connection->received = 0;
    member->awaited--;
    if (!connection->answered)
        member->tally->answered++;
    connection->answered = true;
}

/* What comes unasked, or is no echo, is counted as wrong. */
static void take(struct member *member, struct connection *connection, const char *bytes, size_t size)
{
    char expected[PING_SIZE];
    write_ping(expected, (uint32_t)(connection - member->connections));
    if (connection->state != PINGED || connection->received + size > PING_SIZE ||
        memcmp(expected + connection->received, bytes, size) != 0) {
        member->tally->wrong++;
        return;
    }
    connection->received += (uint8_t)size;
    if (connection->received == PING_SIZE)
        answered(member, connection);
}

static void receive(struct member *member, struct connection *connection)
{
    char bytes[4096];
    for (;;) {
        ssize_t size = recv(connection->descriptor, bytes, sizeof bytes, 0);
        if (size > 0) {
            take(member, connection, bytes, (size_t)size);
        } else if (size == 0) {
            lose(member, connection, 0);
            return;
        } else {
            if (errno != EAGAIN)
                lose(member, connection, errno);
            return;
        }
    }
}

static void serve_events(struct member *member, int timeout)
{
    struct epoll_event events[EVENTS_MAX];
    int count = epoll_wait(member->poller, events, EVENTS_MAX, timeout);
    for (int i = 0; i < count; i++) {
        struct connection *connection = &member->connections[events[i].data.u32];
        if (connection->state == CONNECTING)
            connected(member, connection);
        if ((connection->state == OPEN || connection->state == PINGED) &&
            events[i].events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR))
            receive(member, connection);
    }
}

static unsigned due(const struct member *member, uint64_t start)
{
    double rate = member->plan->rate / member->plan->processes;
    double wanted = rate * (double)(clock_wall() - start) / 1e9 + 1;
    return rate <= 0 || wanted > member->count ? member->count : (unsigned)wanted;
}

static void open_all(struct member *member)
{
    uint64_t start = clock_wall();
    unsigned next = 0;
    while ((next < member->count || member->pending > 0) && !is_over(member)) {
        bool waits = false;
        while (next < due(member, start) && member->pending < PENDING_MAX && !waits) {
            waits = !open_one(member, next);
            next += !waits;
        }
        serve_events(member, next < member->count || member->pending ? TICK_MS : 0);
    }
    for (unsigned i = 0; i < member->count; i++)
        if (member->connections[i].state <= CONNECTING)
            fail(member, ETIMEDOUT);
}

static void await_others(struct member *member, struct tally *tallies)
{
    member->tally->ready = true;
    for (unsigned i = 0; i < member->plan->processes && !is_over(member);)
        if (tallies[i].ready)
            i++;
        else
            serve_events(member, TICK_MS);
}

static void ping(struct member *member, unsigned index, uint64_t due_at)
{
    char bytes[PING_SIZE];
    struct connection *connection = &member->connections[index];
    if (connection->state != OPEN)
        return;
    uint64_t now = clock_wall();
    if (now - due_at > member->tally->latest_ns)
        member->tally->latest_ns = now - due_at;
    write_ping(bytes, index);
    connection->since = now;
    if (send(connection->descriptor, bytes, sizeof bytes, MSG_NOSIGNAL) != sizeof bytes) {
        lose(member, connection, errno);
        return;
    }
    connection->state = PINGED;
    member->awaited++;
    member->tally->pings++;
}

static bool is_chosen(const struct plan *plan, unsigned index)
{
    return (uint64_t)((index + 1) * plan->share) > (uint64_t)(index * plan->share);
}

/* The n-th of all pings has its own moment, so that they do not come in a burst. */
static void hold(struct member *member)
{
    const struct plan *plan = member->plan;
    uint64_t start = clock_wall(), length = (uint64_t)(plan->hold * 1e9);
    uint64_t steps = (uint64_t)plan->rounds * member->count, step = 0;
    while (!is_over(member)) {
        uint64_t passed = clock_wall() - start;
        for (; step < steps && step * length / steps <= passed; step++)
            if (is_chosen(plan, (unsigned)(step % member->count)))
                ping(member, (unsigned)(step % member->count), start + step * length / steps);
        bool patient = passed < length + PATIENCE_NS;
        if (step == steps && passed >= length && (member->awaited == 0 || !patient))
            break;
        serve_events(member, 1);
    }
    member->tally->unanswered = member->awaited;
}

/* Resets instead of closing, so that no port stays taken. */
static void reset_all(struct member *member)
{
    struct linger reset = {.l_onoff = 1, .l_linger = 0};
    for (unsigned i = 0; i < member->count; i++) {
        struct connection *connection = &member->connections[i];
        if (connection->state == UNUSED || connection->state == GONE)
            continue;
        setsockopt(connection->descriptor, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
        close(connection->descriptor);
    }
}

unsigned member_connections(const struct plan *plan, unsigned number)
{
    return plan->connections / plan->processes + (number < plan->connections % plan->processes);
}

void member_run(const struct plan *plan, unsigned number, struct tally *tallies)
{
    struct member member = {
        .plan = plan,
        .tally = &tallies[number],
        .count = member_connections(plan, number),
        .poller = epoll_create1(EPOLL_CLOEXEC),
        .accounts = open("/proc/self/schedstat", O_RDONLY | O_CLOEXEC),
    };
    for (unsigned i = 0; i < number; i++)
        member.first += member_connections(plan, i);
    member.connections = calloc(member.count, sizeof *member.connections);
    if (member.poller < 0 || member.accounts < 0 || member.connections == NULL)
        fatal_errno("a process of the crowd cannot start");
    struct moment start = moment_now(&member);
    open_all(&member);
    member.tally->opening = stage_since(&member, start);
    await_others(&member, tallies);
    start = moment_now(&member);
    hold(&member);
    member.tally->holding = stage_since(&member, start);
    reset_all(&member);
    free(member.connections);
}
