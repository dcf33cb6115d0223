/* The load generator, linked for plain connections or for TLS (without hold).
 * One thread, epoll, loopback only, one line of JSON.
 *
 *   load pingpong HOST PORT CONNECTIONS BYTES SECONDS SERVER_PID [UNIT]
 *   load connect  HOST PORT CONNECTIONS BYTES SECONDS SERVER_PID
 *   load paced    HOST PORT CONNECTIONS BYTES SECONDS SERVER_PID
 *   load hold     HOST PORT CONNECTIONS
 *
 * All but hold print what a window of SECONDS measured, and end by themselves
 * whatever the server does. connect makes a new connection for each echo;
 * paced pauses for 100 microseconds after each. hold ends with its standard
 * input. */
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
    printf("{\"seconds\": %.6f, \"operations\": %llu, \"server_ns\": %llu, \"queued_ns\": %llu, "
           "\"load_busy\": %.4f, \"p50_ns\": %llu, \"p99_ns\": %llu, \"max_ns\": %llu}\n",
           result->seconds, (unsigned long long)result->operations,
           (unsigned long long)result->server_ns, (unsigned long long)result->queued_ns,
           result->busy,
           (unsigned long long)histogram_percentile(latency, 0.50),
           (unsigned long long)histogram_percentile(latency, 0.99),
           (unsigned long long)latency->largest);
}

static void run_exchange(const struct exchange_plan *plan)
{
    static struct exchange_result result;
    if (plan->connections == 0 || plan->size == 0 || !(plan->seconds > 0))
        fatal("connections, bytes and seconds must be above zero");
    alarm((unsigned)plan->seconds * 2 + 60);
    exchange_run(plan, &result);
    print_result(&result);
}

static unsigned number(const char *text)
{
    return (unsigned)strtoul(text, NULL, 10);
}

static bool is_exchange(const char *mode)
{
    return strcmp(mode, "pingpong") == 0 || strcmp(mode, "connect") == 0 ||
           strcmp(mode, "paced") == 0;
}

int main(int argc, char **argv)
{
    const char *mode = argc > 1 ? argv[1] : "";
    if (argc == 5 && strcmp(mode, "hold") == 0 && channel_is_plain) {
        struct sockaddr_in server = connection_address(argv[2], argv[3]);
        hold_run(&server, number(argv[4]));
        return 0;
    }
    if (argc < 8 || argc > 9 || !is_exchange(mode))
        fatal("usage: load pingpong|connect|paced HOST PORT CONNECTIONS BYTES SECONDS SERVER_PID "
              "[UNIT], or load hold HOST PORT CONNECTIONS");
    struct exchange_plan plan = {
        .server = connection_address(argv[2], argv[3]),
        .connections = number(argv[4]),
        .size = number(argv[5]),
        .seconds = strtod(argv[6], NULL),
        .reconnect = strcmp(mode, "connect") == 0,
        .pause_ns = strcmp(mode, "paced") == 0 ? PAUSE_NS : 0,
        .watched = (pid_t)number(argv[7]),
        .unit = argc == 9 ? argv[8] : NULL,
    };
    run_exchange(&plan);
    return 0;
}
