/* Heads of requests and responses (RFC 9112, 2 to 4), and trailer sections. */
#include "http.h"

/* What the start line says. */
struct start_line {
    const byte *first, *first_end;   /* method; of a response, the reason */
    const byte *second, *second_end; /* target */
    uint32_t minor, status, flags;
};

struct head {
    struct start_line line;
    const byte *fields;
    struct meaning meaning;
};

typedef int start_reader(struct cursor *c, const struct http_limits *limits, struct start_line *l);

/* Up to the digit of the minor version, and behind it. */
static int read_version(struct cursor *c, uint32_t *minor)
{
    static const char major[] = "HTTP/1.";
    for (int i = 0; i < 7; i++) {
        if (c->at + i == c->end)
            return MORE;
        if (c->at[i] != (byte)major[i])
            return i == 5 && is(c->at[i], DIGIT) ? -OTHER_VERSION : -BAD_VERSION;
    }
    if (c->at + 7 == c->end)
        return MORE;
    if (!is(c->at[7], DIGIT))
        return -BAD_VERSION;
    *minor = c->at[7] != '0';
    c->at += 8;
    return DONE;
}

/* Requests */

static const byte *skip_target(const byte *p, const byte *end)
{
#ifdef __SSE2__
    while (end - p >= 16) {
        __m128i x = _mm_loadu_si128((const __m128i *)(const void *)p);
        __m128i printing = _mm_cmpgt_epi8(x, _mm_set1_epi8(0x20)); /* signed: 0x80 is below */
        __m128i delete = _mm_cmpeq_epi8(x, _mm_set1_epi8(0x7f));
        __m128i hash = _mm_cmpeq_epi8(x, _mm_set1_epi8('#'));
        __m128i good = _mm_andnot_si128(_mm_or_si128(delete, hash), printing);
        int found = _mm_movemask_epi8(good) ^ 0xffff;
        if (found)
            return p + __builtin_ctz((unsigned)found);
        p += 16;
    }
#endif
    while (p < end && is(*p, TARGET))
        p++;
    return p;
}

static int has_method(const struct start_line *l, const char *method, size_t length)
{
    return (size_t)(l->first_end - l->first) == length && memcmp(l->first, method, length) == 0;
}

/* scheme "://" authority, then a path or a query or nothing */
static int absolute_form(struct start_line *l)
{
    const byte *p = l->second, *end = l->second_end, *authority;
    while (p < end && (is(*p, ALPHA | DIGIT) || *p == '+' || *p == '-' || *p == '.'))
        p++;
    if (!is(*l->second, ALPHA) || end - p < 3 || memcmp(p, "://", 3))
        return -BAD_TARGET_FORM;
    for (authority = p += 3; p < end && *p != '/' && *p != '?';)
        p++;
    if (!is_authority(authority, p))
        return -BAD_AUTHORITY;
    l->flags |= HTTP_ABSOLUTE;
    return DONE;
}

/* RFC 9112, 3.2. PRI is let through so that HTTP/2 is told apart by its version. */
static int target_form(struct start_line *l)
{
    const byte *target = l->second;
    if (has_method(l, "CONNECT", 7)) {
        l->flags |= HTTP_IS_CONNECT;
        return is_host_and_port(target, l->second_end) ? DONE : -BAD_AUTHORITY;
    }
    if (*target == '/')
        return DONE;
    if (*target == '*' && l->second_end - target == 1) {
        l->flags |= HTTP_ASTERISK;
        return has_method(l, "OPTIONS", 7) || has_method(l, "PRI", 3) ? DONE : -BAD_TARGET_FORM;
    }
    return absolute_form(l);
}

static int read_method(struct cursor *c, struct start_line *l)
{
    const byte *p = c->at;
    l->first = p;
    while (p < c->end && is(*p, TOKEN))
        p++;
    l->first_end = c->at = p;
    if (p == c->end)
        return MORE;
    if (*p != ' ' || p == l->first)
        return -BAD_METHOD;
    c->at++;
    return DONE;
}

static int read_target(struct cursor *c, struct start_line *l)
{
    l->second = c->at;
    l->second_end = c->at = skip_target(c->at, c->end);
    if (c->at == c->end)
        return MORE;
    if (*c->at != ' ' || l->second == l->second_end)
        return -BAD_TARGET;
    c->at++;
    return target_form(l);
}

static int read_request_line(struct cursor *c, struct start_line *l)
{
    int result;
    if ((result = read_method(c, l)) <= 0 || (result = read_target(c, l)) <= 0 ||
        (result = read_version(c, &l->minor)) <= 0)
        return result;
    if (has_method(l, "PRI", 3)) /* reserved: RFC 9113, 11.6 */
        return -BAD_METHOD;
    if (has_method(l, "HEAD", 4))
        l->flags |= HTTP_IS_HEAD;
    return read_crlf(c);
}

static int skip_empty_lines(struct cursor *c)
{
    int result = DONE;
    for (int i = 0; i < HTTP_EMPTY_LINES && result > 0; i++) {
        if (c->at < c->end && *c->at != '\r')
            break;
        result = read_crlf(c);
    }
    return result;
}

static int read_request_start(struct cursor *c, const struct http_limits *limits,
                              struct start_line *l)
{
    int result = skip_empty_lines(c);
    if (result <= 0)
        return result;
    size_t longest = (size_t)limits->line + 2;
    int too_long = (size_t)(c->end - c->at) > longest;
    struct cursor line = {c->at, too_long ? c->at + longest : c->end};
    result = read_request_line(&line, l);
    c->at = line.at;
    return result == MORE && too_long ? -LONG_LINE : result;
}

/* Responses */

static int read_status(struct cursor *c, struct start_line *l)
{
    const byte *p = c->at;
    for (int i = 0; i < 4; i++) {
        if (p + i == c->end)
            return MORE;
        if (i == 0 ? p[i] != ' ' : !is(p[i], DIGIT))
            return -BAD_STATUS;
        if (i)
            l->status = l->status * 10 + (p[i] - '0');
        if (i && l->status == 0)
            return -BAD_STATUS;
    }
    c->at += 4;
    return DONE;
}

/* The space before a reason that is not there is missing in some answers; that harms nobody. */
static int read_reason(struct cursor *c, struct start_line *l)
{
    if (c->at < c->end && *c->at == ' ')
        c->at++;
    else if (c->at < c->end && *c->at != '\r')
        return -BAD_STATUS;
    l->first = c->at;
    l->first_end = c->at = skip_value(c->at, c->end);
    return read_crlf(c);
}

static int read_response_start(struct cursor *c, const struct http_limits *limits,
                               struct start_line *l)
{
    int result;
    (void)limits;
    if ((result = read_version(c, &l->minor)) <= 0 || (result = read_status(c, l)) <= 0)
        return result;
    return read_reason(c, l);
}

/* Sections */

/* The field line that was begun before `scanned` and goes on; NULL if a line
 * ended or began since, or it is not one of fields. No such line is too many. */
static const byte *open_line(const byte *start, const byte *scanned, const byte *end)
{
    const byte *line = start, *feed;
    if (scanned > end || scanned <= start || memchr(scanned, '\n', (size_t)(end - scanned)))
        return NULL;
    while (line < scanned && (feed = memchr(line, '\n', (size_t)(scanned - line))))
        line = feed + 1;
    int in_fields = line - start > 2 * HTTP_EMPTY_LINES;
    return in_fields && line < scanned && *line != '\r' ? line : NULL;
}

static int read_whole(struct cursor *c, const struct http_limits *limits, start_reader *read_start,
                      struct head *h)
{
    int result = read_start ? read_start(c, limits, &h->line) : DONE;
    if (result <= 0)
        return result;
    h->fields = c->at;
    return field_section(c, limits->fields, &h->meaning);
}

/* Only the line that grows is read as long as it has not ended, so that the
 * work is not the square of the length. */
static int read_section(struct cursor *c, const byte *scanned, const struct http_limits *limits,
                        start_reader *read_start, struct head *h)
{
    const byte *start = c->at, *line;
    struct field f;
    int too_long = (size_t)(c->end - start) > limits->head;
    if (too_long)
        c->end = start + limits->head;
    h->meaning.length = -1;
    if ((line = open_line(start, scanned, c->end)))
        c->at = line;
    int result = line ? field_line(c, &f) : read_whole(c, limits, read_start, h);
    return result == MORE && too_long ? -LONG_HEAD : result;
}

/* How the message is framed; RFC 9112, 6.1 to 6.3. */
static int check_framing(const struct head *h)
{
    const struct meaning *m = &h->meaning;
    if (m->coding && h->line.minor == 0)
        return -CODING_IN_1_0;
    if (m->coding && m->length >= 0)
        return -LENGTH_AND_CODING;
    return m->coding & OTHER ? -OTHER_CODING : DONE;
}

/* What does not depend on the direction. In 1.0 there is neither Expect nor Upgrade
 * (RFC 9110, 10.1.1 and 7.8), and a connection is kept only if that is said (RFC 9112, 9.3). */
static uint32_t common_flags(const struct head *h)
{
    const struct meaning *m = &h->meaning;
    uint32_t flags = h->line.flags | (m->flags & HTTP_HAS_HOST);
    int keep = h->line.minor || m->options & KEEP;
    if (keep && !(m->options & CLOSE))
        flags |= HTTP_KEEP_ALIVE;
    if (m->coding)
        flags |= HTTP_CHUNKED;
    if (h->line.minor)
        flags |= m->flags;
    if (h->line.minor && m->upgrade && m->options & SWITCH)
        flags |= HTTP_UPGRADE;
    return flags;
}

static int finish_request(const struct head *h, const byte *base, struct http_request *out)
{
    const struct start_line *l = &h->line;
    int has_body = h->meaning.coding || h->meaning.length > 0, result = check_framing(h);
    if (result <= 0)
        return result;
    if (l->minor && !(h->meaning.flags & HTTP_HAS_HOST))
        return -NO_HOST;
    if (has_body && l->flags & HTTP_IS_CONNECT)
        return -BODY_OF_CONNECT;
    *out = (struct http_request){
        .limits = out->limits,
        .method_start = (uint32_t)(l->first - base),
        .method_end = (uint32_t)(l->first_end - base),
        .target_start = (uint32_t)(l->second - base),
        .target_end = (uint32_t)(l->second_end - base),
        .minor = l->minor,
        .flags = common_flags(h) | (has_body ? HTTP_HAS_BODY : 0),
        .content_length = h->meaning.length,
        .fields_start = (uint32_t)(h->fields - base),
        .fields = h->meaning.fields,
    };
    return DONE;
}

static uint32_t body_of_response(const struct head *h)
{
    uint32_t status = h->line.status;
    if (status < 200 || status == 204 || status == 304 || h->meaning.length == 0)
        return 0;
    int framed = h->meaning.coding || h->meaning.length > 0;
    return HTTP_HAS_BODY | (framed ? 0 : HTTP_UNTIL_CLOSE);
}

static int finish_response(const struct head *h, const byte *base, struct http_response *out)
{
    const struct start_line *l = &h->line;
    int result = check_framing(h);
    if (result <= 0)
        return result;
    *out = (struct http_response){
        .limits = out->limits,
        .minor = l->minor,
        .status = l->status,
        .reason_start = (uint32_t)(l->first - base),
        .reason_end = (uint32_t)(l->first_end - base),
        .fields_start = (uint32_t)(h->fields - base),
        .flags = common_flags(h) | body_of_response(h),
        .content_length = h->meaning.length,
        .fields = h->meaning.fields,
    };
    return DONE;
}

int http_request_head(const char *data, uint32_t start, uint32_t end, uint32_t scanned,
                      struct http_request *out)
{
    const byte *base = (const byte *)data;
    struct cursor c = {base + start, base + end};
    struct head h = {0};
    int result = read_section(&c, base + scanned, &out->limits, read_request_start, &h);
    if (result > 0)
        result = finish_request(&h, base, out);
    if (result >= 0)
        return result == DONE ? (int)(c.at - base - start) : MORE;
    out->flags = (uint32_t)-result;
    return -fault_status(-result);
}

int http_response_head(const char *data, uint32_t start, uint32_t end, uint32_t scanned,
                       struct http_response *out)
{
    const byte *base = (const byte *)data;
    struct cursor c = {base + start, base + end};
    struct head h = {0};
    int result = read_section(&c, base + scanned, &out->limits, read_response_start, &h);
    if (result > 0)
        result = finish_response(&h, base, out);
    if (result >= 0)
        return result == DONE ? (int)(c.at - base - start) : MORE;
    out->flags = (uint32_t)-result;
    return -fault_status(-result);
}

int http_trailers(const char *data, uint32_t start, uint32_t end, uint32_t scanned,
                  const struct http_limits *limits, uint32_t *out)
{
    const byte *base = (const byte *)data;
    struct cursor c = {base + start, base + end};
    struct head h = {.meaning.trailer = 1};
    int result = read_section(&c, base + scanned, limits, NULL, &h);
    if (result == MORE)
        return MORE;
    *out = result > 0 ? h.meaning.fields : (uint32_t)-result;
    return result > 0 ? (int)(c.at - base - start) : -fault_status(-result);
}
