/* SPDX-License-Identifier: MIT */
/* Looking things up in heads that are known to be valid, and guessing where one may begin. */
#include <string.h>

#include "lib/http.h"
#include "lib/http_internal.h"

static bool is_space_or_line_end(uint8_t c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static struct span trim_value(struct span s)
{
    while (s.len > 0 && is_space_or_line_end(s.ptr[0]))
        s = span_of(s.ptr + 1, s.len - 1);
    while (s.len > 0 && is_space_or_line_end(s.ptr[s.len - 1]))
        s.len--;
    return s;
}

/* Behind the line that begins at pos, and the obs-fold lines that continue it. */
static size_t behind_field(const uint8_t *head, size_t pos, size_t end)
{
    do {
        const uint8_t *lf = memchr(head + pos, '\n', end - pos);
        pos = lf ? (size_t)(lf - head) + 1 : end;
    } while (pos < end && (head[pos] == ' ' || head[pos] == '\t'));
    return pos;
}

bool http_field_next(struct span msg, const struct http_view *view, size_t *pos,
                     struct http_field *field)
{
    assert(view->head_len <= msg.len);
    const uint8_t *head = msg.ptr;
    size_t start = *pos, end = view->head_len;
    const uint8_t *colon = start < end ? memchr(head + start, ':', end - start) : NULL;
    /* the empty line has no colon behind it */
    if (!colon)
        return false;
    size_t next = behind_field(head, start, end), name_len = (size_t)(colon - head) - start;
    assert(start + name_len < next);
    *pos = next;
    *field = (struct http_field){
        .name = span_of(head + start, name_len), .off = start, .len = next - start};
    struct span value = span_of(colon + 1, next - start - name_len - 1);
    /* an empty value lies directly before the line end, so that it can be replaced there */
    while (value.len > 0 && (value.ptr[value.len - 1] == '\n' || value.ptr[value.len - 1] == '\r'))
        value.len--;
    field->value = trim_value(value);
    return true;
}

bool http_field_find(struct span msg, const struct http_view *view, struct span name,
                     struct http_field *field)
{
    assert(view->head_len <= msg.len);
    size_t pos = view->fields_off, end = view->head_len;
    while (pos < end) {
        if (name.len < end - pos && msg.ptr[pos + name.len] == ':' &&
            span_eq_nocase(span_of(msg.ptr + pos, name.len), name))
            return http_field_next(msg, view, &pos, field);
        pos = behind_field(msg.ptr, pos, end);
    }
    return false;
}

/* The bytes not yet looked at, while a start line is compared with its grammar. ended: what came so
 * far fits, and there are no more. */
struct guess {
    const uint8_t *p, *end;
};

static bool ended(const struct guess *g)
{
    return g->p == g->end;
}

static size_t skip(struct guess *g, enum http_class which)
{
    const uint8_t *start = g->p;
    while (!ended(g) && is_class(*g->p, which))
        g->p++;
    return (size_t)(g->p - start);
}

static size_t skip_sp(struct guess *g)
{
    const uint8_t *start = g->p;
    while (!ended(g) && *g->p == ' ')
        g->p++;
    return (size_t)(g->p - start);
}

static bool skip_digit(struct guess *g)
{
    if (ended(g) || *g->p < '0' || *g->p > '9')
        return false;
    g->p++;
    return true;
}

/* "HTTP/1." and a digit, as far as there are bytes. */
static bool fits_version(struct guess *g)
{
    static const char version[] = "HTTP/1.";
    for (size_t i = 0; i < sizeof(version) - 1 && !ended(g); i++)
        if (*g->p++ != (uint8_t)version[i])
            return false;
    return ended(g) || skip_digit(g);
}

static bool fits_line_end(struct guess *g)
{
    if (!ended(g) && *g->p == '\r')
        g->p++;
    return ended(g) || *g->p == '\n';
}

/* The rest of a line whose target holds spaces: words, of which the last one is a version. Another
 * before it makes the line malformed, but no less a request. */
static bool fits_spaced_line(struct guess *g)
{
    static const char prefix[] = "HTTP/";
    for (;;) {
        struct guess word = {.p = g->p, .end = g->p + skip(g, CLASS_TARGET)};
        bool is_version = (size_t)(word.end - word.p) >= sizeof(prefix) - 1 &&
                          memcmp(word.p, prefix, sizeof(prefix) - 1) == 0;
        if (is_version && (!fits_version(&word) || !ended(&word)))
            return false;
        bool spaced = skip_sp(g) > 0;
        if (ended(g))
            return true;
        if (!spaced || !is_class(*g->p, CLASS_TARGET))
            return is_version && fits_line_end(g);
    }
}

static bool fits_request_line(struct guess *g)
{
    size_t method_len = skip(g, CLASS_TOKEN);
    if (method_len == 0 || method_len > HTTP_METHOD_GUESS_MAX)
        return false;
    if (ended(g))
        return true;
    if (skip_sp(g) == 0)
        return false;
    if (ended(g))
        return true;
    const uint8_t *target = g->p;
    if (skip(g, CLASS_TARGET) == 0)
        return false;
    if (ended(g))
        return true;
    if (skip_sp(g) == 0)
        return false;
    struct guess rest = *g;
    if (fits_version(g)) {
        skip_sp(g);
        if (fits_line_end(g))
            return true;
    }
    return *target == '/' && fits_spaced_line(&rest);
}

static bool fits_status_line(struct guess *g)
{
    if (!fits_version(g))
        return false;
    if (ended(g))
        return true;
    if (*g->p++ != ' ')
        return false;
    for (int i = 0; i < 3 && !ended(g); i++)
        if (!skip_digit(g))
            return false;
    return ended(g) || *g->p == ' ' || fits_line_end(g);
}

bool http_may_begin(enum http_kind kind, const uint8_t *bytes, size_t n)
{
    assert(n > 0);
    struct guess g = {.p = bytes, .end = bytes + n};
    return kind == HTTP_REQUEST ? fits_request_line(&g) : fits_status_line(&g);
}
