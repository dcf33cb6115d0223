/* A stand-in for <sys/event.h> on systems without kqueue(2), for tests only.
 *
 * Declares what poll_kqueue.c uses, with the BSDs' names and meanings: two
 * filters for a descriptor, level-triggered, each with its own udata, gone
 * when the descriptor is closed, duplicates or not. kqueue.c implements it.
 */
#ifndef STANDIN_SYS_EVENT_H
#define STANDIN_SYS_EVENT_H

#include <stdint.h>
#include <time.h>

enum { EVFILT_READ = -1, EVFILT_WRITE = -2 };

enum {
    EV_ADD = 0x0001,
    EV_DELETE = 0x0002,
    EV_RECEIPT = 0x0040,
    EV_ERROR = 0x4000,
    EV_EOF = 0x8000
};

struct kevent {
    uintptr_t ident;
    short filter;
    unsigned short flags;
    unsigned int fflags;
    int64_t data;
    void *udata;
};

#define EV_SET(event, ident_, filter_, flags_, fflags_, data_, udata_)                         \
    (*(event) = (struct kevent){(uintptr_t)(ident_), (short)(filter_), (unsigned short)(flags_), \
                                (fflags_), (data_), (udata_)})

int kqueue(void);
int kevent(int queue, const struct kevent *changes, int change_count, struct kevent *events,
           int event_count, const struct timespec *timeout);

/* The kernel frees a queue when it is closed; this one must be told. */
#define close standin_close
int standin_close(int fd);

#endif
