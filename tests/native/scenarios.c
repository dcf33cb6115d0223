/* Single cases that need C, for their speed or the short LINGER_MS of this build. */
#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "driver.h"

static char buffer[1 << 16];

int count_descriptors(void)
{
    int count = 0;
    for (int fd = 0; fd < 4096; fd++)
        count += fcntl(fd, F_GETFD) >= 0;
    return count;
}

static double now(void)
{
    struct timespec at;
    clock_gettime(CLOCK_MONOTONIC, &at);
    return (double)at.tv_sec + (double)at.tv_nsec / 1e9;
}

/* Ten megabytes by single bytes, taken in pieces of any size. */
static void one_byte_writes(const char *poller)
{
    enum { TOTAL = 10 << 20 };
    int peer;
    begin(poller);
    struct party *p = add_pair(&peer);
    struct incoming in = {0};
    while (in.count < TOTAL) {
        for (int i = 0; i < 5000 && p->written < TOTAL; i++)
            CHECK(party_write(&model, p, 1) >= 0);
        model_turn(&model, 0.0);
        ssize_t got;
        while ((got = recvfrom(peer, buffer, 1 + in.count * 7919 % sizeof buffer, 0, NULL, NULL)) > 0)
            consume(&in, buffer, (size_t)got);
        CHECK(got < 0 && errno == EAGAIN);
    }
    CHECK(in.count == TOTAL);
    close(peer);
    engine_free(model.e);
}

static void watch_copies(struct party **parties, int count, int fd)
{
    for (int i = 0; i < count; i++) {
        parties[i] = party_add(&model, dup(fd), ENGINE_WATCHED);
        parties[i]->watched = 1;
        CHECK(engine_watch(model.e, parties[i]->handle, 1, 0) == 0);
    }
}

static void close_copies(struct party **parties, int count)
{
    for (int i = 0; i < count; i++) {
        CHECK(engine_detach(model.e, parties[i]->handle) == parties[i]->fd);
        close(parties[i]->fd);
        parties[i]->handle = 0;
    }
}

/* More is ready than one turn reports. What was not reported is closed, and its
 * numbers are given to others, which have nothing to report. */
static void numbers_are_reused_in_a_batch(const char *poller)
{
    enum { COPIES = 500, ROUNDS = 100000 };
    struct party *parties[COPIES];
    int loud[2], quiet[2], turns;
    begin(poller);
    CHECK(pipe(loud) == 0 && pipe(quiet) == 0 && write(loud[1], "x", 1) == 1);
    for (int replaced = 0; replaced < ROUNDS; replaced += COPIES - model.readable) {
        model.ids = 0;
        model.readable = 0;
        watch_copies(parties, COPIES, loud[0]);
        CHECK(model_turn(&model, 0.0) > 0);
        CHECK(model.readable < COPIES);
        close_copies(parties, COPIES);
        watch_copies(parties, COPIES, quiet[0]);
        for (turns = 0; turns < 6; turns++)
            CHECK(model_turn(&model, 0.0) == 0);
        close_copies(parties, COPIES);
    }
    for (int i = 0; i < 2; i++) {
        close(loud[i]);
        close(quiet[i]);
    }
    engine_free(model.e);
}

/* The kernel has taken a part, and there is no memory for the rest. */
static void a_write_is_cut_short_by_memory(const char *poller)
{
    int peer;
    begin(poller);
    struct party *p = add_pair(&peer);
    for (int i = 0; i < 2; i++) { /* what a turn needs has been allocated */
        CHECK(engine_resume(model.e, p->handle) == 0);
        CHECK(model_turn(&model, 0.0) == 0);
    }
    fail_allocation(1);
    CHECK(party_write(&model, p, 500) == -ENOMEM);
    CHECK(party_write(&model, p, 500) == 0); /* nothing was taken: it goes on */
    CHECK(model_turn(&model, 0.0) == 0);
    fail_allocation(1);
    CHECK(party_write(&model, p, sizeof buffer) == -ENOMEM);
    CHECK(engine_sent(model.e, p->handle) > 500);
    CHECK(party_write(&model, p, 500) == -EPIPE);
    p->leaving = 1;
    CHECK(model_turn(&model, 0.0) == 1);
    CHECK(engine_records(model.e)[0] == EVENT_LOST && engine_records(model.e)[2] == ENOMEM);
    close(peer);
    engine_free(model.e);
}

static int64_t lingering(void)
{
    struct engine_counters counters;
    engine_count(model.e, &counters);
    return counters.lingering;
}

/* A peer that neither reads, nor writes, nor ends is given up after LINGER_MS. */
static void linger_is_bounded(const char *poller)
{
    int peers[3];
    begin(poller);
    for (int i = 0; i < 3; i++) {
        struct party *p = add_pair(&peers[i]);
        p->leaving = 1;
        CHECK(engine_lose(model.e, p->handle) == 0);
    }
    double begun = now();
    CHECK(model_turn(&model, -1.0) == 3);
    CHECK(lingering() == 3);
    for (int turns = 0; lingering(); turns++) {
        CHECK(turns < 5);
        CHECK(model_turn(&model, -1.0) == 0);
    }
    CHECK(now() - begun >= LINGER_MS / 1000.0 - 0.001);
    CHECK(still_open(&model) == 0);
    for (int i = 0; i < 3; i++)
        close(peers[i]);
    engine_free(model.e);
}

/* Nor does one that never stops to write keep it. */
static void flood_does_not_prolong_the_linger(const char *poller)
{
    int peer;
    begin(poller);
    struct party *p = add_pair(&peer);
    p->leaving = 1;
    CHECK(engine_lose(model.e, p->handle) == 0);
    double begun = now();
    do {
        while (sendto(peer, buffer, sizeof buffer, MSG_NOSIGNAL, NULL, 0) > 0)
            ;
        CHECK(model_turn(&model, 0.001) <= 1);
        CHECK(now() - begun < 20 * LINGER_MS / 1000.0);
    } while (lingering());
    CHECK(still_open(&model) == 0);
    close(peer);
    engine_free(model.e);
}

void run_scenarios(const char *poller)
{
    static void (*const scenarios[])(const char *) = {
        numbers_are_reused_in_a_batch,
        one_byte_writes,
        a_write_is_cut_short_by_memory,
        accept_fails,
        a_listener_is_resumed_without_memory,
        linger_is_bounded,
        flood_does_not_prolong_the_linger,
        another_thread_is_refused,
        a_child_is_refused,
        nothing_goes_after_the_close,
        everything_is_closed,
    };
    for (size_t i = 0; i < sizeof scenarios / sizeof *scenarios; i++) {
        int before = count_descriptors();
        scenarios[i](poller);
        CHECK(count_descriptors() == before);
    }
}
