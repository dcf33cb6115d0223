/* The load generator, linked for plain connections or for TLS (without hold).
 * One thread, epoll, loopback only, one line of JSON.
 *
 *   load pingpong HOST PORT CONNECTIONS BYTES SECONDS SERVER_PID [UNIT]
 *   load connect  HOST PORT CONNECTIONS BYTES SECONDS SERVER_PID
 *   load paced    HOST PORT CONNECTIONS BYTES SECONDS SERVER_PID
 *   load hold     HOST PORT CONNECTIONS
 *   load http         HOST PORT CONNECTIONS PIPELINED SECONDS SERVER_PID REQUEST BODY
 *   load http-connect HOST PORT CONNECTIONS PIPELINED SECONDS SERVER_PID REQUEST BODY
 *   load http-post    HOST PORT CONNECTIONS BYTES SECONDS SERVER_PID HEAD
 *   load http-file    HOST PORT CONNECTIONS BYTES SECONDS SERVER_PID REQUEST
 *
 * All but hold print what a window of SECONDS measured, and end by themselves
 * whatever the server does. connect and http-connect make a new connection for
 * each message; paced pauses for 100 microseconds after each. hold ends with
 * its standard input. http sends so many REQUESTs at once, and expects BODY of
 * each; http-post appends a body of BYTES to HEAD, and expects that body;
 * http-file expects one of so many times the letter f. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "channel.h"
#include "connection.h"
#include "exchange.h"
#include "fatal.h"
#include "hold.h"

enum { PAUSE_NS = 100 * 1000 };

static void print_result(const struct exchange_result *result)
{
    const struct histogram *latency = &result->latency;
    printf("{\"seconds\": %.6f, \"operations\": %llu, \"received\": %llu, \"server_ns\": %llu, "
           "\"queued_ns\": %llu, \"load_busy\": %.4f, \"p50_ns\": %llu, \"p99_ns\": %llu, "
           "\"max_ns\": %llu}\n",
           result->seconds, (unsigned long long)result->operations,
           (unsigned long long)result->received, (unsigned long long)result->server_ns, (unsigned long long)result->queued_ns,
           result->busy,
           (unsigned long long)histogram_percentile(latency, 0.50),
           (unsigned long long)histogram_percentile(latency, 0.99),
           (unsigned long long)latency->largest);
}

static void run_exchange(const struct exchange_plan *plan)
{
    static struct exchange_result result;
    bool nothing = plan->message.size == 0 || (plan->expected.count > 0 && plan->expected.size == 0);
    if (plan->connections == 0 || nothing || !(plan->seconds > 0))
        fatal("no such mode, or connections, number and seconds are not all above zero");
    alarm((unsigned)plan->seconds * 2 + 60);
    exchange_run(plan, &result);
    print_result(&result);
}

static unsigned number(const char *text)
{
    return (unsigned)strtoul(text, NULL, 10);
}

static bool is_echo(const char *mode)
{
    return strcmp(mode, "pingpong") == 0 || strcmp(mode, "connect") == 0 ||
           strcmp(mode, "paced") == 0;
}

static char *file_of(const char *mode, unsigned size)
{
    if (strcmp(mode, "http-file") != 0)
        return NULL;
    char *file = malloc(size + 1);
    if (file == NULL)
        fatal("no memory");
    return memset(file, 'f', size);
}

/* What is sent and what is expected, by the mode; a message of no bytes for wrong arguments. */
static void plan_messages(struct exchange_plan *plan, const char *file, int argc, char **argv)
{
    const char *mode = argv[1];
    unsigned size = number(argv[5]);
    if (argc <= 9 && is_echo(mode)) {
        plan->message = message_of_unit(argc == 9 ? argv[8] : NULL, size);
    } else if (argc == 10 && (strcmp(mode, "http") == 0 || strcmp(mode, "http-connect") == 0)) {
        plan->message = message_of_requests(argv[8], size);
        plan->expected = (struct answer_expected){size, argv[9], strlen(argv[9])};
    } else if (argc == 9 && strcmp(mode, "http-post") == 0) {
        plan->message = message_with_body(argv[8], size);
        plan->expected = (struct answer_expected){1, plan->message.data + strlen(argv[8]), size};
    } else if (argc == 9 && strcmp(mode, "http-file") == 0) {
        plan->message = message_of_requests(argv[8], 1);
        plan->expected = (struct answer_expected){1, file, size};
    }
}

int main(int argc, char **argv)
{
    const char *mode = argc > 1 ? argv[1] : "";
    if (argc == 5 && strcmp(mode, "hold") == 0 && channel_is_plain) {
        struct sockaddr_in server = connection_address(argv[2], argv[3]);
        hold_run(&server, number(argv[4]));
        return 0;
    }
    if (argc < 8)
        fatal("usage: load MODE HOST PORT CONNECTIONS NUMBER SECONDS SERVER_PID [TEXT...], "
              "or load hold HOST PORT CONNECTIONS");
    struct exchange_plan plan = {
        .server = connection_address(argv[2], argv[3]),
        .connections = number(argv[4]),
        .seconds = strtod(argv[6], NULL),
        .reconnect = strcmp(mode, "connect") == 0 || strcmp(mode, "http-connect") == 0,
        .pause_ns = strcmp(mode, "paced") == 0 ? PAUSE_NS : 0,
        .watched = (pid_t)number(argv[7]),
    };
    char *file = file_of(mode, number(argv[5]));
    plan_messages(&plan, file, argc, argv);
    run_exchange(&plan);
    free(file);
    free(plan.message.data);
    return 0;
}
