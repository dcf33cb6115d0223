/* Time, in nanoseconds: the wall's, and another process's. */
#ifndef BENCH_CLOCK_H
#define BENCH_CLOCK_H

#include <stdint.h>
#include <sys/types.h>

uint64_t clock_wall(void);

struct processor {
    uint64_t spent;   /* ran */
    uint64_t queued;  /* could have run, but something else had the core */
};

/* What the scheduler has noted of all living threads of the process, from
 * /proc/PID/task/N/schedstat. The kernel brings a running thread's figure up
 * to date once a tick, so a window is measured to one tick (4 ms at 250 Hz).
 * The process must be alive: its absence ends the program. */
struct processor clock_process(pid_t pid);

#endif
