/* driver POLLER scenarios
 * driver POLLER datagrams SEED STEPS
 * driver POLLER scarce SEED STEPS: the same again and again, with failing allocations
 * driver POLLER mixed|stutter|churn SEED STEPS
 * driver POLLER allocations SEED STEPS: a mixed run after a crowd has come, again
 *   and again; the first, the second, the third … allocation fails, until none does
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "driver.h"

static int64_t run_crowd(const char *poller, uint64_t seed, int64_t steps)
{
    return run_random(poller, seed, steps, CROWD);
}

typedef int64_t run(const char *poller, uint64_t seed, int64_t steps);

static void run_allocations(run *once, const char *poller, uint64_t seed, int64_t steps)
{
    int64_t number = 0;
    do
        fail_allocation(++number);
    while (once(poller, seed, steps) == 0);
    printf("%lld allocations\n", (long long)number - 1);
}

int main(int count, char **words)
{
    if (count < 3)
        return 2;
    const char *poller = words[1], *kind = words[2];
    uint64_t seed = count > 3 ? strtoull(words[3], NULL, 10) : 0;
    int64_t steps = count > 4 ? strtoll(words[4], NULL, 10) : 0;
    signal(SIGPIPE, SIG_IGN);
    enum profile profile = strcmp(kind, "stutter") == 0 ? STUTTER
                           : strcmp(kind, "churn") == 0 ? CHURN
                                                        : MIXED;
    if (strcmp(kind, "scenarios") == 0)
        run_scenarios(poller);
    else if (strcmp(kind, "allocations") == 0)
        run_allocations(run_crowd, poller, seed, steps);
    else if (strcmp(kind, "scarce") == 0)
        run_allocations(run_datagrams, poller, seed, steps);
    else if (strcmp(kind, "datagrams") == 0)
        run_datagrams(poller, seed, steps);
    else
        run_random(poller, seed, steps, profile);
    return 0;
}
