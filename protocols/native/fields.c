/* Field lines (RFC 9112, 5): name ":" OWS value OWS CRLF. Lines are not
 * folded (5.2), and no whitespace stands before the colon (5.1).
 */
#include "http.h"

static int is_blank(byte b)
{
    return b == ' ' || b == '\t';
}

static const byte *trim_end(const byte *start, const byte *end)
{
    while (end > start && is_blank(end[-1]))
        end--;
    return end;
}

int field_line(struct cursor *c, struct field *f)
{
    const byte *p = c->at, *end = c->end;
    f->name = p;
    while (p < end && is(*p, TOKEN))
        p++;
    if (p == end)
        return MORE;
    if (*p != ':' || p == f->name)
        return p == f->name && is_blank(*p) ? -FOLDED : -BAD_NAME;
    f->name_end = p++;
    while (p < end && is_blank(*p))
        p++;
    f->value = p;
    c->at = p = skip_value(p, end);
    if (p < end && *p != '\r')
        return *p == '\n' ? -BAD_LINE_END : -BAD_VALUE;
    f->value_end = trim_end(f->value, p);
    return read_crlf(c);
}

int field_section(struct cursor *c, uint32_t max, struct meaning *m)
{
    struct field f;
    int result;
    for (;;) {
        if (c->at == c->end)
            return MORE;
        if (*c->at == '\r')
            return read_crlf(c);
        if (m->fields == max)
            return -MANY_FIELDS;
        if ((result = field_line(c, &f)) <= 0)
            return result;
        if ((result = understand_field(m, &f)) <= 0)
            return result;
        m->fields++;
    }
}

int http_fields(const char *data, uint32_t start, uint32_t end, uint32_t *table, uint32_t max)
{
    const byte *base = (const byte *)data;
    struct cursor c = {base + start, base + end};
    struct field f;
    uint32_t count = 0;
    while (count < max && field_line(&c, &f) == DONE) {
        uint32_t *row = table + 4 * (size_t)count++;
        row[0] = (uint32_t)(f.name - base);
        row[1] = (uint32_t)(f.name_end - base);
        row[2] = (uint32_t)(f.value - base);
        row[3] = (uint32_t)(f.value_end - base);
    }
    return (int)count;
}
