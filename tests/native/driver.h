/* A driver of the engine in C: what its files share.
 *
 *   driver.c     the command: one run of one kind on one poller
 *   model.c      what every record and every byte is held against
 *   client.c     the other side of what is in the engine
 *   random.c     operations in an order that a seed decides
 *   datagrams.c  the same for datagrams, and for descriptors over Unix streams
 *   scenarios.c  single cases, and with them listeners.c and callers.c
 *   faults.c     library calls that fail when told
 *
 * Whatever is wrong ends the process with the place in the source.
 */
#ifndef DRIVER_H
#define DRIVER_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "engine_api.h"

#define CHECK(condition) ((condition) ? (void)0 : failed(__FILE__, __LINE__, #condition))
_Noreturn void failed(const char *file, int line, const char *condition);

/* faults.c */
void fail_allocation(int64_t number); /* that one, counted from now; 0 for none */
int64_t allocations_left(void);       /* until the failure; 0 when it has happened */
void fail_accept(int error);          /* the next one */
void stutter(int on);                 /* cut sends and receives short, or let them fail */

/* model.c */

/* A stream of bytes that tells on its first four whose it is, and on all
 * others whether they belong there. */
struct incoming {
    uint32_t id;
    uint64_t count;
};

struct party { /* in the engine */
    int64_t handle; /* 0: gone */
    int kind, fd, notify;
    int paused, leaving, shut, ended;
    int vanished; /* watched, and closed without a word */
    unsigned watched;
    uint32_t id;
    uint64_t written;
    struct incoming in;
};

enum { PARTIES = 512, IDS = 1 << 19, UNKNOWN = -1 };

struct model {
    engine *e;
    struct party parties[PARTIES];
    int64_t accepted, turns;
    int readable; /* how often anything was */
    uint32_t ids;
    uint64_t total[IDS]; /* bytes written under each id; UNKNOWN after a rough end */
};

extern struct model model; /* of the run under way */

void begin(const char *poller); /* a fresh model, with an engine */
struct party *add_pair(int *peer); /* a stream that is sent little at a time, and its other side */
uint32_t new_id(struct model *m);
void fill(uint32_t id, uint64_t offset, char *data, size_t size);
void consume(struct incoming *in, const char *data, size_t size);
void consume_end(struct model *m, const struct incoming *in);
struct party *party_add(struct model *m, int fd, int kind); /* NULL if refused */
int party_write(struct model *m, struct party *p, size_t size);
int model_turn(struct model *m, double seconds); /* returns the number of records */
int64_t still_open(struct model *m);

/* client.c */
struct client {
    int fd; /* 0: none */
    int ended;
    int broken; /* a reset was told; what comes now looks like a clean end */
    uint32_t id;
    struct incoming in;
};

void client_send(struct model *m, struct client *c, size_t size);
void client_receive(struct model *m, struct client *c, size_t most);
void client_end(struct client *c);
void client_close(struct model *m, struct client *c, int reset);

/* random.c */
enum profile { MIXED, STUTTER, CHURN, CROWD };
/* Returns what allocations_left was at the end of the steps. */
int64_t run_random(const char *poller, uint64_t seed, int64_t steps, enum profile profile);

/* datagrams.c */
int64_t run_datagrams(const char *poller, uint64_t seed, int64_t steps); /* as run_random */

/* listeners.c */
void accept_fails(const char *poller);
void a_listener_is_resumed_without_memory(const char *poller);

/* callers.c */
void another_thread_is_refused(const char *poller);
void a_child_is_refused(const char *poller);
void nothing_goes_after_the_close(const char *poller);
void everything_is_closed(const char *poller);

/* scenarios.c */
void run_scenarios(const char *poller);
int count_descriptors(void);

#endif
