/* Single cases that need C: for their speed, their threads and forks, or the
 * short LINGER_MS of this build.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "driver.h"

static struct model model;
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

static void begin(const char *poller)
{
    memset(&model, 0, offsetof(struct model, total));
    CHECK(engine_open(poller, &model.e) == 0);
}

static struct party *add_pair(int *peer)
{
    int ends[2], small = 4096;
    CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0);
    for (int i = 0; i < 2; i++)
        CHECK(fcntl(ends[i], F_SETFL, O_NONBLOCK) == 0);
    CHECK(setsockopt(ends[0], SOL_SOCKET, SO_SNDBUF, &small, sizeof small) == 0);
    *peer = ends[1];
    return party_add(&model, ends[0], ENGINE_STREAM);
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

/* Every call with an engine, refused with `error`; the close is left out. */
static void expect_refusals(int error)
{
    engine *e = model.e;
    int64_t handle = model.parties[0].handle;
    CHECK(engine_turn(e, 0.0) == error);
    CHECK(engine_own(e, 1) == error);
    CHECK(engine_own(e, 0) == error);
    CHECK(engine_wake_descriptor(e) == error);
    CHECK(engine_add(e, 0, ENGINE_WATCHED) == error);
    CHECK(engine_detach(e, handle) == error);
    CHECK(engine_descriptor(e, handle) == error);
    CHECK(engine_watch(e, handle, 1, 1) == error);
    CHECK(engine_notify(e, handle, 1) == error);
    CHECK(engine_write(e, handle, buffer, 1) == error);
    CHECK(engine_write(e, handle, buffer, sizeof buffer) == error);
    CHECK(engine_set_limits(e, handle, 1, 2, 3) == error);
    CHECK(engine_buffered(e, handle) == error);
    CHECK(engine_sent(e, handle) == error);
    CHECK(engine_pause(e, handle) == error);
    CHECK(engine_resume(e, handle) == error);
    CHECK(engine_shut(e, handle) == error);
    CHECK(engine_lose(e, handle) == error);
    CHECK(engine_abort(e, handle) == error);
}

/* What accept(2) may say; the listener outlives all but the end of its socket. */
static void accept_fails(const char *poller)
{
    static const struct {
        int error, event;
    } cases[] = {
        {EINTR, EVENT_ACCEPTED},       {ECONNABORTED, EVENT_ACCEPTED}, {EPROTO, EVENT_ACCEPTED},
        {EPERM, EVENT_ACCEPTED},       {ENETDOWN, EVENT_ACCEPTED},     {ENOPROTOOPT, EVENT_ACCEPTED},
        {EHOSTDOWN, EVENT_ACCEPTED},   {ENONET, EVENT_ACCEPTED},       {EHOSTUNREACH, EVENT_ACCEPTED},
        {EOPNOTSUPP, EVENT_ACCEPTED},  {ENETUNREACH, EVENT_ACCEPTED},  {ETIMEDOUT, EVENT_ACCEPTED},
        {EMFILE, EVENT_OVERLOAD},      {ENFILE, EVENT_OVERLOAD},       {ENOBUFS, EVENT_OVERLOAD},
        {ENOMEM, EVENT_OVERLOAD},      {EINVAL, EVENT_LOST},
    };
    begin(poller);
    struct sockaddr_un name = {.sun_family = AF_UNIX};
    socklen_t size = sizeof(sa_family_t);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
    CHECK(bind(fd, (struct sockaddr *)&name, size) == 0 && listen(fd, 64) == 0);
    size = sizeof name;
    CHECK(getsockname(fd, (struct sockaddr *)&name, &size) == 0);
    struct party *p = party_add(&model, fd, ENGINE_LISTENER);
    int64_t accepted = 0;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        int client = socket(AF_UNIX, SOCK_STREAM, 0), sheds = cases[i].error == EMFILE || cases[i].error == ENFILE;
        CHECK(connect(client, (struct sockaddr *)&name, size) == 0);
        fail_accept(cases[i].error);
        p->leaving = cases[i].event == EVENT_LOST;
        CHECK(model_turn(&model, 1.0) == 1);
        CHECK(engine_records(model.e)[0] == cases[i].event);
        if (cases[i].event == EVENT_OVERLOAD) {
            CHECK(engine_records(model.e)[2] == cases[i].error && engine_records(model.e)[3] == sheds);
            CHECK(model_turn(&model, 0.001) == !sheds); /* the model has resumed it */
        }
        accepted += cases[i].event != EVENT_LOST && !sheds;
        CHECK(model.accepted == accepted);
        close(client);
        while (still_open(&model) > (p->handle != 0))
            model_turn(&model, 0.01);
    }
    CHECK(still_open(&model) == 0);
    engine_free(model.e);
}

static void *in_another_thread(void *nothing)
{
    expect_refusals(-EXDEV);
    CHECK(engine_close(model.e) == -EXDEV);
    CHECK(engine_wake(model.e) == 0);
    return nothing;
}

static void another_thread_is_refused(const char *poller)
{
    int peer;
    pthread_t thread;
    begin(poller);
    struct party *p = add_pair(&peer);
    CHECK(engine_own(model.e, 1) == 0);
    CHECK(pthread_create(&thread, NULL, in_another_thread, NULL) == 0);
    CHECK(pthread_join(thread, NULL) == 0);
    CHECK(model_turn(&model, -1.0) == 0); /* the wake */
    party_write(&model, p, 10);
    model_turn(&model, 0.0);
    CHECK(recvfrom(peer, buffer, sizeof buffer, 0, NULL, NULL) == 10);
    close(peer);
    engine_free(model.e);
}

static void a_child_is_refused(const char *poller)
{
    int peer, status;
    begin(poller);
    struct party *p = add_pair(&peer);
    model_turn(&model, 0.0);
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        expect_refusals(-ECHILD);
        CHECK(engine_wake(model.e) == -ECHILD);
        CHECK(engine_close(model.e) == 0);
        engine_free(model.e);
        _exit(0);
    }
    CHECK(waitpid(child, &status, 0) == child && status == 0);
    CHECK(model_turn(&model, 0.01) == 0); /* nothing woke it, nothing was lost */
    CHECK(sendto(peer, buffer, 4, 0, NULL, 0) == 4);
    CHECK(model_turn(&model, 1.0) == 1 && p->in.count == 4);
    close(peer);
    engine_free(model.e);
}

static void nothing_goes_after_the_close(const char *poller)
{
    int peer;
    begin(poller);
    struct party *p = add_pair(&peer);
    party_write(&model, p, 1000);
    CHECK(engine_close(model.e) == 0);
    CHECK(engine_close(model.e) == 0);
    CHECK(engine_turn(model.e, -1.0) == -EBADF);
    CHECK(engine_add(model.e, 0, ENGINE_WATCHED) == -EBADF);
    CHECK(engine_write(model.e, p->handle, buffer, 1) == -EBADF);
    CHECK(engine_wake(model.e) == -EBADF);
    CHECK(engine_wake_descriptor(model.e) == -EBADF);
    CHECK(recvfrom(peer, buffer, sizeof buffer, 0, NULL, NULL) == 0);
    close(peer);
    engine_free(model.e);
}

/* Without the pipe that wakes it, or the kernel's own descriptor, a turn is an
 * error and not a busy loop. */
static void everything_is_closed(const char *poller)
{
    int status;
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        begin(poller);
        int wake = engine_wake_descriptor(model.e);
        for (int fd = 3; fd < 64; fd++)
            if (fd != wake)
                close(fd);
        CHECK(engine_turn(model.e, 1.0) == -EBADF);
        engine_free(model.e);
        _exit(0);
    }
    CHECK(waitpid(child, &status, 0) == child && status == 0);
}

void run_scenarios(const char *poller)
{
    static void (*const scenarios[])(const char *) = {
        numbers_are_reused_in_a_batch,
        one_byte_writes,
        a_write_is_cut_short_by_memory,
        accept_fails,
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
