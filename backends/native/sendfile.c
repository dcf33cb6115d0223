/* Files among the output of a stream: what was written before one leaves before
 * it, what is written after it leaves after it.
 *
 * A file waits as a duplicate of its descriptor, which is ours to close, and the
 * position in the stream at which its bytes begin. Where the kernel cannot send
 * it by itself, it is read and sent piece by piece. A file that is shorter than
 * was said, or cannot be read, ends where it ends: the stream goes on behind it.
 *
 * sendfile(2) has no MSG_NOSIGNAL: like write(2) to a pipe it counts on SIGPIPE
 * being ignored, as Python has it.
 */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#ifdef __linux__
#include <sys/sendfile.h>
#endif

#include "engine.h"

enum { PIECE = 1 << 14 }; /* read at once where the kernel does not send */

struct file {
    int fd;
    int64_t offset, sent, left;
    uint64_t at; /* the position in the stream of its first byte */
};

struct files {
    int first, count, capacity;
    int64_t left; /* bytes of all that wait */
    struct file *queue;
};

static struct file *front(const struct slot *s)
{
    return &s->files->queue[s->files->first];
}

int64_t files_left(const struct slot *s)
{
    return s->files ? s->files->left : 0;
}

/* The position in the stream of what is written next. */
uint64_t end_of_output(const struct slot *s)
{
    return s->sent + (s->tail - s->head) + (uint64_t)files_left(s);
}

/* Of so many buffered bytes, those that leave before the first file, or its rest, does. */
size_t files_before(const struct slot *s, size_t size)
{
    uint64_t at = front(s)->at, before = at > s->sent ? at - s->sent : 0;
    return before < size ? (size_t)before : size;
}

void files_free(struct slot *s)
{
    struct files *f = s->files;
    for (int i = f->first; i < f->first + f->count; i++)
        close(f->queue[i].fd);
    free(f->queue);
    free(f);
    s->files = NULL;
}

/* Bytes taken, 0 at the end of the file, or negative errno; *own: of the file. */
static ssize_t read_and_send(struct slot *s, const struct file *file, size_t size, int *own)
{
    char piece[PIECE];
    ssize_t got;
    do
        got = pread(file->fd, piece, size < PIECE ? size : PIECE, file->offset);
    while (got < 0 && errno == EINTR);
    *own = got < 0;
    if (got <= 0)
        return got < 0 ? -errno : 0;
    ssize_t taken = send(s->fd, piece, (size_t)got, MSG_NOSIGNAL);
    return taken < 0 ? -errno : taken;
}

/* What sendfile(2) refuses is tried the other way, which tells whose fault it is. */
static ssize_t send_some(struct slot *s, const struct file *file, size_t size, int *own)
{
#ifdef __linux__
    off_t offset = file->offset;
    ssize_t taken = sendfile(s->fd, file->fd, &offset, size);
    *own = 0;
    if (taken >= 0)
        return taken;
    if (errno == EAGAIN || errno == EINTR)
        return -errno;
#endif
    return read_and_send(s, file, size, own);
}

/* Corked, only full segments leave: to receive a large file costs half as much, and
 * to send it a tenth less. What is not TCP refuses, and needs none of this. */
static void set_corked(const struct slot *s, int on)
{
#ifdef TCP_CORK
    setsockopt(s->fd, IPPROTO_TCP, TCP_CORK, &on, sizeof on);
#else
    (void)s, (void)on;
#endif
}

static void finish(engine *e, struct slot *s, int index, int error)
{
    struct files *f = s->files;
    struct file *file = front(s);
    record(e, EVENT_FILE_SENT, slot_handle(s, index), file->sent, error);
    close(file->fd);
    /* What is missing counts as sent: positions stay those of the calls. */
    s->sent += (uint64_t)file->left;
    f->left -= file->left;
    f->first++;
    if (--f->count == 0) {
        set_corked(s, 0);
        files_free(s);
    }
}

/* One step: FILE_DONE with the first file, FILE_BLOCKED, FILE_LATER when this turn
 * has had its share, or the negative errno of the connection. */
int files_send(engine *e, struct slot *s, int index, int64_t *share)
{
    struct file *file = front(s);
    int own = 0;
    if (!file->sent)
        set_corked(s, 1);
    while (file->left) {
        if (*share <= 0)
            return FILE_LATER;
        int64_t size = file->left < *share ? file->left : *share;
        ssize_t taken = send_some(s, file, (size_t)size, &own);
        if (taken == -EINTR)
            continue;
        if (!own && (taken == -EAGAIN || taken == -EWOULDBLOCK || taken == -ENOBUFS))
            return FILE_BLOCKED;
        if (taken < 0 && !own)
            return (int)taken;
        if (taken <= 0) {
            finish(e, s, index, (int)-taken);
            return FILE_DONE;
        }
        *share -= taken;
        s->sent += (uint64_t)taken;
        e->counters.sent += taken;
        file->offset += taken;
        file->sent += taken;
        file->left -= taken;
        s->files->left -= taken;
    }
    finish(e, s, index, 0);
    return FILE_DONE;
}

static int grow(struct files *f)
{
    if (f->first) {
        memmove(f->queue, f->queue + f->first, (size_t)f->count * sizeof *f->queue);
        f->first = 0;
    }
    if (f->count < f->capacity)
        return 0;
    int wanted = f->capacity ? f->capacity * 2 : 1;
    struct file *queue = realloc(f->queue, (size_t)wanted * sizeof *queue);
    if (!queue)
        return -ENOMEM;
    f->queue = queue;
    f->capacity = wanted;
    return 0;
}

static int room_for_file(struct slot *s)
{
    if (!s->files)
        s->files = calloc(1, sizeof *s->files);
    if (!s->files)
        return -ENOMEM;
    int error = grow(s->files);
    if (error < 0 && !s->files->count)
        files_free(s);
    return error;
}

int engine_send_file(engine *e, int64_t handle, int fd, int64_t offset, int64_t count)
{
    struct slot *s;
    int error = find_slot(e, handle, &s), index = index_of(handle);
    if (error < 0)
        return error;
    if (s->kind != ENGINE_STREAM || offset < 0 || count <= 0 || count > INT64_MAX - offset)
        return -EINVAL;
    if (s->flags & (ABORTED | SHUTTING | FAILED))
        return -EPIPE;
    int duplicate = fcntl(fd, F_DUPFD_CLOEXEC, 0);
    if (duplicate < 0)
        return errno == EBADF ? -EINVAL : -errno;
    if ((error = slot_mark(e, s, index)) < 0 || (error = room_for_file(s)) < 0) {
        close(duplicate);
        return error;
    }
    struct files *f = s->files;
    f->queue[f->first + f->count++] = (struct file){duplicate, offset, 0, count, end_of_output(s)};
    f->left += count;
    s->flags |= WROTE;
    return 0;
}
