/* What Python calls. Read twice: by the C compiler, and by cffi as its
 * declarations, so there is no preprocessor directive in this file.
 *
 * An engine belongs to one thread while it is owned (engine_own): calls from
 * another one give -EXDEV and change nothing; only engine_wake may come from
 * anywhere. In a forked child every call that can fail gives -ECHILD, but
 * engine_close, which closes there what the child has inherited. A handle that
 * is not (or no longer) alive gives -EBADF. Errors are negative errno, always.
 */
typedef struct engine engine;

/* What a descriptor is for; the first argument of an event's record. */
enum engine_kind {
    ENGINE_LISTENER,   /* accept, EVENT_ACCEPTED and EVENT_OVERLOAD */
    ENGINE_CONNECTING, /* a socket on its way: EVENT_CONNECTED, then a stream */
    ENGINE_STREAM,     /* a connected stream socket */
    ENGINE_PIPE,       /* a stream for read(2) and write(2): no half close */
    ENGINE_WATCHED,    /* readiness is reported and nothing touched */
    ENGINE_WRITER,     /* the write end of a pipe; readable: its reader has gone, EPIPE */
    ENGINE_DATAGRAM    /* a datagram socket, connected or not */
};

/* A record is four integers: kind, handle, first, second. */
enum engine_event {
    EVENT_DATA,      /* arena offset, end */
    EVENT_EOF,       /* the peer's FIN, told to who asked for NOTIFY_EOF */
    EVENT_LOST,      /* errno, or 0 after a clean end, bytes never sent; the handle is dead */
    EVENT_ACCEPTED,  /* new handle, peer: see engine_peer_layout */
    EVENT_OVERLOAD,  /* errno, connections shed; the listener is paused */
    EVENT_CONNECTED, /* - */
    EVENT_READABLE,  /* - */
    EVENT_WRITABLE,  /* - */
    EVENT_DRAINED,   /* was above the high-water mark, is at the low one */
    EVENT_BLOCKED,   /* the kernel took less than there is; NOTIFY_CONGESTION */
    EVENT_CLEARED,   /* it takes more again; NOTIFY_CONGESTION */
    EVENT_EMPTIED,   /* all output was taken by the kernel; NOTIFY_EMPTIED */
    EVENT_SHUT,      /* our FIN was sent, as engine_shut asked */
    EVENT_DATAGRAM,  /* arena offset << 32 | length, sender: see engine_peer_layout */
    EVENT_REFUSED,   /* nobody took what a connected datagram socket had sent */
    EVENT_SEND_FAILED, /* errno of the last, how many datagrams */
    EVENT_DESCRIPTOR, /* a descriptor, the receiver's to close; data follows */
    EVENT_FILE_SENT  /* bytes, and the errno if it could not be read any further */
};

/* The peer in EVENT_ACCEPTED and EVENT_DATAGRAM: port << 32 | address for IPv4;
 * -1 if it has no name; else -2 - an arena offset. There is an IPv6 address in
 * 28 bytes: 16 of the address, then port, flow information and scope as 32-bit
 * integers; or the name of a Unix socket: its length in 2 bytes, then itself. */
enum engine_peer_layout { ENGINE_PEER_BYTES = 28 };

enum engine_notify { NOTIFY_EOF = 1, NOTIFY_CONGESTION = 2, NOTIFY_EMPTIED = 4 };

struct engine_counters {
    int64_t open;      /* descriptors in the table */
    int64_t lingering; /* of these, closed for Python and waiting for a FIN */
    int64_t accepted, received, sent, turns, events; /* since the start; bytes */
};

const char *engine_version(void);
int engine_backends(const char **names, int capacity);
int engine_select_limit(void); /* FD_SETSIZE */

int engine_open(const char *backend, engine **out);
/* Closes every descriptor of its own; all handles are dead from then on. The
 * memory stays for late calls until engine_free, which asks for no owner. */
int engine_close(engine *e);
void engine_free(engine *e);
int engine_own(engine *e, int owned);
int engine_wake(engine *e);
int engine_wake_descriptor(engine *e);

/* Flushes, waits up to `seconds` (negative: without end), does the I/O, and
 * returns the number of records in engine_records. Both the records and the
 * arena are good until the next turn. */
int engine_turn(engine *e, double seconds);
const int64_t *engine_records(engine *e);
const char *engine_arena(engine *e);
int64_t engine_records_capacity(void);
int64_t engine_arena_capacity(void);

/* Takes a non-blocking descriptor in; returns its handle. -ERANGE: the
 * backend cannot hold so large a number. On error it stays the caller's. */
int64_t engine_add(engine *e, int fd, int kind);
/* Gives it back: forgets the handle, closes nothing, returns the descriptor. */
int engine_detach(engine *e, int64_t handle);
int engine_descriptor(engine *e, int64_t handle);
int engine_watch(engine *e, int64_t handle, int readable, int writable);
int engine_notify(engine *e, int64_t handle, int mask);

/* 0; 1 when this write goes past the high-water mark; -EPIPE after engine_shut or
 * engine_abort; -EBADF once the connection has failed; -ENOBUFS past the cap: it is
 * being aborted; -ENOMEM: nothing was taken, or it is being aborted. engine_lose is
 * no end of writing: what is written until its EVENT_LOST leaves before the FIN. */
int engine_write(engine *e, int64_t handle, const void *data, size_t size);
int engine_set_limits(engine *e, int64_t handle, uint32_t low, uint32_t high, uint32_t cap);
int64_t engine_buffered(engine *e, int64_t handle);
int64_t engine_sent(engine *e, int64_t handle);

/* Queues a datagram, whose receiver is as in engine_peer_layout; -1 is the one
 * that the socket is connected to. -ENOBUFS past the cap, -EMSGSIZE if no
 * socket takes so much; other refusals are told later, by EVENT_SEND_FAILED. */
int engine_send_to(engine *e, int64_t handle, const void *data, size_t size, int64_t peer);
/* The same to an IPv6 address in its 28 bytes, or to the name of a Unix socket. */
int engine_send_to_bytes(engine *e, int64_t handle, const void *data, size_t size,
                         const void *address, size_t address_size);
/* Of a longer datagram the rest is cut off. At the beginning it is 8,192 bytes. */
int engine_set_longest(engine *e, int64_t handle, uint32_t size);

/* From now on the descriptors that come over this Unix stream are reported;
 * before that the kernel closes them. Some that are lost end it: ETOOMANYREFS. */
int engine_take_descriptors(engine *e, int64_t handle);
/* Takes over `fd`, passes it with the next byte written, and closes it. On
 * error it stays the caller's: -EPIPE after engine_lose, engine_shut or
 * engine_abort, -ETOOMANYREFS when 253 wait already. Without that byte the end
 * is ETOOMANYREFS. */
int engine_pass_descriptor(engine *e, int64_t handle, int fd);

/* Sends `count` bytes of a file from `offset` on, behind what was written so far
 * and before what is written later; what the file is too short for is left out.
 * EVENT_FILE_SENT tells the end, in the order of the calls, but EVENT_LOST comes
 * without it. `fd` is duplicated: the caller may close it at once. Errors are
 * those of engine_write and of dup(2); -EINVAL for what is no stream, no file
 * or an empty range. It counts in engine_buffered, not for the water marks. */
int engine_send_file(engine *e, int64_t handle, int fd, int64_t offset, int64_t count);

int engine_pause(engine *e, int64_t handle);
int engine_resume(engine *e, int64_t handle);
/* engine_lose and engine_abort end in one EVENT_LOST in a later turn: the first
 * after what is buffered, however long that takes, the second at once and with
 * a reset. engine_shut only sends FIN after what is buffered. */
int engine_shut(engine *e, int64_t handle);
int engine_lose(engine *e, int64_t handle);
int engine_abort(engine *e, int64_t handle);

void engine_count(engine *e, struct engine_counters *out);

/* What a connection has received and sent, and what waits to be sent: bytes. */
struct engine_moved {
    int64_t handle, received, sent, buffered;
};

enum { SURVEY_BUSY = 8, SURVEY_LISTENERS = 16 };

/* All connections by state, the bytes that wait to be sent, the listeners, and the
 * connections that have moved most since who looks has looked last, most first. */
struct engine_survey {
    int64_t open, paused, closing, lingering;
    int64_t buffered;
    int64_t listener_count, listeners[SURVEY_LISTENERS];
    int64_t busy_count;
    struct engine_moved busiest[SURVEY_BUSY];
};

/* `known` has a place for each of `slots` slots, zero at first, and belongs to who
 * looks; engine_slots tells how many there are: those beyond are left out. */
int64_t engine_slots(engine *e);
int engine_look(engine *e, struct engine_moved *known, int64_t slots, struct engine_survey *out);
