/* SPDX-License-Identifier: MIT */
#include "report/json_object.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "lib/mem.h"

struct object object_new(void)
{
    return (struct object){json_object()};
}

void put(struct object *o, const char *key, json_t *value)
{
    if (o->json && json_object_set_new(o->json, key, value) < 0) {
        json_decref(o->json);
        o->json = NULL;
    } else if (!o->json) {
        json_decref(value);
    }
}

void put_integer(struct object *o, const char *key, uint64_t n)
{
    put(o, key, json_integer((json_int_t)n));
}

void put_seconds(struct object *o, const char *key, int64_t ns)
{
    put(o, key, json_real((double)ns / (double)NS_PER_S));
}

const char *moment_text(char text[MOMENT_MAX], int64_t wall_ns)
{
    struct tm tm;
    char day[32];
    time_t s = (time_t)(wall_ns / NS_PER_S);
    if (!gmtime_r(&s, &tm) || strftime(day, sizeof(day), "%Y-%m-%dT%H:%M:%S", &tm) == 0)
        return "";
    snprintf(text, MOMENT_MAX, "%s.%03dZ", day, (int)(wall_ns / NS_PER_MS % 1000));
    return text;
}

json_t *json_moment(int64_t wall_ns)
{
    char text[MOMENT_MAX];
    return json_string(moment_text(text, wall_ns));
}

void put_text(struct object *o, const char *key, const char *text)
{
    put(o, key, text ? json_text(text) : json_null());
}

json_t *json_text(const char *text)
{
    static const char hex[] = "0123456789abcdef";
    json_t *value = json_string(text);
    if (value)
        return value;
    char *shown = mem_alloc(MEM_OTHER, strlen(text) * 4 + 1);
    size_t n = 0;
    for (const unsigned char *p = (const unsigned char *)text; shown && *p; p++) {
        if (*p < 0x80) {
            shown[n++] = (char)*p;
            continue;
        }
        shown[n++] = '\\';
        shown[n++] = 'x';
        shown[n++] = hex[*p >> 4];
        shown[n++] = hex[*p & 15];
    }
    if (shown)
        value = json_stringn(shown, n);
    mem_free(shown);
    return value;
}

void append(json_t **list, json_t *value)
{
    if (*list && json_array_append_new(*list, value) == 0)
        return;
    if (!*list)
        json_decref(value);
    json_decref(*list);
    *list = NULL;
}

void put_times(struct object *o, const char *name, const struct histogram *h)
{
    static const struct {
        const char *name;
        double share;
    } percentiles[] = {{"p50", 0.5},     {"p90", 0.9},       {"p95", 0.95}, {"p99", 0.99},
                       {"p99.9", 0.999}, {"p99.99", 0.9999}, {"max", 1}};
    char key[40];
    for (size_t i = 0; histogram_count(h) > 0 && i < ARRAY_LEN(percentiles); i++) {
        snprintf(key, sizeof(key), "%s_%s_s", name, percentiles[i].name);
        put_seconds(o, key, histogram_at_ns(h, percentiles[i].share));
    }
}
