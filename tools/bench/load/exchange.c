#include "exchange.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "channel.h"
#include "clock.h"
#include "fatal.h"

enum { EVENTS = 512, STALL_SECONDS = 10, HELD = 1 << 18 };

struct slot {
    struct channel channel;
    size_t sent;
    size_t received;
    uint64_t begun;
    struct answer answer;
    unsigned answered; /* of the message's requests */
    char *held;        /* of the answers: received and not taken; HELD bytes of room */
    size_t holding;
};

struct exchange {
    const struct exchange_plan *plan;
    struct histogram *latency;
    char *reply; /* of echoes, for all */
    struct slot *slots;
    int epoll;
    bool checking;       /* compare all contents; off within the window */
    bool stopping;       /* begin nothing new */
    unsigned waiting;    /* slots with a message under way */
    uint64_t operations;
    uint64_t received;
    uint64_t idle_ns;
    uint64_t looked_at;  /* when the last look at the kernel's events ended */
    uint64_t progressed_at;
};

static void push(struct exchange *exchange, struct slot *slot)
{
    const struct message *message = &exchange->plan->message;
    while (slot->sent < message->size) {
        ssize_t count = channel_send(&slot->channel, message->data + slot->sent,
                                     message->size - slot->sent);
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
    slot->sent = slot->received = slot->answered = 0;
    exchange->waiting++;
    if (slot->channel.descriptor < 0)
        open_slot(exchange, slot);
    push(exchange, slot);
}

static void finish(struct exchange *exchange, struct slot *slot, unsigned operations)
{
    uint64_t now = clock_wall();
    histogram_add(exchange->latency, now - slot->begun);
    exchange->operations += operations;
    exchange->received += slot->received;
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

/* As channel_receive, with -1 for nothing yet. */
static ssize_t receive(struct slot *slot, char *place, size_t due, bool discard)
{
    ssize_t count = channel_receive(&slot->channel, place, due, discard);
    if (count < 0 && errno != EAGAIN)
        fatal_errno("recv");
    if (count == 0)
        fatal("the server closed a connection");
    return count;
}

/* Within the window the bytes are only counted. */
static void pull_echo(struct exchange *exchange, struct slot *slot)
{
    const struct message *message = &exchange->plan->message;
    char *place = exchange->reply + slot->received;
    size_t due = slot->sent - slot->received;
    ssize_t count = receive(slot, place, due, !exchange->checking);
    if (count < 0)
        return;
    if ((size_t)count > due)
        fatal("the server sent more than it was sent");
    if (exchange->checking && memcmp(place, message->data + slot->received, (size_t)count) != 0)
        fatal("the server sent other bytes than it was sent");
    slot->received += (size_t)count;
    if (slot->received == message->size)
        finish(exchange, slot, 1);
}

/* Takes whole answers, and of an incomplete one what can be taken. */
static void take_held(struct exchange *exchange, struct slot *slot)
{
    size_t used = 0;
    bool whole = true;
    while (whole && used < slot->holding) {
        if (slot->answered == exchange->plan->expected.count)
            fatal("the server sent more answers than it was asked for");
        used += answer_take(&slot->answer, &exchange->plan->expected, slot->held + used,
                            slot->holding - used, &whole);
        slot->answered += whole;
    }
    slot->holding -= used;
    if (slot->holding == HELD)
        fatal("the head of an answer is too long");
    memmove(slot->held, slot->held + used, slot->holding);
}

static void skip_body(struct exchange *exchange, struct slot *slot, size_t size)
{
    bool whole = false;
    answer_skip(&slot->answer, &exchange->plan->expected, size, &whole);
    slot->answered += whole;
}

/* Whether the message still waits for its answers and more of them may be there:
 * as much was received as was asked for. */
static bool pull_some(struct exchange *exchange, struct slot *slot)
{
    bool skip = !exchange->checking && slot->holding == 0 && slot->answer.left > 0;
    size_t room = HELD - slot->holding;
    if (skip && slot->answer.left < room)
        room = slot->answer.left;
    ssize_t count = receive(slot, slot->held + slot->holding, room - 1, skip);
    if (count < 0)
        return false;
    slot->received += (size_t)count;
    if (skip) {
        skip_body(exchange, slot, (size_t)count);
    } else {
        slot->holding += (size_t)count;
        take_held(exchange, slot);
    }
    return (size_t)count == room && slot->answered < exchange->plan->expected.count;
}

/* Without a message under way nothing may come. */
static void pull_answers(struct exchange *exchange, struct slot *slot)
{
    unsigned expected = exchange->plan->expected.count;
    size_t before = slot->received;
    while (pull_some(exchange, slot))
        ;
    if (slot->answered < expected || slot->received == before)
        return;
    if (slot->sent < exchange->plan->message.size)
        fatal("the server answered before it was asked");
    finish(exchange, slot, expected);
}

static void pull(struct exchange *exchange, struct slot *slot)
{
    if (exchange->plan->expected.count > 0)
        pull_answers(exchange, slot);
    else
        pull_echo(exchange, slot);
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

/* One connection at a time, each after the answer of the one before it: no
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
    exchange->operations = exchange->received = exchange->idle_ns = 0;
    histogram_clear(exchange->latency);
    exchange->checking = false;
    turn_for(exchange, exchange->plan->seconds);
    struct processor after = clock_process(exchange->plan->watched);
    uint64_t elapsed = clock_wall() - wall;
    exchange->checking = true;
    result->server_ns = after.spent - before.spent;
    result->queued_ns = after.queued - before.queued;
    result->operations = exchange->operations;
    result->received = exchange->received;
    result->seconds = (double)elapsed / 1e9;
    result->busy = 1 - (double)exchange->idle_ns / (double)elapsed;
}

/* Every answer under way is received to its last byte, and nothing behind it. */
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
    exchange->reply = malloc(plan->message.size + 1);
    exchange->slots = calloc(plan->connections, sizeof *exchange->slots);
    if (exchange->epoll < 0 || !exchange->reply || !exchange->slots)
        fatal("no memory or descriptors for the connections");
    for (unsigned i = 0; i < plan->connections; i++) {
        struct slot *slot = &exchange->slots[i];
        slot->channel.descriptor = -1;
        if (plan->expected.count > 0 && (slot->held = malloc(HELD)) == NULL)
            fatal("no memory for the connections");
    }
}

static void release(struct exchange *exchange)
{
    close(exchange->epoll);
    for (unsigned i = 0; i < exchange->plan->connections; i++)
        free(exchange->slots[i].held);
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
