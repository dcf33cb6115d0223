/* Opening and dropping loopback connections without running out of ports. */
#ifndef BENCH_CONNECTION_H
#define BENCH_CONNECTION_H

#include <netinet/in.h>

struct sockaddr_in connection_address(const char *host, const char *port);

/* A non-blocking descriptor whose connect() has begun, with TCP_NODELAY, and
 * with the plainest congestion control: one that paces its packets, as BBR
 * does, costs us timers and delays what the server waits for.
 * Each call takes the next of 32 loopback source addresses: a source has
 * 28,000 ports, and each stays taken for a while after a clean close. */
int connection_open(const struct sockaddr_in *server);

/* Resets instead of closing, so that no port stays taken. */
void connection_abort(int descriptor);

#endif
