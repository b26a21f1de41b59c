/* SPDX-License-Identifier: MIT */
/* The two clocks, in nanoseconds. Read once per batch, not per packet. reassembly/ never reads
 * them: it lives in the time of the packets, so that a capture file gives the same output always.
 */
#pragma once

#include <time.h>

#include "lib/base.h"

static inline int64_t clock_read_ns(clockid_t id)
{
    struct timespec ts;
    clock_gettime(id, &ts);
    return (int64_t)ts.tv_sec * NS_PER_S + ts.tv_nsec;
}

/* Since the epoch; may jump. For timestamps of records and file names. */
static inline int64_t clock_wall_ns(void)
{
    return clock_read_ns(CLOCK_REALTIME);
}

/* Never jumps. For deadlines and durations. */
static inline int64_t clock_mono_ns(void)
{
    return clock_read_ns(CLOCK_MONOTONIC);
}
