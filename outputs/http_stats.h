/* SPDX-License-Identifier: MIT */
/* --output-http-stats: a line now and then about how the replay goes. Owned by the output's thread.
 */
#pragma once

#include "lib/err.h"
#include "lib/histogram.h"
#include "lib/ledger.h"
#include "lib/options.h"

struct http_stats {
    int64_t every_ns; /* 0: never */
    int64_t due_ns, told_ns; /* CLOCK_MONOTONIC */
    uint64_t answers, failed; /* when it was told */
};

MUST_CHECK int http_stats_init(struct http_stats *s, const struct options *options,
                               struct err *err);
/* Tells what there is to tell when it is time. latency: of all answers so far. */
void http_stats_tick(struct http_stats *s, const char *tag, const struct books *books,
                     const struct histogram *latency, size_t held, int64_t now_ns);
