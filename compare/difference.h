/* SPDX-License-Identifier: MIT */
/* One difference between two answers: where, of which kind, and what stands there. */
#pragma once

#include <jansson.h>

#include "lib/span.h"

enum difference_kind {
    DIFFERENCE_CHANGED = 0,
    DIFFERENCE_TYPE = 1, /* of a JSON value: a number instead of a string */
    DIFFERENCE_MISSING = 2, /* the first answer has it, the second has not */
    DIFFERENCE_ADDED = 3,
    DIFFERENCE_KINDS
};
/* "changed", "type", "missing", "added". */
const char *difference_kind_name(enum difference_kind kind);

#define LOCATION_MAX 256 /* bytes of a location's name, with the NUL */
#define VALUE_MAX 121 /* of a value as it is shown, with the NUL */

struct difference {
    enum difference_kind kind;
    const char *location; /* "status", "header:server", "body", "body:$.items[*].price" */
    const json_t *json[2]; /* the values, or NULL: then they are texts */
    struct span text[2];
};

/* Who is told of differences. d is valid during the call. */
struct difference_sink {
    void (*found)(struct difference_sink *sink, const struct difference *d);
};

/* The value of one side (0, 1) for people: at most VALUE_MAX - 1 bytes, control bytes as \xNN, a
 * value of JSON as JSON. "" for what is not there. */
void difference_value(const struct difference *d, size_t side, char out[VALUE_MAX]);
/* Foreign bytes for people; out is always terminated. size > 0. */
void difference_escape(char *out, size_t size, struct span text);
