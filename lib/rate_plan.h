/* SPDX-License-Identifier: MIT */
/* When the nth request is due at a fixed rate, or at one that grows evenly and then stays:
 * "|500rps", "|500rps..2000rps/60s". Absolute: an error in one wait never adds to the next. */
#pragma once

#include "lib/base.h"
#include "lib/limit.h"

struct rate_plan {
    double from, to; /* requests per second, > 0 */
    double ramp_s; /* seconds from the one to the other; 0: at once */
};

/* limit->rps is set. */
void rate_plan_init(struct rate_plan *plan, const struct limit *limit);

/* ns after the first request (n = 0) at which request n is due. */
int64_t rate_plan_due_ns(const struct rate_plan *plan, uint64_t n);
