/* SPDX-License-Identifier: MIT */
/* What the filters of this folder share: rules that are written as NAME:REGEXP, FROM:TO and so on.
 * Main thread, at the start. */
#pragma once

#include "lib/err.h"
#include "lib/options.h"
#include "lib/span.h"

/* How many values the option has. */
size_t rule_count(const struct options *options, const char *option);

/* Splits text at the first separator that no backslash stands before. False: there is none. */
bool rule_split(const char *text, char separator, struct span *left, const char **right);

/* The name of a header field before the first colon, trimmed, and what stands behind it, with white
 * space before it left out. Errors show where. */
MUST_CHECK int rule_field(const char *option, const char *text, struct span *name,
                          const char **rest, struct err *err);
