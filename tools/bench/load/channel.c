#include "channel.h"

#include <sys/socket.h>
#include <unistd.h>

#include "connection.h"

const bool channel_is_plain = true;

void channel_open(struct channel *channel, const struct sockaddr_in *server)
{
    channel->descriptor = connection_open(server);
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
    connection_abort(channel->descriptor);
    channel->descriptor = -1;
}
