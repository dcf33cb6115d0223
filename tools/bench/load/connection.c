#include "connection.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "fatal.h"

enum { SOURCES = 32 };

struct sockaddr_in connection_address(const char *host, const char *port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(port))};
    if (inet_pton(AF_INET, host, &address.sin_addr) != 1)
        fatal("the host must be an IPv4 address in figures");
    if (ntohl(address.sin_addr.s_addr) >> 24 != IN_LOOPBACKNET)
        fatal("the host must be a loopback address");
    return address;
}

/* IP_BIND_ADDRESS_NO_PORT: the port is chosen at connect(), where it need be
 * free only towards this server. */
static void bind_next_source(int descriptor)
{
    static uint32_t turn;
    int one = 1;
    struct sockaddr_in source = {
        .sin_family = AF_INET,
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK + turn++ % SOURCES),
    };
    setsockopt(descriptor, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &one, sizeof one);
    if (bind(descriptor, (struct sockaddr *)&source, sizeof source) != 0)
        fatal_errno("bind");
}

int connection_open(const struct sockaddr_in *server)
{
    int one = 1;
    int descriptor = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (descriptor < 0)
        fatal_errno("socket");
    setsockopt(descriptor, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    setsockopt(descriptor, IPPROTO_TCP, TCP_CONGESTION, "reno", sizeof "reno" - 1);
    bind_next_source(descriptor);
    if (connect(descriptor, (const struct sockaddr *)server, sizeof *server) != 0 &&
        errno != EINPROGRESS)
        fatal_errno("connect");
    return descriptor;
}

void connection_abort(int descriptor)
{
    struct linger reset = {.l_onoff = 1, .l_linger = 0};
    setsockopt(descriptor, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
    close(descriptor);
}
