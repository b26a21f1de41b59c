/* SPDX-License-Identifier: MIT */
/* Where a value stands in JSON: the names that lead to it; elements of arrays are all alike, so
 * that a difference in each of a thousand is one location: $.items[*].price */
#pragma once

#include "lib/base.h"

#define JSON_DEPTH_MAX 64 /* steps that are told apart */

struct json_step {
    const char *key; /* borrowed; NULL: an element of an array */
};

/* "$.items[*].price", with ["…"] around names that hold other bytes than letters, digits, _ and -.
 * Cut with "..." where out ends; size > 8. Returns the length. */
size_t json_path_render(char *out, size_t size, const struct json_step *steps, size_t n);

/* What is to be ignored: a path as above, in which "*" stands for any one step and "**" for any
 * number of them. */
struct json_pattern;

/* *patternp is set on success. -ENOMEM; -EINVAL with *at, the offset of the first byte that does
 * not fit, and *expected. */
MUST_CHECK int json_pattern_parse(struct json_pattern **patternp, const char *text, size_t *at,
                                  const char **expected);
void json_pattern_free(struct json_pattern *pattern);
/* Does it mean the value there, or one that holds it? */
bool json_pattern_covers(const struct json_pattern *pattern, const struct json_step *steps,
                         size_t n);
