/* A listener outlives everything but the end of its socket. */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "driver.h"

static struct party *add_listener(struct sockaddr_un *name, socklen_t *size)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
    memset(name, 0, sizeof *name);
    name->sun_family = AF_UNIX;
    CHECK(bind(fd, (struct sockaddr *)name, sizeof(sa_family_t)) == 0 && listen(fd, 64) == 0);
    *size = sizeof *name;
    CHECK(getsockname(fd, (struct sockaddr *)name, size) == 0);
    return party_add(&model, fd, ENGINE_LISTENER);
}

/* What accept(2) may say. */
void accept_fails(const char *poller)
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
    struct sockaddr_un name;
    socklen_t size;
    begin(poller);
    struct party *p = add_listener(&name, &size);
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

/* There is no memory to watch a listener again: it is not lost for that. */
void a_listener_is_resumed_without_memory(const char *poller)
{
    enum { MOST = 100 };
    struct sockaddr_un name;
    socklen_t size;
    int peers[MOST], count = 0, failures = 0;
    begin(poller);
    struct party *p = add_listener(&name, &size);
    for (; count < MOST && !failures; count++) {
        CHECK(engine_pause(model.e, p->handle) == 0);
        CHECK(model_turn(&model, 0.0) == 0);
        add_pair(&peers[count]);
        CHECK(engine_resume(model.e, p->handle) == 0);
        fail_allocation(1);
        model_turn(&model, 0.0); /* the model resumes it once more */
        failures = allocations_left() == 0;
        fail_allocation(0);
    }
    CHECK(failures || strcmp(poller, "poll") != 0);
    model_turn(&model, 0.0);
    int client = socket(AF_UNIX, SOCK_STREAM, 0);
    CHECK(connect(client, (struct sockaddr *)&name, size) == 0);
    CHECK(model_turn(&model, 1.0) == 1 && model.accepted == 1);
    close(client);
    while (count)
        close(peers[--count]);
    engine_free(model.e);
}
