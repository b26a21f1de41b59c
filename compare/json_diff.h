/* SPDX-License-Identifier: MIT */
/* The differences between two JSON values: order and spelling do not count, elements of arrays are
 * compared by their place. Deeper than JSON_DEPTH_MAX they are told as one. */
#pragma once

#include "compare/difference.h"
#include "compare/ignore.h"

/* Tells sink of each, but for what ignore covers. Locations begin with "body:"; a pair that differs
 * in too much to be told has one of them in "body" itself. Both values are borrowed. */
void json_diff(json_t *first, json_t *second, const struct ignore *ignore,
               struct difference_sink *sink);

/* The value that text stands for; NULL: none, or larger than one that is taken apart, by length or
 * by the memory that its values need. The caller's reference. */
json_t *json_diff_parse(struct span text);
