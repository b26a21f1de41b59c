/* SPDX-License-Identifier: MIT */
#include "lib/rate_plan.h"

#include <math.h>

void rate_plan_init(struct rate_plan *plan, const struct limit *limit)
{
    plan->from = limit->rate;
    plan->to = limit->rate_to > 0 ? limit->rate_to : limit->rate;
    plan->ramp_s = limit->rate_to > 0 ? (double)limit->ramp_ns / (double)NS_PER_S : 0;
}

/* Until the ramp ends, n(t) = from * t + (to - from) * t² / (2 * ramp), solved for t. */
int64_t rate_plan_due_ns(const struct rate_plan *plan, uint64_t n)
{
    double during_ramp = plan->ramp_s * (plan->from + plan->to) / 2;
    double count = (double)n, seconds;
    if (count >= during_ramp) {
        seconds = plan->ramp_s + (count - during_ramp) / plan->to;
    } else {
        double slope = (plan->to - plan->from) / plan->ramp_s;
        /* this form is exact for a slope of 0, too */
        seconds = 2 * count / (plan->from + sqrt(plan->from * plan->from + 2 * slope * count));
    }
    return (int64_t)(seconds * (double)NS_PER_S);
}
