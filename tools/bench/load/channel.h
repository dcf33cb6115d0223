/* One connection of the load generator, as the program was linked: plain, from
 * channel.c, over TLS, from channel_tls.c, or by UDP, from channel_udp.c. Never blocks: what cannot be done
 * now gives -1 with errno EAGAIN, any other error -1 with another errno. */
#ifndef BENCH_CHANNEL_H
#define BENCH_CHANNEL_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct channel {
    int descriptor; /* -1 while it is closed */
    void *tls;
};

/* Whether hold may be asked for: it needs connections that say nothing. */
extern const bool channel_is_plain;

/* Connects; over TLS the hand-shake is done by the first calls of the other two. */
void channel_open(struct channel *channel, const struct sockaddr_in *server);

ssize_t channel_send(struct channel *channel, const char *data, size_t size);

/* What has come, up to `due` bytes and, so that an excess is seen, one more.
 * Takes all that is there, unless that is all that is due. With `discard` the
 * contents may be left out of `place`. 0 is the end. */
ssize_t channel_receive(struct channel *channel, char *place, size_t due, bool discard);

/* In good order: a port stays taken for a while. */
void channel_close(struct channel *channel);

/* With a reset: no port stays taken. */
void channel_abort(struct channel *channel);

#endif
