/* SPDX-License-Identifier: MIT */
/* Moments as text: RFC 3339, which is what HAR and most readers of logs want. */
#pragma once

#include "lib/base.h"
#include "lib/span.h"

#define MOMENT_TEXT_MAX 40

/* "2026-11-21T08:30:00.000000001Z"; digits: of the fraction, 0 to 9. Returns the length. */
size_t moment_format(char out[MOMENT_TEXT_MAX], int64_t ns, int digits);
/* The reverse, with any fraction ("," too) and any offset from UTC ("+01:00"). False: it is none,
 * or beyond what an int64_t holds. */
bool moment_parse(struct span text, int64_t *ns);
