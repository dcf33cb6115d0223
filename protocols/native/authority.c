/* Hosts and ports (RFC 3986, 3.2.2 and 3.2.3). */
#include "http.h"

/* "[" IPv6 "]": its bytes, not their arrangement. The end, or NULL. */
static const byte *skip_literal(const byte *p, const byte *end)
{
    const byte *start = ++p;
    while (p < end && (is(*p, HEX) || *p == ':' || *p == '.'))
        p++;
    return p < end && *p == ']' && p - start >= 2 ? p + 1 : NULL;
}

static const byte *skip_name(const byte *p, const byte *end)
{
    for (; p < end; p++) {
        if (is(*p, NAME))
            continue;
        if (*p != '%' || end - p < 3 || !is(p[1], HEX) || !is(p[2], HEX))
            break;
        p += 2;
    }
    return p;
}

/* The number after the colon; -1 if there is none, or it is none of a port. */
static int32_t port_number(const byte *p, const byte *end)
{
    int32_t number = 0;
    if (p == end)
        return -1;
    for (; p < end; p++) {
        if (!is(*p, DIGIT) || (number = number * 10 + (*p - '0')) > 65535)
            return -1;
    }
    return number;
}

/* The end of the host that begins here, or NULL. */
static const byte *skip_host(const byte *p, const byte *end)
{
    const byte *start = p;
    if (p == end)
        return NULL;
    p = *p == '[' ? skip_literal(p, end) : skip_name(p, end);
    return p == start ? NULL : p;
}

int is_authority(const byte *p, const byte *end)
{
    p = skip_host(p, end);
    if (!p || p == end)
        return p != NULL;
    return *p == ':' && (p + 1 == end || port_number(p + 1, end) >= 0);
}

int is_host_and_port(const byte *p, const byte *end)
{
    p = skip_host(p, end);
    return p && p < end && *p == ':' && port_number(p + 1, end) > 0;
}
