/* Where the crowd goes, and where each of it comes from. Loopback only. */
#ifndef CROWD_PLACE_H
#define CROWD_PLACE_H

#include <sys/socket.h>

struct place {
    struct sockaddr_storage address;
    socklen_t size;
};

/* HOST and PORT in figures, or a path of a UNIX socket and "". Anything but
 * 127.0.0.0/8, ::1 and a path ends the program. */
struct place place_of(const char *host, const char *port);

/* A non-blocking descriptor whose connect has begun, or -errno. Over IPv4 it
 * comes from 127.0.0.1 + source: a source address has but so many ports.
 * -EAGAIN: the backlog of a UNIX socket is full, try again. */
int place_connect(const struct place *place, unsigned source);

#endif
