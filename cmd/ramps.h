/* SPDX-License-Identifier: MIT */
/* The ramps of all outputs, the guard over their targets, and --state, which remembers both over a
 * restart. Main thread. */
#pragma once

#include "cmd/guard.h"
#include "cmd/steer.h"

struct ramps;

/* Reads the state, and turns the dials by it; *rampsp is NULL when there is nothing to do. All is
 * borrowed. */
MUST_CHECK int ramps_open(struct ramps **rampsp, struct steer *steer, const struct options *options,
                          struct err *err);
/* Writes the state. NULL is fine. */
void ramps_close(struct ramps *ramps);

/* Goes on where it is time, steps back or pauses where the guard is broken. Returns when it wants
 * to be called again. NULL is fine. */
int64_t ramps_tick(struct ramps *ramps, int64_t now_ns);
