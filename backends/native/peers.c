/* Addresses, between the kernel's form and ours: see engine_peer_layout. */
#include <netinet/in.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "engine.h"

static const size_t before_path = offsetof(struct sockaddr_un, sun_path);

static size_t pack_ipv6(char *at, const struct sockaddr_in6 *peer)
{
    uint32_t numbers[3] = {ntohs(peer->sin6_port), ntohl(peer->sin6_flowinfo), peer->sin6_scope_id};
    memcpy(at, &peer->sin6_addr, 16);
    memcpy(at + 16, numbers, sizeof numbers);
    return ENGINE_PEER_BYTES;
}

/* A path ends at its NUL, a name in Linux's abstract namespace does not. */
static size_t pack_path(char *at, const struct sockaddr_un *peer, size_t size)
{
    uint16_t length = (uint16_t)(peer->sun_path[0] ? strnlen(peer->sun_path, size) : size);
    memcpy(at, &length, sizeof length);
    memcpy(at + sizeof length, peer->sun_path, length);
    return sizeof length + length;
}

int64_t pack_peer(engine *e, const struct sockaddr_storage *peer, socklen_t size)
{
    size_t at = e->arena_used;
    int family = size >= before_path ? peer->ss_family : AF_UNSPEC;
    if (family == AF_INET && size >= sizeof(struct sockaddr_in)) {
        const struct sockaddr_in *v4 = (const struct sockaddr_in *)peer;
        return (int64_t)ntohs(v4->sin_port) << 32 | ntohl(v4->sin_addr.s_addr);
    }
    if (ARENA_BYTES - at < ENGINE_PEER_ROOM)
        return -1;
    if (family == AF_INET6 && size >= sizeof(struct sockaddr_in6))
        e->arena_used += pack_ipv6(e->arena + at, (const struct sockaddr_in6 *)peer);
    else if (family == AF_UNIX && size > before_path)
        e->arena_used += pack_path(e->arena + at, (const struct sockaddr_un *)peer,
                                   size - before_path);
    return e->arena_used > at ? -2 - (int64_t)at : -1;
}

/* The size of what was unpacked, or 0 if that is no address. */
size_t unpack_ipv4(struct sockaddr_storage *name, int64_t peer)
{
    struct sockaddr_in *v4 = (struct sockaddr_in *)name;
    if (peer < 0 || peer >> 48)
        return 0;
    memset(v4, 0, sizeof *v4);
    v4->sin_family = AF_INET;
    v4->sin_port = htons((uint16_t)(peer >> 32));
    v4->sin_addr.s_addr = htonl((uint32_t)peer);
    return sizeof *v4;
}

static size_t unpack_ipv6(struct sockaddr_in6 *name, const char *address, size_t size)
{
    uint32_t numbers[3];
    if (size != ENGINE_PEER_BYTES)
        return 0;
    memset(name, 0, sizeof *name);
    memcpy(&name->sin6_addr, address, 16);
    memcpy(numbers, address + 16, sizeof numbers);
    name->sin6_family = AF_INET6;
    name->sin6_port = htons((uint16_t)numbers[0]);
    name->sin6_flowinfo = htonl(numbers[1]);
    name->sin6_scope_id = numbers[2];
    return sizeof *name;
}

static size_t unpack_path(struct sockaddr_un *name, const char *path, size_t size)
{
    if (size == 0 || size > sizeof name->sun_path)
        return 0;
    name->sun_family = AF_UNIX;
    memcpy(name->sun_path, path, size);
    return before_path + size;
}

size_t unpack_bytes(struct sockaddr_storage *name, int family, const char *address, size_t size)
{
    return family == AF_UNIX ? unpack_path((struct sockaddr_un *)name, address, size)
                             : unpack_ipv6((struct sockaddr_in6 *)name, address, size);
}
