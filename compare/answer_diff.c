/* SPDX-License-Identifier: MIT */
#include "compare/answer_diff.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "compare/json_diff.h"

#define FIELDS_MAX 512 /* of one answer; those behind them are not compared */
#define NAME_SHOWN 100

void answer_diff_init(struct answer_diff *diff, const struct ignore *ignore)
{
    diff->ignore = ignore;
    http_plain_init(&diff->plain[0]);
    http_plain_init(&diff->plain[1]);
}

void answer_diff_fini(struct answer_diff *diff)
{
    http_plain_fini(&diff->plain[0]);
    http_plain_fini(&diff->plain[1]);
}

static void tell(struct difference_sink *sink, enum difference_kind kind, const char *location,
                 struct span first, struct span second)
{
    struct difference d = {.kind = kind, .location = location, .text = {first, second}};
    sink->found(sink, &d);
}

/* --- status --- */

static void diff_status(const struct msg *first, const struct msg *second,
                        struct difference_sink *sink)
{
    char text[2][8];
    if (first->http.status == second->http.status)
        return;
    snprintf(text[0], sizeof(text[0]), "%u", first->http.status);
    snprintf(text[1], sizeof(text[1]), "%u", second->http.status);
    tell(sink, DIFFERENCE_CHANGED, "status", span_str(text[0]), span_str(text[1]));
}

/* --- header fields --- */

struct field {
    struct span name, value;
    size_t nth; /* of its answer: fields of one name keep their order */
};

struct fields {
    size_t n;
    struct field list[FIELDS_MAX];
};

static int by_bytes(struct span a, struct span b)
{
    size_t n = a.len < b.len ? a.len : b.len;
    int order = n > 0 ? memcmp(a.ptr, b.ptr, n) : 0;
    return order != 0 ? order : (a.len > b.len) - (a.len < b.len);
}

static int by_name(struct span a, struct span b)
{
    for (size_t i = 0; i < a.len && i < b.len; i++) {
        int order = ascii_lower(a.ptr[i]) - ascii_lower(b.ptr[i]);
        if (order != 0)
            return order;
    }
    return (a.len > b.len) - (a.len < b.len);
}

static bool is_cookie(struct span name)
{
    return span_eq_nocase(name, span_str("set-cookie"));
}

static int by_name_then_place(const void *left, const void *right)
{
    const struct field *a = left, *b = right;
    int order = by_name(a->name, b->name);
    if (order == 0 && is_cookie(a->name)) /* in which order they are set does not matter */
        order = by_bytes(a->value, b->value);
    return order != 0 ? order : (a->nth > b->nth) - (a->nth < b->nth);
}

/* A session's value is another each time: only the name counts. */
static struct span value_of(const struct http_field *field)
{
    const uint8_t *end = NULL;
    if (is_cookie(field->name) && field->value.len > 0)
        end = memchr(field->value.ptr, '=', field->value.len);
    return end ? span_of(field->value.ptr, (size_t)(end - field->value.ptr)) : field->value;
}

static void read_fields(struct fields *fields, const struct msg *msg, const struct ignore *ignore)
{
    struct http_field field;
    size_t pos = msg->http.fields_off;
    fields->n = 0;
    while (msg->http.head_len > 0 && fields->n < FIELDS_MAX &&
           http_field_next(msg_payload(msg), &msg->http, &pos, &field)) {
        if (ignore_header(ignore, field.name))
            continue;
        fields->list[fields->n] = (struct field){field.name, value_of(&field), fields->n};
        fields->n++;
    }
    qsort(fields->list, fields->n, sizeof(fields->list[0]), by_name_then_place);
}

/* Behind the fields of one name that begin at i. */
static size_t end_of_name(const struct fields *fields, size_t i)
{
    size_t end = i;
    while (end < fields->n && by_name(fields->list[i].name, fields->list[end].name) == 0)
        end++;
    return end;
}

static void tell_field(struct difference_sink *sink, enum difference_kind kind, struct span name,
                       struct span first, struct span second)
{
    char location[LOCATION_MAX] = "header:";
    char lower[NAME_SHOWN];
    size_t n = name.len < sizeof(lower) ? name.len : sizeof(lower);
    for (size_t i = 0; i < n; i++)
        lower[i] = (char)ascii_lower(name.ptr[i]);
    size_t at = strlen(location);
    difference_escape(location + at, sizeof(location) - at, span_of(lower, n));
    tell(sink, kind, location, first, second);
}

/* Fields of one name: the first value that differs, or that the other answer has not. */
static void diff_values(const struct field *first, size_t n, const struct field *second, size_t m,
                        struct difference_sink *sink)
{
    struct span none = span_of(NULL, 0);
    size_t i = 0;
    while (i < n && i < m && span_eq(first[i].value, second[i].value))
        i++;
    if (i == n && i == m)
        return;
    struct span name = n > 0 ? first[0].name : second[0].name;
    if (m == 0 || n == 0)
        tell_field(sink, m == 0 ? DIFFERENCE_MISSING : DIFFERENCE_ADDED, name,
                   n > 0 ? first[0].value : none, m > 0 ? second[0].value : none);
    else
        tell_field(sink, DIFFERENCE_CHANGED, name, i < n ? first[i].value : none,
                   i < m ? second[i].value : none);
}

static void diff_fields(const struct ignore *ignore, const struct msg *first,
                        const struct msg *second, struct difference_sink *sink)
{
    struct fields a, b;
    read_fields(&a, first, ignore);
    read_fields(&b, second, ignore);
    for (size_t i = 0, k = 0; i < a.n || k < b.n;) {
        int order = i == a.n ? 1 : k == b.n ? -1 : by_name(a.list[i].name, b.list[k].name);
        size_t i_end = order <= 0 ? end_of_name(&a, i) : i;
        size_t k_end = order >= 0 ? end_of_name(&b, k) : k;
        diff_values(&a.list[i], i_end - i, &b.list[k], k_end - k, sink);
        i = i_end;
        k = k_end;
    }
}

/* --- body --- */

#define BEFORE 16 /* bytes of context in front of the first one that differs */

static void tell_bytes(struct difference_sink *sink, struct span first, struct span second)
{
    char text[2][64 + VALUE_MAX];
    size_t same = 0;
    while (same < first.len && same < second.len && first.ptr[same] == second.ptr[same])
        same++;
    size_t from = same > BEFORE ? same - BEFORE : 0;
    const struct span sides[2] = {first, second};
    struct span shown[2];
    for (size_t i = 0; i < 2; i++) {
        struct span rest = span_from(sides[i], from);
        int n = snprintf(text[i], sizeof(text[i]), "%zu bytes, from %zu on: ", sides[i].len, from);
        size_t len = rest.len < VALUE_MAX ? rest.len : VALUE_MAX;
        if (len > 0)
            memcpy(text[i] + n, rest.ptr, len);
        shown[i] = span_of(text[i], (size_t)n + len);
    }
    tell(sink, DIFFERENCE_CHANGED, "body", shown[0], shown[1]);
}

/* Only what both have. */
static void cut_to_same(struct span *first, bool first_cut, struct span *second, bool second_cut)
{
    if (first_cut && second->len > first->len)
        second->len = first->len;
    if (second_cut && first->len > second->len)
        first->len = second->len;
}

static void diff_bodies(struct answer_diff *diff, const struct msg *first, const struct msg *second,
                        struct difference_sink *sink)
{
    const struct msg *const sides[2] = {first, second};
    struct span body[2];
    bool cut = false;
    for (size_t i = 0; i < 2; i++) {
        enum http_plain_result r = http_plain_body(&diff->plain[i], sides[i], &body[i]);
        cut |= (sides[i]->flags & MSG_CUT) != 0;
        if (r == HTTP_PLAIN_NOT && sides[i]->flags & MSG_CUT)
            return; /* nobody knows what it would have been */
        if (r == HTTP_PLAIN_NOT)
            body[i] = msg_body(sides[i]);
    }
    cut_to_same(&body[0], (first->flags & MSG_CUT) != 0, &body[1], (second->flags & MSG_CUT) != 0);
    if (span_eq(body[0], body[1]))
        return;
    json_t *json[2] = {NULL, NULL};
    if (!cut)
        json[0] = json_diff_parse(body[0]);
    if (json[0])
        json[1] = json_diff_parse(body[1]);
    if (json[1])
        json_diff(json[0], json[1], diff->ignore, sink);
    else
        tell_bytes(sink, body[0], body[1]);
    json_decref(json[0]);
    json_decref(json[1]);
}

void answer_diff(struct answer_diff *diff, const struct msg *first, const struct msg *second,
                 struct difference_sink *sink)
{
    diff_status(first, second, sink);
    diff_fields(diff->ignore, first, second, sink);
    diff_bodies(diff, first, second, sink);
    http_plain_trim(&diff->plain[0]);
    http_plain_trim(&diff->plain[1]);
}
