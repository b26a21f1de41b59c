/* SPDX-License-Identifier: MIT */
/* --stats, and --output-http-stats and its like for one kind of output: a line now and then for
 * each about how it goes and what it holds. Main thread. */
#pragma once

#include "lib/err.h"
#include "lib/ledger.h"
#include "lib/options.h"

#define STATS_OUTPUTS_MAX 64

/* What is told of one output. */
struct stats_line {
    const struct account *output;
    int64_t every_ns, due_ns, told_ns; /* CLOCK_MONOTONIC */
    uint64_t delivered, failed, dropped; /* when it was told */
};

struct stats {
    size_t n;
    struct stats_line lines[STATS_OUTPUTS_MAX];
};

/* Before the start: 0, or -EINVAL with err. */
MUST_CHECK int stats_check(const struct options *options, struct err *err);
/* All accounts have been made. */
void stats_begin(struct stats *stats, const struct ledger *ledger, const struct options *options);
/* Tells what there is to tell when it is time. Returns when it will be: CLOCK_MONOTONIC, INT64_MAX:
 * never. */
int64_t stats_tick(struct stats *stats, int64_t now_ns);
