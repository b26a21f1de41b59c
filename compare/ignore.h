/* SPDX-License-Identifier: MIT */
/* What does not count as a difference: fields that change from answer to answer by their nature,
 * and what --compare-ignore names. Read-only once open; any thread. */
#pragma once

#include "compare/json_path.h"
#include "lib/err.h"
#include "lib/options.h"
#include "lib/span.h"

struct ignore;

/* Reads --compare-ignore; a rule that cannot be read is an error with the place of it. */
MUST_CHECK int ignore_open(struct ignore **ignorep, const struct options *options, struct err *err);
void ignore_free(struct ignore *ignore);

bool ignore_header(const struct ignore *ignore, struct span name);
bool ignore_json(const struct ignore *ignore, const struct json_step *steps, size_t n);
