/* What one process of the crowd has seen. In memory that all of them share:
 * the counts are read while they grow, the rest once the process has ended. */
#ifndef CROWD_TALLY_H
#define CROWD_TALLY_H

#include <stdatomic.h>
#include <stdint.h>

#include "histogram.h"

enum { ERRNO_MAX = 256 };

/* Of a stage's wall time: how much of it this process ran, and how much it
 * could have run but had no core. */
struct stage {
    double seconds, busy, queued;
};

struct tally {
    atomic_uint opened, failed, lost, answered; /* answered: connections, once each */
    atomic_bool ready;                          /* nothing is left to open */
    uint32_t pings, wrong, unanswered;
    uint32_t failures[ERRNO_MAX]; /* of opening, by errno */
    uint32_t losses[ERRNO_MAX];   /* of open ones, by errno; 0 is a clean close */
    uint64_t latest_ns;           /* the most that a ping was sent behind its time */
    struct stage opening, holding;
    struct histogram to_open, to_answer;
};

#endif
