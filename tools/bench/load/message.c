#include "message.h"

#include <stdlib.h>
#include <string.h>

#include "fatal.h"

static struct message allocated(size_t size)
{
    struct message message = {malloc(size), size};
    if (message.data == NULL)
        fatal("no memory for the message");
    return message;
}

static void fill(char *place, size_t size)
{
    for (size_t i = 0; i < size; i++)
        place[i] = (char)(i * 31 + i / 251);
}

struct message message_of_unit(const char *unit, size_t size)
{
    struct message message = allocated(size);
    size_t length = unit ? strlen(unit) : 0;
    if (length == 0)
        fill(message.data, size);
    for (size_t i = 0; length > 0 && i < size; i++)
        message.data[i] = unit[i % length];
    return message;
}

struct message message_of_requests(const char *request, unsigned count)
{
    return message_of_unit(request, strlen(request) * count);
}

struct message message_with_body(const char *head, size_t size)
{
    size_t length = strlen(head);
    struct message message = allocated(length + size);
    memcpy(message.data, head, length);
    fill(message.data + length, size);
    return message;
}
