/* By UDP: a connection is a connected socket, a message one datagram. */
#include "channel.h"

#include <sys/socket.h>
#include <unistd.h>

#include "fatal.h"

const bool channel_is_plain = false;

void channel_open(struct channel *channel, const struct sockaddr_in *server)
{
    channel->descriptor = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (channel->descriptor < 0)
        fatal_errno("socket");
    if (connect(channel->descriptor, (const struct sockaddr *)server, sizeof *server) != 0)
        fatal_errno("connect");
}

ssize_t channel_send(struct channel *channel, const char *data, size_t size)
{
    return send(channel->descriptor, data, size, MSG_NOSIGNAL);
}

/* MSG_TRUNC counts the bytes without copying them out. */
ssize_t channel_receive(struct channel *channel, char *place, size_t due, bool discard)
{
    return recv(channel->descriptor, place, due + 1, discard ? MSG_TRUNC : 0);
}

void channel_close(struct channel *channel)
{
    close(channel->descriptor);
    channel->descriptor = -1;
}

void channel_abort(struct channel *channel)
{
    channel_close(channel);
}
