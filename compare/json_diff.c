/* SPDX-License-Identifier: MIT */
#include "compare/json_diff.h"

#include <string.h>

/* A value of two bytes of text takes jansson some hundred bytes: what a body may become is bounded
 * by what opens and parts its values, before it is parsed. */
#define TEXT_MAX (UINT64_C(8) * MIB)
#define OPENED_MAX 50000
#define PARTED_MAX 400000
#define FOUND_MAX 20000 /* of one pair: a stranger's answers keep nobody busy */

struct walk {
    const struct ignore *ignore;
    struct difference_sink *sink;
    size_t found, depth;
    struct json_step steps[JSON_DEPTH_MAX];
};

static void differ(struct walk *w, enum difference_kind kind, json_t *first, json_t *second)
{
    static const char prefix[] = "body:";
    char location[LOCATION_MAX];
    struct difference d = {.kind = kind, .location = location, .json = {first, second}};
    w->found++;
    if (ignore_json(w->ignore, w->steps, w->depth))
        return;
    memcpy(location, prefix, sizeof(prefix));
    json_path_render(location + sizeof(prefix) - 1, sizeof(location) - sizeof(prefix) + 1, w->steps,
                     w->depth);
    w->sink->found(w->sink, &d);
}

static void walk_values(struct walk *w, json_t *first, json_t *second);

/* One of them may be NULL. */
static void walk_step(struct walk *w, const char *key, json_t *first, json_t *second)
{
    w->steps[w->depth++] = (struct json_step){key};
    if (first && second)
        walk_values(w, first, second);
    else
        differ(w, first ? DIFFERENCE_MISSING : DIFFERENCE_ADDED, first, second);
    w->depth--;
}

static void walk_objects(struct walk *w, json_t *first, json_t *second)
{
    const char *key;
    json_t *value;
    json_object_foreach(first, key, value)
    {
        if (w->found >= FOUND_MAX)
            return;
        walk_step(w, key, value, json_object_get(second, key));
    }
    json_object_foreach(second, key, value)
    {
        if (w->found >= FOUND_MAX)
            return;
        if (!json_object_get(first, key))
            walk_step(w, key, NULL, value);
    }
}

static void walk_arrays(struct walk *w, json_t *first, json_t *second)
{
    size_t n = json_array_size(first), m = json_array_size(second);
    for (size_t i = 0; (i < n || i < m) && w->found < FOUND_MAX; i++) {
        if (i >= n || i >= m) { /* all that are left are one location */
            walk_step(w, NULL, json_array_get(first, i), json_array_get(second, i));
            return;
        }
        walk_step(w, NULL, json_array_get(first, i), json_array_get(second, i));
    }
}

/* Numbers are one type, and so are true and false (RFC 8259, 3). */
static json_type type_of(json_t *value)
{
    return json_is_number(value)    ? JSON_REAL
           : json_is_boolean(value) ? JSON_TRUE
                                    : json_typeof(value);
}

static bool same_scalar(json_t *first, json_t *second)
{
    if (json_is_integer(first) && json_is_integer(second))
        return json_integer_value(first) == json_integer_value(second);
    if (json_is_number(first))
        return !(json_number_value(first) < json_number_value(second)) &&
               !(json_number_value(first) > json_number_value(second));
    return json_equal(first, second);
}

static void walk_values(struct walk *w, json_t *first, json_t *second)
{
    bool holds = json_is_object(first) || json_is_array(first);
    if (type_of(first) != type_of(second))
        differ(w, DIFFERENCE_TYPE, first, second);
    else if (!holds && !same_scalar(first, second))
        differ(w, DIFFERENCE_CHANGED, first, second);
    else if (holds && w->depth == JSON_DEPTH_MAX && !json_equal(first, second))
        differ(w, DIFFERENCE_CHANGED, first, second);
    else if (holds && w->depth < JSON_DEPTH_MAX && json_is_object(first))
        walk_objects(w, first, second);
    else if (holds && w->depth < JSON_DEPTH_MAX)
        walk_arrays(w, first, second);
}

void json_diff(json_t *first, json_t *second, const struct ignore *ignore,
               struct difference_sink *sink)
{
    static const char many[] = "more differences than are told";
    struct walk w = {.ignore = ignore, .sink = sink};
    walk_values(&w, first, second);
    if (w.found < FOUND_MAX)
        return;
    struct difference d = {
        .kind = DIFFERENCE_CHANGED, .location = "body", .text = {span_str(many), span_str(many)}};
    sink->found(sink, &d);
}

static bool may_be_parsed(struct span text)
{
    size_t opened = 0, parted = 0;
    struct span trimmed = span_trim(text);
    if (trimmed.len == 0 || trimmed.len > TEXT_MAX ||
        (trimmed.ptr[0] != '{' && trimmed.ptr[0] != '['))
        return false;
    for (size_t i = 0; i < trimmed.len; i++) {
        uint8_t c = trimmed.ptr[i];
        opened += c == '{' || c == '[';
        parted += c == ',';
    }
    return opened <= OPENED_MAX && parted <= PARTED_MAX;
}

json_t *json_diff_parse(struct span text)
{
    json_error_t error;
    if (!may_be_parsed(text))
        return NULL;
    return json_loadb((const char *)text.ptr, text.len, JSON_ALLOW_NUL, &error);
}
