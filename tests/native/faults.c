/* Library calls of the engine, wrapped by the linker (--wrap), that fail when told.
 * The driver's own calls go by other names: recvfrom, sendto, static storage.
 */
#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "driver.h"

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *old, size_t size);
ssize_t __real_send(int fd, const void *data, size_t size, int flags);
ssize_t __real_recv(int fd, void *data, size_t size, int flags);
int __real_accept4(int fd, struct sockaddr *address, socklen_t *size, int flags);

void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *old, size_t size);
ssize_t __wrap_send(int fd, const void *data, size_t size, int flags);
ssize_t __wrap_recv(int fd, void *data, size_t size, int flags);
int __wrap_accept4(int fd, struct sockaddr *address, socklen_t *size, int flags);

static int64_t allocations;
static int accept_error, stuttering;

void fail_allocation(int64_t number)
{
    allocations = number;
}

int64_t allocations_left(void)
{
    return allocations;
}

void fail_accept(int error)
{
    accept_error = error;
}

void stutter(int on)
{
    stuttering = on;
}

static int allocation_fails(void)
{
    if (!allocations || --allocations)
        return 0;
    errno = ENOMEM;
    return 1;
}

void *__wrap_malloc(size_t size)
{
    return allocation_fails() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t count, size_t size)
{
    return allocation_fails() ? NULL : __real_calloc(count, size);
}

void *__wrap_realloc(void *old, size_t size)
{
    return allocation_fails() ? NULL : __real_realloc(old, size);
}

/* Every third call is interrupted, fails for now, or is cut short. */
static int stutters(size_t *size)
{
    static unsigned calls;
    if (!stuttering || ++calls % 3)
        return 0;
    if (calls % 2 && *size) {
        *size = 1 + calls % 5 % *size;
        return 0;
    }
    errno = calls % 4 ? EAGAIN : EINTR;
    return 1;
}

ssize_t __wrap_send(int fd, const void *data, size_t size, int flags)
{
    return stutters(&size) ? -1 : __real_send(fd, data, size, flags);
}

ssize_t __wrap_recv(int fd, void *data, size_t size, int flags)
{
    return stutters(&size) ? -1 : __real_recv(fd, data, size, flags);
}

int __wrap_accept4(int fd, struct sockaddr *address, socklen_t *size, int flags)
{
    if (!accept_error)
        return __real_accept4(fd, address, size, flags);
    errno = accept_error;
    accept_error = 0;
    return -1;
}
