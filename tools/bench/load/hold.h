/* Idle connections, held open until our standard input ends. */
#ifndef BENCH_HOLD_H
#define BENCH_HOLD_H

#include <netinet/in.h>

/* Prints one line of JSON when the server has accepted all of them, then
 * waits, then resets them. Every 32nd opening is followed by an echo of one
 * byte over a connection of its own: accept is first in, first out, so all
 * before it are accepted then. Those are closed again. */
void hold_run(const struct sockaddr_in *server, unsigned connections);

#endif
