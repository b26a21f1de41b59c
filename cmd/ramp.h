/* SPDX-License-Identifier: MIT */
/* The ramp of an output's share, "|ramp=1%,5%,10%,20%;every=24h": where it is, and when it goes on.
 * It knows nothing of outputs; cmd/ramps.h turns their dials by it. */
#pragma once

#include "lib/limit.h"

struct ramp {
    double steps[LIMIT_STEPS_MAX]; /* percent, growing */
    size_t n; /* 0: there is no ramp */
    int64_t every_ns;
    size_t step; /* < n */
    int64_t elapsed_ns; /* at this step, while it ran */
    int64_t seen_ns; /* when that was counted last; 0: it did not run then */
    bool held; /* it does not go on by itself */
};

void ramp_init(struct ramp *ramp, const struct limit *limit);
/* Other steps, or none: it goes on at the same share if there is one, else from its beginning, held
 * or not as it was. */
void ramp_change(struct ramp *ramp, const struct limit *limit);

static inline double ramp_percent(const struct ramp *ramp)
{
    return ramp->steps[ramp->step];
}

/* Time passes; running: it counts. True: it is at the next step now. */
bool ramp_tick(struct ramp *ramp, bool running, int64_t now_ns);
/* To the step before, where it is held. False: there is none, and it is held where it is. */
bool ramp_back(struct ramp *ramp);
/* It goes on from the step where it is, whose time begins anew. */
void ramp_resume(struct ramp *ramp);
/* Until the next step; INT64_MAX: there is none, or it is held. */
int64_t ramp_left_ns(const struct ramp *ramp);

/* "1%,5%,10%" */
void ramp_text(const struct ramp *ramp, char *out, size_t size);
