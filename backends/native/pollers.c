/* The list of what this build has, in the order of preference. */
#include <stddef.h>

#include "poller.h"

const struct poller *const pollers[] = {
#ifdef __linux__
    &poller_epoll,
#endif
#ifdef REACTORLIB_HAVE_KQUEUE
    &poller_kqueue,
#endif
    &poller_poll,
    &poller_select,
    NULL,
};
