/* kqueue(2) and kevent(2) on top of epoll(7): see sys/event.h.
 *
 * An epoll registration belongs to the open file and outlives a close while a
 * duplicate is left; a filter belongs to the descriptor and never does. So
 * each entry remembers which file it was made for, and where the number has
 * another one now, or none, its filters are gone and the epoll set is made anew.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/stat.h>
#include <unistd.h>

#include "sys/event.h"
#undef close

enum { BATCH = 512 };

struct filter {
    int wanted;
    void *udata;
};

struct entry {
    dev_t device;
    ino_t inode;
    struct filter reading, writing;
};

struct queue {
    int fd, count;
    struct entry *entries; /* by descriptor */
    struct queue *next;
};

static struct queue *queues;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_once_t once = PTHREAD_ONCE_INIT;

/* A queue is not inherited by a forked child. */
static void close_in_child(void)
{
    pthread_mutex_init(&lock, NULL);
    for (struct queue *queue = queues; queue; queue = queue->next)
        close(queue->fd);
    queues = NULL;
}

static void at_first(void)
{
    pthread_atfork(NULL, NULL, close_in_child);
}

int kqueue(void)
{
    struct queue *queue = calloc(1, sizeof *queue);
    if (!queue)
        return -1;
    pthread_once(&once, at_first);
    queue->fd = epoll_create1(EPOLL_CLOEXEC);
    if (queue->fd < 0) {
        free(queue);
        return -1;
    }
    pthread_mutex_lock(&lock);
    queue->next = queues;
    queues = queue;
    pthread_mutex_unlock(&lock);
    return queue->fd;
}

static struct queue **place_of(int fd)
{
    struct queue **place = &queues;
    while (*place && (*place)->fd != fd)
        place = &(*place)->next;
    return place;
}

int standin_close(int fd)
{
    pthread_mutex_lock(&lock);
    struct queue **place = place_of(fd), *queue = *place;
    if (queue)
        *place = queue->next;
    pthread_mutex_unlock(&lock);
    if (queue) {
        free(queue->entries);
        free(queue);
    }
    return close(fd);
}

static struct entry *entry_of(struct queue *queue, int fd)
{
    if (fd >= queue->count) {
        int count = fd * 2 + 64;
        struct entry *entries = realloc(queue->entries, (size_t)count * sizeof *entries);
        if (!entries)
            return NULL;
        memset(entries + queue->count, 0, (size_t)(count - queue->count) * sizeof *entries);
        queue->entries = entries;
        queue->count = count;
    }
    return &queue->entries[fd];
}

static int registered(const struct entry *entry)
{
    return entry->reading.wanted || entry->writing.wanted;
}

static int is_of(const struct entry *entry, const struct stat *file)
{
    return entry->device == file->st_dev && entry->inode == file->st_ino;
}

static int set_epoll(int epoll, int operation, int fd, const struct entry *entry)
{
    struct epoll_event event = {0};
    event.events = (entry->reading.wanted ? EPOLLIN | EPOLLRDHUP : 0u)
                   | (entry->writing.wanted ? EPOLLOUT : 0u);
    event.data.fd = fd;
    return epoll_ctl(epoll, operation, fd, &event) < 0 ? errno : 0;
}

/* The filters of `fd` have vanished with the file it was. */
static int vanish(struct queue *queue, int fd)
{
    memset(&queue->entries[fd], 0, sizeof queue->entries[fd]);
    int fresh = epoll_create1(EPOLL_CLOEXEC), error = 0;
    if (fresh < 0)
        return errno;
    for (int each = 0; each < queue->count && !error; each++) {
        struct entry *entry = &queue->entries[each];
        struct stat file;
        if (!registered(entry))
            continue;
        if (fstat(each, &file) < 0 || !is_of(entry, &file))
            memset(entry, 0, sizeof *entry);
        else
            error = set_epoll(fresh, EPOLL_CTL_ADD, each, entry);
    }
    if (!error && dup3(fresh, queue->fd, O_CLOEXEC) < 0)
        error = errno;
    close(fresh);
    return error;
}

static int apply(struct queue *queue, const struct kevent *change)
{
    int fd = (int)change->ident, error = 0;
    struct stat file;
    if (fstat(fd, &file) < 0)
        return EBADF;
    struct entry *entry = entry_of(queue, fd);
    if (!entry)
        return ENOMEM;
    if (registered(entry) && !is_of(entry, &file) && (error = vanish(queue, fd)))
        return error;
    struct entry changed = *entry;
    struct filter *filter = change->filter == EVFILT_READ ? &changed.reading : &changed.writing;
    if (change->flags & EV_DELETE && !filter->wanted)
        return ENOENT;
    filter->wanted = change->flags & EV_ADD;
    filter->udata = change->udata;
    changed.device = file.st_dev;
    changed.inode = file.st_ino;
    int operation = !registered(&changed) ? EPOLL_CTL_DEL
                    : registered(entry)   ? EPOLL_CTL_MOD
                                          : EPOLL_CTL_ADD;
    error = set_epoll(queue->fd, operation, fd, &changed);
    if (!error)
        *entry = changed;
    return error;
}

/* Receipts, or the events of a single refusal that did not ask for one. */
static int apply_all(struct queue *queue, const struct kevent *changes, int change_count,
                     struct kevent *events, int event_count)
{
    int made = 0;
    for (int i = 0; i < change_count; i++) {
        int error = apply(queue, &changes[i]);
        if (!error && !(changes[i].flags & EV_RECEIPT))
            continue;
        if (made == event_count) {
            errno = error;
            return -1;
        }
        events[made] = changes[i];
        events[made].flags = EV_ERROR;
        events[made++].data = error;
    }
    return made;
}

static struct kevent event_of(int fd, short filter, const struct filter *of, uint32_t mask)
{
    unsigned short flags = mask & (EPOLLHUP | EPOLLRDHUP | EPOLLERR) ? EV_EOF : 0;
    return (struct kevent){(uintptr_t)fd, filter, flags, 0, 0, of->udata};
}

/* The events of one ready descriptor, at most two; none if its filters have vanished. */
static int report(struct queue *queue, int fd, uint32_t mask, struct kevent *events, int room)
{
    struct entry *entry = &queue->entries[fd];
    struct stat file;
    int made = 0;
    if (fstat(fd, &file) < 0 || !is_of(entry, &file)) {
        vanish(queue, fd);
        return 0;
    }
    if (entry->reading.wanted && mask & ~(uint32_t)EPOLLOUT)
        events[made++] = event_of(fd, EVFILT_READ, &entry->reading, mask);
    if (made < room && entry->writing.wanted && mask & (EPOLLOUT | EPOLLHUP | EPOLLERR))
        events[made++] = event_of(fd, EVFILT_WRITE, &entry->writing, mask);
    return made;
}

static int await(struct queue *queue, struct kevent *events, int event_count, int timeout)
{
    struct epoll_event ready[BATCH];
    int most = event_count / 2 < BATCH ? event_count / 2 : BATCH, made = 0, count;
    do {
        count = epoll_wait(queue->fd, ready, most ? most : 1, timeout);
        for (int i = 0; i < count; i++)
            made += report(queue, ready[i].data.fd, ready[i].events, events + made,
                           event_count - made);
    } while (count > 0 && made == 0);
    return count < 0 ? -1 : made;
}

int kevent(int fd, const struct kevent *changes, int change_count, struct kevent *events,
           int event_count, const struct timespec *timeout)
{
    pthread_mutex_lock(&lock);
    struct queue *queue = *place_of(fd);
    pthread_mutex_unlock(&lock);
    if (!queue) {
        errno = EBADF;
        return -1;
    }
    int made = apply_all(queue, changes, change_count, events, event_count);
    if (made != 0 || event_count == 0)
        return made;
    int limit = !timeout ? -1
                         : (int)(timeout->tv_sec * 1000 + (timeout->tv_nsec + 999999) / 1000000);
    return await(queue, events, event_count, limit);
}
