/* malloc and its kin, wrapped by the linker (--wrap), so that one call can fail. */
#include <errno.h>
#include <stdlib.h>

#include "driver.h"

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *old, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *old, size_t size);

static int64_t left;

void fail_allocation(int64_t number)
{
    left = number;
}

int64_t allocations_left(void)
{
    return left;
}

static int fails(void)
{
    if (!left || --left)
        return 0;
    errno = ENOMEM;
    return 1;
}

void *__wrap_malloc(size_t size)
{
    return fails() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t count, size_t size)
{
    return fails() ? NULL : __real_calloc(count, size);
}

void *__wrap_realloc(void *old, size_t size)
{
    return fails() ? NULL : __real_realloc(old, size);
}
