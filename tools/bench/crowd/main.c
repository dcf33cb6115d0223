/* A crowd of connections, in several processes. Loopback only; Linux only.
 *
 *   crowd HOST PORT CONNECTIONS PROCESSES SOURCES RATE ROUNDS SHARE HOLD SECONDS
 *
 * Opens CONNECTIONS to HOST and PORT (or to the UNIX socket of the path HOST),
 * RATE a second (0: as fast as it goes), from SOURCES addresses; pings SHARE of
 * them ROUNDS times in the HOLD seconds that all are held, expecting an echo;
 * resets them. After SECONDS it gives up whatever is left. Says on stderr how
 * far it is, each second; prints one line of JSON. Ends its processes, even
 * when it is killed. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "clock.h"
#include "fatal.h"
#include "member.h"

/* RESETS: so many connections a second, at the least, are reset at the end. */
enum { LOOK_MS = 100, SERIES_MAX = 100000, RESETS = 2000 };

struct sum {
    struct tally all;
    double opening;
    struct stage busiest_opening, busiest_holding;
};

static struct tally *shared_tallies(unsigned count)
{
    void *memory = mmap(NULL, count * sizeof(struct tally), PROT_READ | PROT_WRITE,
                        MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED)
        fatal_errno("mmap");
    return memory;
}

static void start(const struct plan *plan, struct tally *tallies)
{
    pid_t parent = getpid();
    for (unsigned i = 0; i < plan->processes; i++) {
        pid_t child = fork();
        if (child < 0)
            fatal_errno("fork");
        if (child == 0) {
            prctl(PR_SET_PDEATHSIG, SIGKILL);
            if (getppid() != parent)
                _exit(1);
            member_run(plan, i, tallies);
            _exit(0);
        }
    }
}

static void look(const struct tally *tallies, unsigned count, unsigned *opened, unsigned *lost)
{
    *opened = *lost = 0;
    for (unsigned i = 0; i < count; i++) {
        *opened += tallies[i].opened;
        *lost += tallies[i].lost;
    }
}

/* Prints the pairs of the series of [seconds, opened, lost] as it goes. */
static void watch(const struct plan *plan, const struct tally *tallies)
{
    uint64_t begun = clock_wall(), told = begun;
    unsigned alive = plan->processes, points = 0, opened, lost;
    struct timespec pause = {.tv_nsec = LOOK_MS * 1000 * 1000};
    printf("{\"series\": [");
    while (alive > 0) {
        int status = 0;
        pid_t ended;
        while ((ended = waitpid(-1, &status, WNOHANG)) > 0) {
            alive--;
            if (status != 0)
                fatal("a process of the crowd has failed");
        }
        look(tallies, plan->processes, &opened, &lost);
        uint64_t now = clock_wall();
        if (points < SERIES_MAX)
            printf("%s[%.2f, %u, %u]", points++ ? ", " : "", (double)(now - begun) / 1e9, opened, lost);
        if (now - told >= 1000000000u) {
            fprintf(stderr, "load: %.0f s, %u opened, %u lost\n", (double)(now - begun) / 1e9, opened, lost);
            told = now;
        }
        if (alive > 0)
            nanosleep(&pause, NULL);
    }
    printf("], ");
}

static double larger(double left, double right)
{
    return left > right ? left : right;
}

static struct stage busier(struct stage left, struct stage right)
{
    return left.busy + left.queued > right.busy + right.queued ? left : right;
}

static void merge(struct histogram *into, const struct histogram *from)
{
    into->total += from->total;
    into->largest = (uint64_t)larger((double)into->largest, (double)from->largest);
    for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++)
        into->counts[i] += from->counts[i];
}

static void add(struct sum *sum, const struct tally *one)
{
    struct tally *all = &sum->all;
    all->opened += one->opened;
    all->failed += one->failed;
    all->lost += one->lost;
    all->answered += one->answered;
    all->pings += one->pings;
    all->wrong += one->wrong;
    all->unanswered += one->unanswered;
    for (unsigned i = 0; i < ERRNO_MAX; i++) {
        all->failures[i] += one->failures[i];
        all->losses[i] += one->losses[i];
    }
    all->latest_ns = (uint64_t)larger((double)all->latest_ns, (double)one->latest_ns);
    merge(&all->to_open, &one->to_open);
    merge(&all->to_answer, &one->to_answer);
    sum->opening = larger(sum->opening, one->opening.seconds);
    sum->busiest_opening = busier(sum->busiest_opening, one->opening);
    sum->busiest_holding = busier(sum->busiest_holding, one->holding);
}

static void print_errnos(const char *name, const uint32_t *counts)
{
    const char *comma = "";
    printf("\"%s\": {", name);
    for (unsigned i = 0; i < ERRNO_MAX; i++) {
        if (counts[i] == 0)
            continue;
        printf("%s\"%u\": %u", comma, i, counts[i]);
        comma = ", ";
    }
    printf("}, ");
}

static void print_histogram(const char *name, const struct histogram *histogram)
{
    printf("\"%s\": {\"count\": %llu, \"p50_ns\": %llu, \"p99_ns\": %llu, \"max_ns\": %llu}, ", name,
           (unsigned long long)histogram->total,
           (unsigned long long)histogram_percentile(histogram, 0.50),
           (unsigned long long)histogram_percentile(histogram, 0.99),
           (unsigned long long)histogram->largest);
}

static void print_sum(const struct sum *sum)
{
    const struct tally *all = &sum->all;
    print_errnos("failures", all->failures);
    print_errnos("losses", all->losses);
    print_histogram("to_open", &all->to_open);
    print_histogram("to_answer", &all->to_answer);
    printf("\"opened\": %u, \"failed\": %u, \"lost\": %u, \"answered\": %u, ", all->opened,
           all->failed, all->lost, all->answered);
    printf("\"pings\": %u, \"unanswered\": %u, \"wrong\": %u, \"latest_ns\": %llu, ", all->pings,
           all->unanswered, all->wrong, (unsigned long long)all->latest_ns);
    printf("\"seconds_to_open\": %.3f, \"busy_opening\": %.3f, \"queued_opening\": %.3f, "
           "\"busy_holding\": %.3f, \"queued_holding\": %.3f}\n",
           sum->opening, sum->busiest_opening.busy, sum->busiest_opening.queued,
           sum->busiest_holding.busy, sum->busiest_holding.queued);
}

static unsigned number(const char *text)
{
    return (unsigned)strtoul(text, NULL, 10);
}

int main(int argc, char **argv)
{
    static struct sum sum;
    if (argc != 11)
        fatal("usage: crowd HOST PORT CONNECTIONS PROCESSES SOURCES RATE ROUNDS SHARE HOLD SECONDS");
    double seconds = strtod(argv[10], NULL);
    struct plan plan = {
        .place = place_of(argv[1], argv[2]),
        .connections = number(argv[3]),
        .processes = number(argv[4]),
        .sources = number(argv[5]),
        .rate = strtod(argv[6], NULL),
        .rounds = number(argv[7]),
        .share = strtod(argv[8], NULL),
        .hold = strtod(argv[9], NULL),
        .deadline = clock_wall() + (uint64_t)(seconds * 1e9),
    };
    if (plan.connections == 0 || plan.processes == 0 || plan.processes > plan.connections ||
        plan.sources == 0 || !(seconds > 0))
        fatal("there is nothing to do, or nobody to do it");
    alarm((unsigned)seconds + 30 + plan.connections / RESETS);
    struct tally *tallies = shared_tallies(plan.processes);
    fflush(stdout);
    start(&plan, tallies);
    watch(&plan, tallies);
    for (unsigned i = 0; i < plan.processes; i++)
        add(&sum, &tallies[i]);
    print_sum(&sum);
    return 0;
}
