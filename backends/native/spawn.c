/* Starting a program, by vfork(2), or fork(2) where it is to be another user's.
 *
 * Until it executes, a child of vfork uses its parent's memory while the
 * calling thread waits; a child of fork has a copy, with the locks that other
 * threads held. So it allocates nothing and calls only what is
 * async-signal-safe. A child with other rights must not share memory.
 *
 * All signals are blocked until the child has no handler left: one that ran in
 * it would do the parent's work, in the parent's memory.
 */
#if defined(__linux__) && !defined(_GNU_SOURCE)
#define _GNU_SOURCE /* pipe2, setgroups, syscall */
#endif

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

#include "spawn_api.h"

#ifndef CLOSE_RANGE_CLOEXEC
#define CLOSE_RANGE_CLOEXEC (1u << 2)
#endif

enum {
    /* How long to wait for the child to execute. The report ends sooner, but
     * where another thread has forked meanwhile and that child has a copy. */
    REPORT_MS = 2000,
    MANY_DESCRIPTORS = 1 << 16
};

_Static_assert(sizeof(gid_t) == sizeof(uint32_t), "groups are handed on as they are");

struct failure {
    int step, error;
};

static void default_signals(void)
{
    struct sigaction action;
    for (int number = 1; number < NSIG; number++) {
        if (sigaction(number, NULL, &action) < 0)
            continue;
        int kept = action.sa_handler == SIG_DFL || action.sa_handler == SIG_IGN;
        /* Python ignores these two for itself. */
        if (kept && number != SIGPIPE && number != SIGXFSZ)
            continue;
        action.sa_handler = SIG_DFL;
        action.sa_flags = 0;
        sigaction(number, &action, NULL);
    }
}

static int lift(int fd, int above)
{
    return fd < 0 || fd >= above ? fd : fcntl(fd, F_DUPFD_CLOEXEC, above);
}

/* The kernels that cannot do it at once have at most so many to look at. */
static void close_on_exec_one_by_one(int first)
{
    long limit = sysconf(_SC_OPEN_MAX);
    for (int fd = first; fd < (limit < 0 ? MANY_DESCRIPTORS : limit); fd++)
        if (fcntl(fd, F_GETFD) == 0)
            fcntl(fd, F_SETFD, FD_CLOEXEC);
}

static void close_on_exec_from(int first)
{
#ifdef SYS_close_range
    if (syscall(SYS_close_range, (unsigned)first, ~0u, CLOSE_RANGE_CLOEXEC) == 0)
        return;
#endif
    close_on_exec_one_by_one(first);
}

static int place_descriptors(const struct spawn_plan *plan)
{
    int *from = plan->descriptors;
    for (int i = 0; i < plan->count; i++)
        if (from[i] >= 0 && (from[i] = lift(from[i], plan->count)) < 0)
            return -1;
    for (int i = 0; i < plan->count; i++)
        if (from[i] < 0)
            close(i);
        else if (dup2(from[i], i) < 0)
            return -1;
    close_on_exec_from(plan->count);
    return 0;
}

static int take_terminal(int fd)
{
    return fd < 0 || (setsid() >= 0 && ioctl(fd, TIOCSCTTY, 0) >= 0) ? 0 : -1;
}

static int changes_identity(const struct spawn_plan *plan)
{
    return plan->uid >= 0 || plan->gid >= 0;
}

static int become(const struct spawn_plan *plan)
{
    if (!changes_identity(plan))
        return 0;
    gid_t gid = plan->gid < 0 ? (gid_t)-1 : (gid_t)plan->gid;
    uid_t uid = plan->uid < 0 ? (uid_t)-1 : (uid_t)plan->uid;
    if (geteuid() != 0)
        (void)!seteuid(0); /* a program of root's may have lowered itself for a while */
    if (setgroups((size_t)plan->group_count, (const gid_t *)plan->groups) < 0)
        return -1;
    return setregid(gid, gid) < 0 ? -1 : setreuid(uid, uid);
}

/* Why none of them can be executed: what is missing in one place says little
 * if there is something that cannot be executed in another. */
static void execute(const struct spawn_plan *plan)
{
    int error = ENOENT;
    for (const char **path = plan->candidates; *path; path++) {
        execve(*path, plan->argv, plan->envp);
        if (error == ENOENT || error == ENOTDIR)
            error = errno;
    }
    errno = error;
}

static int prepare(const struct spawn_plan *plan)
{
    if (place_descriptors(plan) < 0)
        return SPAWN_DESCRIPTORS;
    if (take_terminal(plan->terminal) < 0)
        return SPAWN_TERMINAL;
    if (plan->directory && chdir(plan->directory) < 0)
        return SPAWN_DIRECTORY;
    if (become(plan) < 0)
        return SPAWN_IDENTITY;
    return SPAWN_EXECUTE;
}

__attribute__((noreturn)) static void run_child(const struct spawn_plan *plan, int report,
                                                const sigset_t *mask)
{
    struct failure failure = {SPAWN_DESCRIPTORS, 0};
    default_signals();
    int lifted = lift(report, plan->count);
    if (lifted >= 0) {
        report = lifted;
        failure.step = prepare(plan);
    }
    if (failure.step == SPAWN_EXECUTE) {
        pthread_sigmask(SIG_SETMASK, mask, NULL);
        execute(plan);
    }
    failure.error = errno;
    (void)!write(report, &failure, sizeof failure);
    _exit(127);
}

static int open_report(int ends[2])
{
#ifdef __APPLE__
    if (pipe(ends) < 0)
        return -1;
    fcntl(ends[0], F_SETFD, FD_CLOEXEC);
    fcntl(ends[1], F_SETFD, FD_CLOEXEC);
    return 0;
#else
    return pipe2(ends, O_CLOEXEC);
#endif
}

static pid_t start(const struct spawn_plan *plan, int report, const sigset_t *mask)
{
    pid_t pid = changes_identity(plan) ? fork() : vfork();
    if (pid == 0)
        run_child(plan, report, mask);
    return pid < 0 ? -errno : pid;
}

/* Whether the child says that it failed: it says nothing when it executes. */
static int read_report(int fd, struct failure *failure)
{
    struct pollfd ready = {fd, POLLIN, 0};
    return poll(&ready, 1, REPORT_MS) == 1 && read(fd, failure, sizeof *failure) == sizeof *failure;
}

int spawn_child(const struct spawn_plan *plan, int *step)
{
    int report[2];
    sigset_t all, mask;
    struct failure failure = {SPAWN_FORK, 0};
    *step = SPAWN_FORK;
    if (open_report(report) < 0)
        return -errno;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &mask);
    pid_t pid = start(plan, report[1], &mask);
    close(report[1]);
    if (pid > 0 && read_report(report[0], &failure)) {
        waitpid(pid, NULL, 0);
        *step = failure.step;
        pid = -failure.error;
    }
    pthread_sigmask(SIG_SETMASK, &mask, NULL);
    close(report[0]);
    return (int)pid;
}
