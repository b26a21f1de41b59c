/* SPDX-License-Identifier: MIT */
/* What can be turned at one input or output while it runs. Written by the main thread, which then
 * calls pipeline_turn(); the threads that decide by it read it before their next message. */
#pragma once

#include <stdatomic.h>

#include "lib/limit.h"

struct dials {
    _Atomic double percent; /* of the requests; 100: all, 0: none */
    _Atomic double rate; /* requests a second; 0: any */
    _Atomic double weight; /* in the split; 0: nothing */
    _Atomic double speed; /* of a replay; 1: as it was begun */
    atomic_bool paused;
};

/* As the limit on the command line says. */
static inline void dials_init(struct dials *dials, const struct limit *limit)
{
    atomic_init(&dials->percent, limit->percent > 0 ? limit->percent : 100);
    atomic_init(&dials->rate, limit->rate);
    atomic_init(&dials->weight, limit->weight > 0 ? limit->weight : 1);
    atomic_init(&dials->speed, 1);
    atomic_init(&dials->paused, false);
}
