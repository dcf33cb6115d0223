#include "hold.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "connection.h"
#include "fatal.h"

enum { BATCH = 32, PATIENCE_MS = 10000 };

static void await(int descriptor, short events)
{
    struct pollfd one = {.fd = descriptor, .events = events};
    if (poll(&one, 1, PATIENCE_MS) != 1)
        fatal("the server does not accept or answer");
}

static void confirm_accepted(const struct sockaddr_in *server)
{
    char byte = 'x';
    int descriptor = connection_open(server);
    await(descriptor, POLLOUT);
    if (send(descriptor, &byte, 1, MSG_NOSIGNAL) != 1)
        fatal_errno("send");
    await(descriptor, POLLIN);
    if (recv(descriptor, &byte, 1, 0) != 1)
        fatal("the server closed a connection");
    connection_abort(descriptor);
}

static void wait_for_end_of_input(void)
{
    char discarded[64];
    while (read(STDIN_FILENO, discarded, sizeof discarded) > 0)
        ;
}

void hold_run(const struct sockaddr_in *server, unsigned connections)
{
    int *descriptors = calloc(connections, sizeof *descriptors);
    if (descriptors == NULL)
        fatal("no memory for the connections");
    for (unsigned i = 0; i < connections; i++) {
        descriptors[i] = connection_open(server);
        if (i % BATCH == BATCH - 1 || i == connections - 1)
            confirm_accepted(server);
    }
    printf("{\"held\": %u}\n", connections);
    fflush(stdout);
    wait_for_end_of_input();
    for (unsigned i = 0; i < connections; i++)
        connection_abort(descriptors[i]);
    free(descriptors);
}
