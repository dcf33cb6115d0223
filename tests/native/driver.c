/* driver POLLER scenarios
 * driver POLLER mixed|stutter|churn SEED STEPS
 * driver POLLER allocations SEED STEPS: a mixed run after a crowd has come, again
 *   and again; the first, the second, the third … allocation fails, until none does
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "driver.h"

static void run_allocations(const char *poller, uint64_t seed, int64_t steps)
{
    int64_t number = 0;
    do
        fail_allocation(++number);
    while (run_random(poller, seed, steps, CROWD) == 0);
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
        run_allocations(poller, seed, steps);
    else
        run_random(poller, seed, steps, profile);
    return 0;
}
