/* The engine's inside: the table of descriptors and what its files share.
 *
 *   engine.c    open, close, the turn
 *   calls.c     what Python calls between turns
 *   table.c     handles, generations, interest, close
 *   output.c    output buffers, flush, water marks
 *   input.c     receive, accept, finish a connect
 *   peers.c     addresses, ours and the kernel's
 *   datagram.c  datagrams, both ways
 *   passing.c   descriptors over a Unix stream
 *   sendfile.c  files among the output
 *   survey.c    what a look at all connections tells
 *   poll_*.c    the kernel interfaces, behind poller.h
 *
 * All of it runs in one thread, the owner's, but for engine_wake.
 */
#ifndef REACTORLIB_ENGINE_H
#define REACTORLIB_ENGINE_H

#include <pthread.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/types.h>

#include "engine_api.h"
#include "poller.h"

#ifndef MSG_NOSIGNAL
#define MSG_NOSIGNAL 0
#endif

enum {
    ARENA_BYTES = 1 << 19,
    READ_MAX = 65 << 10,     /* of one connection in one turn: 64 KiB, as four records of TLS */
    READ_MIN = 1 << 12,      /* less room than this: wait for the next turn */
    RECORDS = 4096,          /* events in one turn */
    RECORDS_PER_SLOT = 12,   /* the most that one step for one slot can make */
    READY = 1024,
    SERVED_MAX = 128, /* ready descriptors in one turn: few enough that their
                         sockets are in the cache still when they are answered */
    ACCEPT_MAX = 128,        /* of one listener in one turn */
    DIRECT_BYTES = 1 << 14,  /* writes of this size are sent, not copied */
    POOLED_BYTES = 1 << 12,
    POOLED = 256,
    CHUNK = 256,             /* slots are allocated in chunks and never move */
    ENGINE_PEER_ROOM = 128,  /* the most that pack_peer takes of the arena */
    FILE_BYTES = 1 << 20,    /* of files, for one connection in one turn */
    FILES_MAX = 4,           /* ... that end in it */
    PASSED_MAX = 253,        /* descriptors in one message: SCM_MAX_FD of Linux */
    NOWHERE = -1
};

#ifndef LINGER_MS
#define LINGER_MS 5000
#endif

enum slot_flag {
    PAUSED = 1 << 0,     /* Python wants no input */
    ENDED = 1 << 1,      /* the peer's FIN was read */
    CLOSING = 1 << 2,    /* engine_lose, or the peer's FIN: flush, FIN, linger */
    SHUTTING = 1 << 3,   /* engine_shut: flush, FIN */
    SHUT = 1 << 4,       /* our FIN was sent */
    LINGERING = 1 << 5,  /* Python was told the end; waiting for the FIN */
    ABORTED = 1 << 6,    /* reset at the next turn */
    FAILED = 1 << 7,     /* a write failed: `error` says why */
    BLOCKED = 1 << 8,    /* the kernel's send buffer is full */
    ABOVE = 1 << 9,      /* past the high-water mark */
    DIRTY = 1 << 10,     /* in the list for the next settling */
    WROTE = 1 << 11,     /* written to since it was last reported empty */
    STALE = 1 << 12      /* the descriptor was closed behind our back */
};

struct slot {
    uint32_t generation; /* 1 to 2^31 - 1: a handle is positive */
    int fd;              /* NOWHERE if free or stale */
    uint16_t flags;
    uint8_t kind, interest, notify;
    int error;
    int previous, next; /* the linger list; `next` also links free slots */
    uint32_t low, high, cap;
    char *out; /* pending output: out[head..tail) */
    size_t head, tail, size;
    uint64_t sent; /* with what a file was too short for */
    uint64_t received;
    struct files *files;
    int64_t deadline; /* of lingering, in milliseconds */
    union {           /* by kind; what few slots need */
        struct datagram *datagram;
        struct passing *passing;
    };
};

struct index_list {
    int *items;
    int count, capacity;
};

struct engine {
    const struct poller *poller;
    void *state;
    unsigned forks; /* what fork_count gave when this was opened */
    int owned;
    pthread_t owner;
    int wake_in, wake_out, spare;
    pthread_mutex_t wake_lock; /* of wake_out, which any thread may use */
    int orphans; /* a registration could not be taken back */
    int renew;   /* ... and reports: the poller's state is to be made anew */

    struct slot **chunks;
    int chunk_count, used, free;       /* slots: ever used, head of the free list */
    int *by_fd, by_fd_count;           /* descriptor -> slot, or NOWHERE */
    struct index_list dirty, settling; /* swapped by each turn */
    int linger_first, linger_last;

    struct poller_event ready[READY];
    int ready_count, ready_next;

    char *pool[POOLED];
    int pooled;

    char *arena;
    size_t arena_used;
    int64_t *records;
    int record_count;

    struct engine_counters counters;
};

/* table.c */
int64_t slot_new(engine *e, int fd, int kind);
int slot_mark(engine *e, struct slot *s, int index); /* dirty */
int slot_interest(engine *e, struct slot *s, int index, unsigned wanted);
void slot_gone(engine *e, struct slot *s, int index);
void slot_free_parts(struct slot *s);
void slot_release(engine *e, struct slot *s, int index);  /* forgets, leaves the descriptor */
void slot_close(engine *e, struct slot *s, int index);    /* closes the descriptor */
void slot_lost(engine *e, struct slot *s, int index, int error);
void linger_start(engine *e, struct slot *s, int index, int64_t now);
void linger_expire(engine *e, int64_t now);
int64_t now_ms(void);

/* calls.c */
int watch_forks(void);
unsigned fork_count(void);
int check_caller(const engine *e);
int find_slot(engine *e, int64_t handle, struct slot **out);

/* output.c */
int output_room(engine *e, struct slot *s, size_t more);
int output_append(engine *e, struct slot *s, const char *data, size_t size);
ssize_t output_send(struct slot *s, const char *data, size_t size, int more);
void output_free(engine *e, struct slot *s);
int64_t output_left(const struct slot *s);
void output_writable(engine *e, struct slot *s, int index);
void slot_settle(engine *e, struct slot *s, int index);

/* input.c */
void input_ready(engine *e, struct slot *s, int index, unsigned ready);
void listener_overload(engine *e, struct slot *s, int index, int error, int shed);
int open_spare(void);

/* peers.c */
int64_t pack_peer(engine *e, const struct sockaddr_storage *peer, socklen_t size);
size_t unpack_ipv4(struct sockaddr_storage *name, int64_t peer);
size_t unpack_bytes(struct sockaddr_storage *name, int family, const char *address, size_t size);

/* datagram.c */
int64_t datagram_add(engine *e, int fd);
int datagram_fits(const engine *e, const struct slot *s);
void datagram_readable(engine *e, struct slot *s, int index);
void datagram_flush(engine *e, struct slot *s, int index);

/* passing.c */
ssize_t passing_receive(engine *e, struct slot *s, int index, void *data, size_t room);
ssize_t passing_send(struct slot *s, const char *data, size_t size);
int passing_waits(const struct slot *s);
void passing_free(struct slot *s);

/* sendfile.c */
enum { FILE_DONE, FILE_BLOCKED, FILE_LATER };
int64_t files_left(const struct slot *s);
size_t files_before(const struct slot *s, size_t size);
uint64_t end_of_output(const struct slot *s);
int files_send(engine *e, struct slot *s, int index, int64_t *share);
void files_free(struct slot *s);

/* Short, and called for every event: inline. */

static inline int index_of(int64_t handle)
{
    return (int)(handle & 0x7fffffff);
}

static inline struct slot *slot_at(const engine *e, int index)
{
    return &e->chunks[(unsigned)index / CHUNK][(unsigned)index % CHUNK];
}

static inline int64_t slot_handle(const struct slot *s, int index)
{
    return (int64_t)s->generation << 32 | (uint32_t)index;
}

static inline struct slot *slot_find(const engine *e, int64_t handle)
{
    int index = index_of(handle);
    if (handle <= 0 || index >= e->used)
        return NULL;
    struct slot *s = slot_at(e, index);
    return s->generation == (uint32_t)(handle >> 32) && (s->fd >= 0 || s->flags & STALE) ? s : NULL;
}

static inline void record(engine *e, int kind, int64_t handle, int64_t first, int64_t second)
{
    int64_t *at = e->records + (size_t)e->record_count++ * 4;
    at[0] = kind;
    at[1] = handle;
    at[2] = first;
    at[3] = second;
}

static inline int room_for_slot(const engine *e)
{
    return e->record_count + RECORDS_PER_SLOT <= RECORDS;
}

/* Beyond that, room for what one step can read here. */
static inline int room_for_input(const engine *e, const struct slot *s)
{
    if (!s->passing)
        return 1;
    if (s->kind == ENGINE_DATAGRAM)
        return datagram_fits(e, s);
    return e->record_count + RECORDS_PER_SLOT + PASSED_MAX <= RECORDS;
}

#endif
