/* Starting a program: what Python calls. Read twice, as engine_api.h is, so
 * there is no preprocessor directive in this file. It knows no engine.
 */

/* What was being done when it failed. */
enum spawn_step {
    SPAWN_FORK,
    SPAWN_DESCRIPTORS,
    SPAWN_TERMINAL,
    SPAWN_DIRECTORY,
    SPAWN_IDENTITY,
    SPAWN_EXECUTE
};

struct spawn_plan {
    const char **candidates; /* paths to execute, tried in turn; ends with NULL */
    char **argv, **envp;
    const char *directory; /* to work in; NULL: the parent's */
    int *descriptors;      /* child's i is the parent's descriptors[i]; -1: closed. Overwritten. */
    int count;
    int terminal;     /* the child's descriptor that is to control it, in a session of its own; or -1 */
    int64_t uid, gid; /* -1: unchanged */
    const uint32_t *groups; /* the supplementary ones, used with uid or gid */
    int group_count;
};

/* Starts a program with these descriptors and no other one, with the calling
 * thread's signal mask and none of the parent's handlers; what the parent
 * ignores is ignored, but SIGPIPE and SIGXFSZ. Returns its process id once it
 * runs, or negative errno, with what failed in `step`, and no child is left.
 */
int spawn_child(const struct spawn_plan *plan, int *step);
