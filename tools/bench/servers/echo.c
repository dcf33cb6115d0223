/* The floor: an echo server on bare epoll, no more than the system calls.
 *
 * Prints its port on 127.0.0.1 and serves until it is killed. Level-triggered;
 * one recv and one send for each ready connection. What the kernel refuses to
 * take is kept, and nothing more is read from that connection until it is
 * gone. Memory that cannot be had ends the program. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { EVENTS = 512, CHUNK = 256 * 1024 };

struct connection {
    int descriptor;
    char *rest;
    size_t length;
    size_t sent;
};

static char chunk[CHUNK];

static void watch(int epoll, int operation, struct connection *connection, uint32_t events)
{
    struct epoll_event event = {.events = events, .data.ptr = connection};
    if (epoll_ctl(epoll, operation, connection->descriptor, &event) != 0)
        exit(1);
}

static void drop(struct connection *connection)
{
    close(connection->descriptor);
    free(connection->rest);
    free(connection);
}

static void accept_all(int epoll, int listener)
{
    int one = 1;
    int descriptor;
    while ((descriptor = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
        struct connection *connection = calloc(1, sizeof *connection);
        if (connection == NULL)
            exit(1);
        setsockopt(descriptor, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
        connection->descriptor = descriptor;
        watch(epoll, EPOLL_CTL_ADD, connection, EPOLLIN);
    }
}

static void keep(int epoll, struct connection *connection, const char *data, size_t length)
{
    connection->rest = malloc(length);
    if (connection->rest == NULL)
        exit(1);
    memcpy(connection->rest, data, length);
    connection->length = length;
    connection->sent = 0;
    watch(epoll, EPOLL_CTL_MOD, connection, EPOLLOUT);
}

static void echo(int epoll, struct connection *connection)
{
    ssize_t length = recv(connection->descriptor, chunk, CHUNK, 0);
    if (length < 0 && errno == EAGAIN)
        return;
    if (length <= 0) {
        drop(connection);
        return;
    }
    ssize_t sent = send(connection->descriptor, chunk, (size_t)length, MSG_NOSIGNAL);
    if (sent < 0 && errno == EAGAIN)
        sent = 0;
    if (sent < 0)
        drop(connection);
    else if (sent < length)
        keep(epoll, connection, chunk + sent, (size_t)(length - sent));
}

static void send_rest(int epoll, struct connection *connection)
{
    ssize_t sent = send(connection->descriptor, connection->rest + connection->sent,
                        connection->length - connection->sent, MSG_NOSIGNAL);
    if (sent < 0 && errno == EAGAIN)
        return;
    if (sent < 0) {
        drop(connection);
        return;
    }
    connection->sent += (size_t)sent;
    if (connection->sent == connection->length) {
        free(connection->rest);
        connection->rest = NULL;
        watch(epoll, EPOLL_CTL_MOD, connection, EPOLLIN);
    }
}

static int listen_on_loopback(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof address;
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (bind(listener, (struct sockaddr *)&address, sizeof address) != 0 ||
        listen(listener, 1024) != 0 ||
        getsockname(listener, (struct sockaddr *)&address, &length) != 0)
        exit(1);
    printf("%d\n", ntohs(address.sin_port));
    fflush(stdout);
    return listener;
}

int main(void)
{
    struct epoll_event events[EVENTS];
    int epoll = epoll_create1(EPOLL_CLOEXEC);
    struct connection listener = {.descriptor = listen_on_loopback()};
    watch(epoll, EPOLL_CTL_ADD, &listener, EPOLLIN);
    for (;;) {
        int count = epoll_wait(epoll, events, EVENTS, -1);
        for (int i = 0; i < count; i++) {
            struct connection *connection = events[i].data.ptr;
            if (connection == &listener)
                accept_all(epoll, listener.descriptor);
            else if (connection->rest != NULL)
                send_rest(epoll, connection);
            else
                echo(epoll, connection);
        }
    }
}
