#include "place.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>
#include <unistd.h>

#include "fatal.h"

static struct place unix_place(const char *path)
{
    struct place place = {.size = sizeof(struct sockaddr_un)};
    struct sockaddr_un *address = (struct sockaddr_un *)&place.address;
    if (strlen(path) >= sizeof address->sun_path)
        fatal("the path is too long");
    address->sun_family = AF_UNIX;
    strcpy(address->sun_path, path);
    return place;
}

struct place place_of(const char *host, const char *port)
{
    struct place place = {0};
    struct sockaddr_in *four = (struct sockaddr_in *)&place.address;
    struct sockaddr_in6 *six = (struct sockaddr_in6 *)&place.address;
    if (strchr(host, '/') != NULL)
        return unix_place(host);
    if (inet_pton(AF_INET, host, &four->sin_addr) == 1 &&
        ntohl(four->sin_addr.s_addr) >> 24 == IN_LOOPBACKNET) {
        four->sin_family = AF_INET;
        four->sin_port = htons((uint16_t)atoi(port));
        place.size = sizeof *four;
    } else if (inet_pton(AF_INET6, host, &six->sin6_addr) == 1 &&
               IN6_IS_ADDR_LOOPBACK(&six->sin6_addr)) {
        six->sin6_family = AF_INET6;
        six->sin6_port = htons((uint16_t)atoi(port));
        place.size = sizeof *six;
    } else {
        fatal("only 127.0.0.0/8, ::1 and UNIX sockets are called");
    }
    return place;
}

/* IP_BIND_ADDRESS_NO_PORT: the port is chosen at connect(), where it need be
 * free only towards this server. */
static int bind_source(int descriptor, unsigned source)
{
    int one = 1;
    struct sockaddr_in address = {
        .sin_family = AF_INET,
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK + source),
    };
    setsockopt(descriptor, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &one, sizeof one);
    return bind(descriptor, (struct sockaddr *)&address, sizeof address);
}

int place_connect(const struct place *place, unsigned source)
{
    int one = 1, family = place->address.ss_family;
    int descriptor = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (descriptor < 0)
        return -errno;
    if (family != AF_UNIX)
        setsockopt(descriptor, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    if ((family == AF_INET && bind_source(descriptor, source) != 0) ||
        (connect(descriptor, (const struct sockaddr *)&place->address, place->size) != 0 &&
         errno != EINPROGRESS)) {
        int problem = errno;
        close(descriptor);
        return -problem;
    }
    return descriptor;
}
