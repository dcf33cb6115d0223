/* One process of the crowd: opens its connections, pings and holds them. */
#ifndef CROWD_MEMBER_H
#define CROWD_MEMBER_H

#include <stdint.h>

#include "place.h"
#include "tally.h"

struct plan {
    struct place place;
    unsigned connections, sources, processes, rounds;
    double rate;       /* connections a second, all processes together; 0 for no bound */
    double share;      /* of the connections that are pinged, 0 to 1 */
    double hold;       /* seconds; the rounds of pings are spread over them */
    uint64_t deadline; /* on clock_wall: whatever is not done then is left */
};

/* Runs the process `number` of the plan to its end: it opens, waits until all
 * the others are ready, holds, and resets what it has. */
void member_run(const struct plan *plan, unsigned number, struct tally *tallies);

/* How many connections the process `number` opens. */
unsigned member_connections(const struct plan *plan, unsigned number);

#endif
