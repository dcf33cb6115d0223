#include "exchange.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "channel.h"
#include "clock.h"
#include "fatal.h"

enum { EVENTS = 512, STALL_SECONDS = 10 };

struct slot {
    struct channel channel;
    size_t sent;
    size_t received;
    uint64_t begun;
};

struct exchange {
    const struct exchange_plan *plan;
    struct histogram *latency;
    char *message;
    char *reply;
    struct slot *slots;
    int epoll;
    bool checking;       /* compare contents; off within the window */
    bool stopping;       /* begin nothing new */
    unsigned waiting;    /* slots with an echo under way */
    uint64_t operations;
    uint64_t idle_ns;
    uint64_t looked_at;  /* when the last look at the kernel's events ended */
    uint64_t progressed_at;
};

static void push(struct exchange *exchange, struct slot *slot)
{
    size_t size = exchange->plan->size;
    while (slot->sent < size) {
        ssize_t count = channel_send(&slot->channel, exchange->message + slot->sent,
                                     size - slot->sent);
        if (count < 0 && errno == EAGAIN)
            return;
        if (count < 0)
            fatal_errno("send");
        slot->sent += (size_t)count;
    }
}

/* Edge-triggered both ways and registered once: the kernel reports room for
 * writing only after a send that was refused. */
static void open_slot(struct exchange *exchange, struct slot *slot)
{
    struct epoll_event event = {.events = EPOLLIN | EPOLLOUT | EPOLLET, .data.ptr = slot};
    channel_open(&slot->channel, &exchange->plan->server);
    if (epoll_ctl(exchange->epoll, EPOLL_CTL_ADD, slot->channel.descriptor, &event) != 0)
        fatal_errno("epoll_ctl");
}

static void begin(struct exchange *exchange, struct slot *slot, uint64_t now)
{
    slot->begun = now;
    slot->sent = slot->received = 0;
    exchange->waiting++;
    if (slot->channel.descriptor < 0)
        open_slot(exchange, slot);
    push(exchange, slot);
}

static void finish(struct exchange *exchange, struct slot *slot)
{
    uint64_t now = clock_wall();
    histogram_add(exchange->latency, now - slot->begun);
    exchange->operations++;
    exchange->progressed_at = now;
    exchange->waiting--;
    if (exchange->plan->reconnect)
        channel_close(&slot->channel);
    if (!exchange->stopping && exchange->plan->pause_ns == 0)
        begin(exchange, slot, now);
}

static void begin_all(struct exchange *exchange)
{
    for (unsigned i = 0; i < exchange->plan->connections; i++)
        begin(exchange, &exchange->slots[i], clock_wall());
}

/* Within the window the bytes are only counted. */
static void pull(struct exchange *exchange, struct slot *slot)
{
    size_t size = exchange->plan->size;
    char *place = exchange->reply + slot->received;
    size_t due = slot->sent - slot->received;
    ssize_t count = channel_receive(&slot->channel, place, due, !exchange->checking);
    if (count < 0 && errno == EAGAIN)
        return;
    if (count < 0)
        fatal_errno("recv");
    if (count == 0)
        fatal("the server closed a connection");
    if ((size_t)count > due)
        fatal("the server sent more than it was sent");
    if (exchange->checking && memcmp(place, exchange->message + slot->received, (size_t)count) != 0)
        fatal("the server sent other bytes than it was sent");
    slot->received += (size_t)count;
    if (slot->received == size)
        finish(exchange, slot);
}

static void turn(struct exchange *exchange)
{
    struct epoll_event events[EVENTS];
    int count = epoll_wait(exchange->epoll, events, EVENTS, 0);
    uint64_t now = clock_wall();
    if (count == 0)
        exchange->idle_ns += now - exchange->looked_at;
    if (now - exchange->progressed_at > STALL_SECONDS * 1000000000ull)
        fatal("the server has not answered for 10 seconds");
    for (int i = 0; i < count; i++) {
        struct slot *slot = events[i].data.ptr;
        push(exchange, slot);
        pull(exchange, slot);
    }
    exchange->looked_at = count == 0 ? now : clock_wall();
}

static void turn_for(struct exchange *exchange, double seconds)
{
    uint64_t end = clock_wall() + (uint64_t)(seconds * 1e9);
    while (exchange->looked_at < end) {
        uint64_t rested = exchange->looked_at - exchange->progressed_at;
        if (exchange->waiting == 0 && rested >= exchange->plan->pause_ns)
            begin_all(exchange);
        turn(exchange);
    }
}

/* One connection at a time, each after the echo of the one before it: no
 * server's backlog overflows, whatever its length. */
static void open_all(struct exchange *exchange)
{
    exchange->stopping = true;
    for (unsigned i = 0; i < exchange->plan->connections; i++) {
        begin(exchange, &exchange->slots[i], clock_wall());
        while (exchange->waiting > 0)
            turn(exchange);
    }
    exchange->stopping = false;
}

static void measure(struct exchange *exchange, struct exchange_result *result)
{
    struct processor before = clock_process(exchange->plan->watched);
    uint64_t wall = clock_wall();
    exchange->operations = exchange->idle_ns = 0;
    histogram_clear(exchange->latency);
    exchange->checking = false;
    turn_for(exchange, exchange->plan->seconds);
    struct processor after = clock_process(exchange->plan->watched);
    uint64_t elapsed = clock_wall() - wall;
    exchange->checking = true;
    result->server_ns = after.spent - before.spent;
    result->queued_ns = after.queued - before.queued;
    result->operations = exchange->operations;
    result->seconds = (double)elapsed / 1e9;
    result->busy = 1 - (double)exchange->idle_ns / (double)elapsed;
}

/* Every echo under way is received to its last byte, and nothing behind it. */
static void close_all(struct exchange *exchange)
{
    char excess;
    exchange->stopping = true;
    while (exchange->waiting > 0)
        turn(exchange);
    for (unsigned i = 0; i < exchange->plan->connections; i++) {
        struct channel *channel = &exchange->slots[i].channel;
        if (channel->descriptor < 0)
            continue;
        if (channel_receive(channel, &excess, 0, false) >= 0)
            fatal("the server sent more than it was sent, or closed a connection");
        channel_abort(channel);
    }
}

static void allocate(struct exchange *exchange)
{
    const struct exchange_plan *plan = exchange->plan;
    exchange->epoll = epoll_create1(EPOLL_CLOEXEC);
    exchange->message = malloc(plan->size);
    exchange->reply = malloc(plan->size + 1);
    exchange->slots = calloc(plan->connections, sizeof *exchange->slots);
    if (exchange->epoll < 0 || !exchange->message || !exchange->reply || !exchange->slots)
        fatal("no memory or descriptors for the connections");
    size_t unit = plan->unit ? strlen(plan->unit) : 0;
    for (size_t i = 0; i < plan->size; i++)
        exchange->message[i] = unit ? plan->unit[i % unit] : (char)(i * 31 + i / 251);
    for (unsigned i = 0; i < plan->connections; i++)
        exchange->slots[i].channel.descriptor = -1;
}

static void release(struct exchange *exchange)
{
    close(exchange->epoll);
    free(exchange->message);
    free(exchange->reply);
    free(exchange->slots);
}

void exchange_run(const struct exchange_plan *plan, struct exchange_result *result)
{
    double warm_up = plan->seconds / 4 < 0.5 ? plan->seconds / 4 : 0.5;
    struct exchange exchange = {.plan = plan, .latency = &result->latency, .checking = true};
    exchange.looked_at = exchange.progressed_at = clock_wall();
    allocate(&exchange);
    open_all(&exchange);
    turn_for(&exchange, warm_up);
    measure(&exchange, result);
    close_all(&exchange);
    release(&exchange);
}
