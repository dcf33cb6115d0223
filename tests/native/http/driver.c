/* Every function of the HTTP parser against unreadable memory.
 *
 * Messages come from the standard input, each behind its length, four bytes in
 * this machine's order. Each beginning of a message is put so that it ends
 * before an unreadable page, and so that it starts behind one. One byte read
 * too much ends the program, and so does an answer that depends on `scanned`,
 * on the place, or on how the bytes were divided. Prints how many calls it made,
 * and a number made of all answers.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "http_api.h"

#define CHECK(condition)                                                       \
    do {                                                                       \
        if (!(condition)) {                                                    \
            fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition);    \
            exit(1);                                                           \
        }                                                                      \
    } while (0)

enum { ROOM = 1 << 17, EVERY_END = 700, FIELDS = 16, PIECES = 3 };

static const struct http_limits limits = {.line = 8192, .head = 16384, .fields = 100};
static char *room, *room_end;
static long calls;
static uint64_t answers = 14695981039346656037u;

/* The kinds of sections have one signature but for what they write. */
union found {
    struct http_request request;
    struct http_response response;
    uint32_t trailers;
};
enum kind { REQUEST, RESPONSE, TRAILERS, KINDS };

/* FNV-1a */
static void remember(const void *bytes, size_t size)
{
    for (const unsigned char *p = bytes, *end = p + size; p < end; p++)
        answers = (answers ^ *p) * 1099511628211u;
}

static int section(enum kind kind, const char *data, uint32_t start, uint32_t end,
                   uint32_t scanned, union found *out)
{
    calls++;
    memset(out, 0, sizeof *out);
    switch (kind) {
    case REQUEST:
        out->request.limits = limits;
        return http_request_head(data, start, end, scanned, &out->request);
    case RESPONSE:
        out->response.limits = limits;
        return http_response_head(data, start, end, scanned, &out->response);
    default:
        return http_trailers(data, start, end, scanned, &limits, &out->trailers);
    }
}

static void check_fields(enum kind kind, const char *data, int length, const union found *found)
{
    uint32_t table[4 * FIELDS], start = 0, end = (uint32_t)length - 2, count = found->trailers;
    if (kind == REQUEST) {
        start = found->request.fields_start;
        count = found->request.fields;
    } else if (kind == RESPONSE) {
        start = found->response.fields_start;
        count = found->response.fields;
    }
    uint32_t expected = count < FIELDS ? count : FIELDS;
    CHECK(http_fields(data, start, end, table, FIELDS) == (int)expected);
    for (uint32_t i = 0; i < 4 * expected; i++)
        CHECK(table[i] <= end && (i == 0 || table[i] >= table[i - 1]));
}

/* What is so of `size` bytes, wherever they are and however much was seen before. */
static int answer(enum kind kind, const char *message, uint32_t size, int before)
{
    union found found, again;
    char *last = memcpy(room_end - size, message, size);
    int result = section(kind, last, 0, size, 0, &found);
    CHECK(!before || result == before);
    remember(&result, sizeof result);
    if (result)
        remember(&found, sizeof found);
    for (uint32_t back = 1; !before && back <= size && back <= 64; back = 2 * back + 1) {
        if (section(kind, last, 0, size - back, 0, &again) != 0)
            break;
        CHECK(section(kind, last, 0, size, size - back, &again) == result);
        CHECK(memcmp(&found, &again, sizeof found) == 0);
    }
    if (result > 0)
        check_fields(kind, last, result, &found);
    char *first = memcpy(room, message, size);
    CHECK(section(kind, first, 0, size, 0, &again) == result);
    CHECK(memcmp(&found, &again, sizeof found) == 0);
    return result;
}

static void check_sections(enum kind kind, const char *message, uint32_t size)
{
    int before = 0;
    for (uint32_t end = size > EVERY_END ? size - EVERY_END : 0; end <= size; end++)
        before = answer(kind, message, end, before);
}

static int take(const char *data, uint32_t start, uint32_t end, struct http_chunks *k)
{
    uint32_t pieces[2 * PIECES];
    int count;
    calls++;
    while ((count = http_chunks(data, start, end, k, pieces, PIECES)) > 0) {
        for (int i = 0; i < count; i++)
            CHECK(start <= pieces[2 * i] && pieces[2 * i] < pieces[2 * i + 1]);
        CHECK(pieces[2 * count - 1] <= k->consumed && k->consumed <= end);
        start = k->consumed;
    }
    CHECK(count < 0 || k->done || k->consumed == end);
    return count;
}

static void check_chunks(const char *message, uint32_t size)
{
    struct http_chunks grown = {0}, whole;
    int result = 0;
    for (uint32_t end = 1; end <= size && !result && !grown.done; end++) {
        char *last = memcpy(room_end - end, message, end);
        result = take(last, end - 1, end, &grown);
        if (end > EVERY_END)
            continue;
        memset(&whole, 0, sizeof whole);
        CHECK(take(last, 0, end, &whole) == result);
        remember(&whole, sizeof whole);
        CHECK(memcmp(&grown, &whole, sizeof whole) == 0);
    }
}

static void unreadable(char *page)
{
    CHECK(mprotect(page, (size_t)sysconf(_SC_PAGESIZE), PROT_NONE) == 0);
}

int main(void)
{
    static char message[ROOM];
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    char *all = mmap(NULL, ROOM + 2 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
                     -1, 0);
    uint32_t size;
    CHECK(all != MAP_FAILED);
    room = all + page;
    room_end = room + ROOM;
    unreadable(all);
    unreadable(room_end);
    while (fread(&size, sizeof size, 1, stdin) == 1) {
        CHECK(size <= ROOM && fread(message, 1, size, stdin) == size);
        for (enum kind kind = REQUEST; kind < KINDS; kind++)
            check_sections(kind, message, size);
        check_chunks(message, size);
    }
    printf("%ld %llu\n", calls, (unsigned long long)answers);
    return 0;
}
