/* SPDX-License-Identifier: MIT */
/* What lib/exchange_stats.h has counted, as JSON; refrain(1), THE REPORT, lists the names. */
#pragma once

#include "lib/exchange_stats.h"
#include "lib/ledger.h"
#include "report/json_object.h"

/* Adds "series", "statuses", "errors" and "routes" of an output that was tracked. run_start_ns:
 * CLOCK_MONOTONIC. */
void put_exchanges(struct object *o, const struct account *output, int64_t run_start_ns);

/* Adds the curve of a histogram under name: [share, seconds] pairs, as far as there are enough
 * values for the share to mean something. Nothing when it is empty. */
void put_curve(struct object *o, const char *name, const struct histogram *h);
