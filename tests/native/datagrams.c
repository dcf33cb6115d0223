/* Datagrams, and descriptors over Unix streams, in an order that a seed decides.
 *
 * Every datagram is a stream of its own, whose first bytes tell its id. What
 * arrives must be what was sent, whole or cut at the end; every descriptor that
 * arrives is open, and in the end no other one is.
 */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "driver.h"

enum { PORTS = 12, LINES = 6, LARGEST = 60000 };

struct port { /* a datagram socket in the engine, bound as `name` */
    int64_t handle;
    int family, connected, paused, leaving;
    uint32_t longest;
    struct sockaddr_storage name;
    socklen_t name_size;
};

struct line { /* a Unix stream in the engine, and its other side */
    int64_t handle;
    int peer, takes, leaving;
};

static struct port ports[PORTS];
static struct line lines[LINES];
static int outside[2]; /* a plain socket of each family */
static struct sockaddr_storage outside_names[2];
static socklen_t outside_sizes[2];
static char data[1 << 16];
static uint64_t state;

static uint32_t chance(uint32_t below)
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return (uint32_t)((state >> 16) % below);
}

static size_t some_size(void)
{
    static const size_t sizes[] = {0, 1, 3, 5, 100, 1400, 8192, 8193, 20000, LARGEST};
    return sizes[chance(sizeof sizes / sizeof *sizes)];
}

/* Bound to a name that the system chooses. */
static int bound(int family, struct sockaddr_storage *name, socklen_t *size)
{
    int fd = socket(family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    CHECK(fd >= 0);
    memset(name, 0, sizeof *name);
    name->ss_family = (sa_family_t)family;
    ((struct sockaddr_in *)name)->sin_addr.s_addr = family == AF_INET ? htonl(INADDR_LOOPBACK) : 0;
    *size = family == AF_INET ? sizeof(struct sockaddr_in) : sizeof(sa_family_t);
    CHECK(bind(fd, (struct sockaddr *)name, *size) == 0);
    *size = sizeof *name;
    CHECK(getsockname(fd, (struct sockaddr *)name, size) == 0);
    return fd;
}

static void port_open(struct port *p)
{
    int which = (int)chance(2), fd;
    *p = (struct port){.family = which ? AF_UNIX : AF_INET, .longest = 8192};
    fd = bound(p->family, &p->name, &p->name_size);
    p->connected = chance(4) == 0;
    if (p->connected)
        CHECK(connect(fd, (struct sockaddr *)&outside_names[which], outside_sizes[which]) == 0);
    int64_t handle = engine_add(model.e, fd, ENGINE_DATAGRAM);
    CHECK(handle > 0 || handle == -ENOMEM || handle == -ERANGE);
    p->handle = handle > 0 ? handle : 0;
    if (handle < 0)
        close(fd);
}

static void port_send(struct port *p)
{
    int which = p->family == AF_UNIX;
    const struct sockaddr_in *v4 = (const struct sockaddr_in *)&outside_names[0];
    const struct sockaddr_un *path = (const struct sockaddr_un *)&outside_names[1];
    size_t size = some_size();
    int result;
    fill(new_id(&model), 0, data, size);
    if (p->connected)
        result = engine_send_to(model.e, p->handle, data, size, -1);
    else if (which)
        result = engine_send_to_bytes(model.e, p->handle, data, size, path->sun_path,
                                      outside_sizes[1] - offsetof(struct sockaddr_un, sun_path));
    else
        result = engine_send_to(model.e, p->handle, data, size,
                                (int64_t)ntohs(v4->sin_port) << 32 | ntohl(v4->sin_addr.s_addr));
    CHECK(result == 0 || result == -ENOMEM || result == -ENOBUFS
          || (result == -EPIPE && p->leaving));
}

static void port_receive_some(const struct port *p)
{
    int which = p->family == AF_UNIX;
    size_t size = some_size();
    fill(new_id(&model), 0, data, size);
    (void)!sendto(outside[which], data, size, 0, (const struct sockaddr *)&p->name, p->name_size);
}

static void act_on_port(struct port *p)
{
    engine *e = model.e;
    if (!p->handle) {
        port_open(p);
        return;
    }
    switch (chance(24)) {
    case 0:
        p->leaving = p->leaving || engine_lose(e, p->handle) == 0;
        break;
    case 1:
        p->leaving = p->leaving || engine_abort(e, p->handle) == 0;
        break;
    case 2:
        close(engine_detach(e, p->handle));
        p->handle = 0;
        break;
    case 3:
        p->paused = p->paused || engine_pause(e, p->handle) == 0;
        break;
    case 4: case 5: case 6:
        p->paused = p->paused && engine_resume(e, p->handle) < 0;
        break;
    case 7:
        p->longest = 1 + chance(LARGEST);
        CHECK(engine_set_longest(e, p->handle, p->longest) == 0);
        break;
    case 8:
        CHECK(engine_write(e, p->handle, "x", 1) == -EPIPE);
        break;
    case 9: case 10: case 11: case 12: case 13: case 14: case 15:
        port_receive_some(p);
        break;
    default:
        port_send(p);
    }
}

static void outside_receive(void)
{
    for (int i = 0; i < 8; i++) {
        ssize_t got = recvfrom(outside[i % 2], data, sizeof data, 0, NULL, NULL);
        if (got >= 0)
            consume(&(struct incoming){0}, data, (size_t)got);
    }
}

/* Lines */

static void line_open(struct line *l)
{
    int ends[2];
    CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends) == 0);
    int64_t handle = engine_add(model.e, ends[0], ENGINE_STREAM);
    *l = (struct line){.handle = handle, .peer = ends[1]};
    if (handle > 0)
        return;
    close(ends[0]);
    close(ends[1]);
    l->handle = 0;
}

static void send_descriptors(int fd, int count)
{
    union {
        struct cmsghdr header;
        char bytes[CMSG_SPACE(253 * sizeof(int))];
    } control;
    struct iovec part = {data, 1 + chance(2000)};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
    memset(&control, 0, sizeof control);
    message.msg_control = control.bytes;
    message.msg_controllen = CMSG_SPACE((size_t)count * sizeof(int));
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    *header = (struct cmsghdr){CMSG_LEN((size_t)count * sizeof(int)), SOL_SOCKET, SCM_RIGHTS};
    for (int i = 0; i < count; i++)
        memcpy(CMSG_DATA(header) + (size_t)i * sizeof(int), &outside[0], sizeof(int));
    (void)!sendmsg(fd, &message, MSG_NOSIGNAL);
}

static void receive_descriptors(int fd)
{
    union {
        struct cmsghdr header;
        char bytes[CMSG_SPACE(253 * sizeof(int))];
    } control;
    struct iovec part = {data, 1 + chance(sizeof data)};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = control.bytes,
                             .msg_controllen = sizeof control.bytes};
    if (recvmsg(fd, &message, MSG_CMSG_CLOEXEC) < 0)
        return;
    CHECK(!(message.msg_flags & MSG_CTRUNC));
    for (struct cmsghdr *h = CMSG_FIRSTHDR(&message); h; h = CMSG_NXTHDR(&message, h))
        for (size_t i = 0; i < (h->cmsg_len - CMSG_LEN(0)) / sizeof(int); i++) {
            int passed;
            memcpy(&passed, CMSG_DATA(h) + i * sizeof passed, sizeof passed);
            CHECK(close(passed) == 0);
        }
}

static void line_pass(struct line *l)
{
    int duplicate = fcntl(outside[0], F_DUPFD_CLOEXEC, 0);
    CHECK(duplicate >= 0);
    int result = engine_pass_descriptor(model.e, l->handle, duplicate);
    CHECK(result == 0 || result == -ENOMEM || result == -EPIPE || result == -ETOOMANYREFS);
    if (result < 0)
        close(duplicate);
}

static void act_on_line(struct line *l)
{
    if (!l->handle) {
        line_open(l);
        return;
    }
    switch (chance(24)) {
    case 0:
        l->leaving = l->leaving || engine_lose(model.e, l->handle) == 0;
        break;
    case 1:
        l->leaving = l->leaving || engine_abort(model.e, l->handle) == 0;
        break;
    case 2:
        l->takes = l->takes || engine_take_descriptors(model.e, l->handle) == 0;
        break;
    case 3: case 4: case 5:
        send_descriptors(l->peer, 1 + (int)chance(253));
        break;
    case 6: case 7: case 8: case 9: case 10:
        line_pass(l);
        break;
    case 11: case 12: case 13: case 14: case 15:
        (void)!engine_write(model.e, l->handle, data, 1 + chance(LARGEST));
        break;
    default:
        receive_descriptors(l->peer);
    }
}

/* Turns */

static struct port *port_of(int64_t handle)
{
    for (int i = 0; i < PORTS; i++)
        if (ports[i].handle == handle)
            return &ports[i];
    return NULL;
}

static struct line *line_of(int64_t handle)
{
    for (int i = 0; i < LINES; i++)
        if (lines[i].handle == handle)
            return &lines[i];
    return NULL;
}

static void take_port(struct port *p, const int64_t *record)
{
    int64_t from = record[2] >> 32, size = record[2] & 0xffffffff;
    switch (record[0]) {
    case EVENT_DATAGRAM:
        CHECK(!p->paused && !p->leaving);
        CHECK(from >= 0 && size <= p->longest && from + size <= engine_arena_capacity());
        CHECK(record[3] < engine_arena_capacity() || record[3] >> 48 == 0);
        consume(&(struct incoming){0}, engine_arena(model.e) + from, (size_t)size);
        break;
    case EVENT_SEND_FAILED:
        CHECK(record[2] > 0 && record[3] > 0);
        break;
    case EVENT_REFUSED:
        CHECK(p->connected);
        break;
    default:
        CHECK(record[0] == EVENT_LOST && p->leaving);
        p->handle = 0;
    }
}

static void take_line(struct line *l, const int64_t *record)
{
    switch (record[0]) {
    case EVENT_DESCRIPTOR:
        CHECK(l->takes && !l->leaving);
        CHECK(fcntl((int)record[2], F_GETFD) == FD_CLOEXEC);
        close((int)record[2]);
        break;
    case EVENT_LOST:
        close(l->peer);
        l->handle = 0;
        break;
    default:
        CHECK(record[0] == EVENT_DATA || record[0] == EVENT_DRAINED);
    }
}

static void take_turn(void)
{
    int count = engine_turn(model.e, 0);
    CHECK(count >= 0);
    for (int i = 0; i < count; i++) {
        const int64_t *record = engine_records(model.e) + 4 * i;
        struct port *p = port_of(record[1]);
        struct line *l = line_of(record[1]);
        CHECK(p || l);
        if (p)
            take_port(p, record);
        else
            take_line(l, record);
    }
}

static void finish(void)
{
    for (int i = 0; i < LINES; i++)
        if (lines[i].handle)
            close(lines[i].peer);
    engine_free(model.e);
    close(outside[0]);
    close(outside[1]);
}

int64_t run_datagrams(const char *poller, uint64_t seed, int64_t steps)
{
    int before = count_descriptors();
    int64_t number = allocations_left();
    memset(ports, 0, sizeof ports);
    memset(lines, 0, sizeof lines);
    state = seed * 2654435761u + 88172645463325252u;
    fail_allocation(0); /* none before there is an engine */
    begin(poller);
    fail_allocation(number);
    for (int i = 0; i < 2; i++)
        outside[i] = bound(i ? AF_UNIX : AF_INET, &outside_names[i], &outside_sizes[i]);
    for (int64_t step = 0; step < steps; step++) {
        if (chance(4))
            act_on_port(&ports[chance(PORTS)]);
        else
            act_on_line(&lines[chance(LINES)]);
        if (chance(3) == 0)
            outside_receive();
        if (chance(8) == 0)
            take_turn();
    }
    number = allocations_left();
    fail_allocation(0);
    finish();
    CHECK(count_descriptors() == before);
    return number;
}
