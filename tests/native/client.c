/* A raw socket outside the engine, which knows what its other side may send. */
#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include "driver.h"

static char data[1 << 18];

void client_send(struct model *m, struct client *c, size_t size)
{
    uint64_t *total = &m->total[c->id];
    CHECK(size <= sizeof data);
    if (c->ended)
        return;
    fill(c->id, *total, data, size);
    ssize_t sent = sendto(c->fd, data, size, MSG_NOSIGNAL, NULL, 0);
    if (sent > 0)
        *total += (uint64_t)sent;
    else if (errno != EAGAIN)
        c->broken = 1;
}

void client_receive(struct model *m, struct client *c, size_t most)
{
    CHECK(most <= sizeof data);
    ssize_t got = recvfrom(c->fd, data, most, 0, NULL, NULL);
    if (got > 0)
        consume(&c->in, data, (size_t)got);
    else if (got < 0 && errno != EAGAIN)
        c->broken = 1;
    else if (got == 0 && !c->broken)
        consume_end(m, &c->in);
}

void client_end(struct client *c)
{
    shutdown(c->fd, SHUT_WR);
    c->ended = 1;
}

void client_close(struct model *m, struct client *c, int reset)
{
    struct linger at_once = {1, 0};
    if (reset) {
        setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
        m->total[c->id] = (uint64_t)UNKNOWN;
    }
    close(c->fd);
    c->fd = 0;
}
