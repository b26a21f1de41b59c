/* SPDX-License-Identifier: MIT */
/* A JSON object under way; when memory is short, or a value is NULL, it is given up as a whole: so
 * only its end needs a look. Values are taken. */
#pragma once

#include <jansson.h>

#include "lib/base.h"
#include "lib/histogram.h"

struct object {
    json_t *json; /* NULL: given up */
};

struct object object_new(void);
void put(struct object *o, const char *key, json_t *value);
void put_integer(struct object *o, const char *key, uint64_t n);
/* Seconds, from nanoseconds. */
void put_seconds(struct object *o, const char *key, int64_t ns);
/* A string that may hold any bytes: what is not UTF-8 is shown as \xNN. NULL is null. */
void put_text(struct object *o, const char *key, const char *text);
/* Percentiles: "latency_p50_s" and so on; nothing when there are none. */
void put_times(struct object *o, const char *name, const struct histogram *h);

/* RFC 3339, in UTC, to the millisecond; of nanoseconds since 1970. */
#define MOMENT_MAX 64
const char *moment_text(char text[MOMENT_MAX], int64_t wall_ns);
json_t *json_moment(int64_t wall_ns);

/* As put_text() does it. NULL: no memory. */
json_t *json_text(const char *text);
/* Appends value to *list and takes it; *list becomes NULL when that fails, or value is NULL. */
void append(json_t **list, json_t *value);
