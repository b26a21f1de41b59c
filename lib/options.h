/* SPDX-License-Identifier: MIT */
/* The options as given, looked up by name. The table itself stands in cmd/options.def; inputs,
 * filters and outputs see only this. A name that is not in the table, or is asked for as another
 * type than the table gives, is our mistake and asserts. Read-only after the start; any thread. */
#pragma once

#include "lib/base.h"

struct options;

/* The value given, or the table's default. */
bool options_bool(const struct options *options, const char *name);
int64_t options_int(const struct options *options, const char *name);
uint64_t options_size(const struct options *options, const char *name); /* bytes */
int64_t options_duration_ns(const struct options *options, const char *name); /* ns */
double options_share(const struct options *options, const char *name); /* 0..1; < 0: not given */
/* "" when not given. Also of a boolean: as it was written. */
const char *options_string(const struct options *options, const char *name);
/* The nth (0, 1, …) value of an option that may be repeated; NULL after the last. */
const char *options_nth(const struct options *options, const char *name, size_t n);
/* The same for a list of integers: false after the last. */
bool options_nth_int(const struct options *options, const char *name, size_t n, int64_t *value);
/* Was it given at all (command line or environment)? */
bool options_given(const struct options *options, const char *name);
