/* SPDX-License-Identifier: MIT */
/* Absolute deadlines of a replay. Every deadline is one anchor (the moment of the first record)
 * plus the record's offset in the recording, so an error in one wait never adds to the next; a
 * record that is late is due at once, and those after it keep their own times. Owned by one thread.
 */
#pragma once

#include "lib/base.h"

/* Where time comes from; tests bring their own. */
struct pacer_clock {
    int64_t (*now_ns)(void *arg); /* never goes back */
    /* Waits until wait_ns have passed or wake_fd is readable. */
    void (*sleep)(void *arg, int64_t wait_ns, int wake_fd);
    void *arg;
};
extern const struct pacer_clock pacer_real_clock; /* CLOCK_MONOTONIC and ppoll(2) */

struct pacer {
    struct pacer_clock clock;
    int64_t max_gap_ns; /* longest time between two deadlines; 0: any */
    /* --- inside --- */
    bool started, anchored;
    /* deadline = anchor + (offset - from) / speed */
    int64_t anchor_ns, from_ns;
    double speed;
    int64_t last_ns; /* the latest deadline so far */
    int64_t now_ns; /* the clock, when it was last read */
};

void pacer_init(struct pacer *p, const struct pacer_clock *clock, int64_t max_gap_ns);

/* The deadline of the next record, offset_ns into the recording. The first one is due now, and
 * one with a smaller offset than those before is late. A gap beyond max_gap_ns is shortened, and
 * all that follows comes earlier by as much.
 */
int64_t pacer_deadline(struct pacer *p, int64_t offset_ns);

/* The recording begins again: its first record is due with the last one before. */
void pacer_restart(struct pacer *p);

/* Time stood still for so long: all deadlines are later by as much. */
void pacer_hold(struct pacer *p, int64_t held_ns);

/* From now on time runs so many times as fast as the offsets say. Returns where a deadline has gone
 * that pacer_deadline() has told before. */
int64_t pacer_set_speed(struct pacer *p, double speed, int64_t deadline_ns);

/* Is it time? True from PACER_EARLY_NS before the deadline on, which is what waking up and handing
 * over take. Reads the clock only when it has to. */
#define PACER_EARLY_NS (50 * NS_PER_US)
bool pacer_is_due(struct pacer *p, int64_t deadline_ns);

/* Sleeps until the deadline is due, wake_fd is readable or max_wait_ns have passed. */
void pacer_wait(struct pacer *p, int64_t deadline_ns, int64_t max_wait_ns, int wake_fd);

/* Offset of a record whose timestamp is ts_ns, when the first one's is first_ns and it is played at
 * percent of the speed of the recording. Exact at 100. */
int64_t pacer_offset(int64_t ts_ns, int64_t first_ns, double percent);
