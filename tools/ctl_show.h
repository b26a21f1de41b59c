/* SPDX-License-Identifier: MIT */
/* The answer to status, as text. */
#pragma once

#include <jansson.h>
#include <stdio.h>

/* before: an earlier answer of the same refrain, or NULL. With it, counters are shown as rates
 * between the two. At most rows lines (0: all). */
void ctl_show(FILE *out, const json_t *now, const json_t *before, size_t rows);
