/* Who may not call an engine, and when. */
#include <errno.h>
#include <pthread.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "driver.h"

static char buffer[1 << 16];

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
    CHECK(engine_send_to(e, handle, buffer, 1, -1) == error);
    CHECK(engine_send_to_bytes(e, handle, buffer, 1, buffer, ENGINE_PEER_BYTES) == error);
    CHECK(engine_set_longest(e, handle, 1) == error);
    CHECK(engine_take_descriptors(e, handle) == error);
    CHECK(engine_pass_descriptor(e, handle, 0) == error);
}

static void *in_another_thread(void *nothing)
{
    expect_refusals(-EXDEV);
    CHECK(engine_close(model.e) == -EXDEV);
    CHECK(engine_wake(model.e) == 0);
    return nothing;
}

void another_thread_is_refused(const char *poller)
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

void a_child_is_refused(const char *poller)
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

void nothing_goes_after_the_close(const char *poller)
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
void everything_is_closed(const char *poller)
{
    int status;
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        int peer, wake;
        begin(poller);
        struct party *p = add_pair(&peer);
        CHECK(engine_abort(model.e, p->handle) == 0);
        wake = engine_wake_descriptor(model.e);
        for (int fd = 3; fd < 64; fd++)
            if (fd != wake)
                close(fd);
        CHECK(model_turn(&model, 1.0) == 1); /* what was done by then is told first */
        CHECK(engine_turn(model.e, 1.0) == -EBADF);
        engine_free(model.e);
        _exit(0);
    }
    CHECK(waitpid(child, &status, 0) == child && status == 0);
}
