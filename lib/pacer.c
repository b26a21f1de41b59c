/* SPDX-License-Identifier: MIT */
#include "lib/pacer.h"

#include <poll.h>

#include "lib/clock.h"

/* 146 years: sums of two such still fit */
#define MAX_OFFSET_NS (INT64_MAX / 2)

static int64_t real_now(void *arg)
{
    (void)arg;
    return clock_mono_ns();
}

static void real_sleep(void *arg, int64_t wait_ns, int wake_fd)
{
    (void)arg;
    struct pollfd fd = {.fd = wake_fd, .events = POLLIN};
    struct timespec wait = {.tv_sec = wait_ns / NS_PER_S, .tv_nsec = wait_ns % NS_PER_S};
    ppoll(&fd, 1, &wait, NULL);
}

const struct pacer_clock pacer_real_clock = {.now_ns = real_now, .sleep = real_sleep};

void pacer_init(struct pacer *p, const struct pacer_clock *clock, int64_t max_gap_ns)
{
    assert(max_gap_ns >= 0);
    *p = (struct pacer){.clock = *clock, .max_gap_ns = max_gap_ns, .speed = 1};
}

/* At that speed; exact at 1. */
static int64_t scaled(int64_t ns, double speed)
{
    return speed == 1 ? ns : (int64_t)((long double)ns / speed);
}

int64_t pacer_deadline(struct pacer *p, int64_t offset_ns)
{
    if (!p->anchored) {
        if (!p->started)
            p->last_ns = p->now_ns = p->clock.now_ns(p->clock.arg);
        p->started = true;
        p->anchor_ns = p->last_ns;
        p->from_ns = offset_ns;
        p->anchored = true;
    }
    int64_t deadline_ns = p->anchor_ns + scaled(offset_ns - p->from_ns, p->speed);
    if (p->max_gap_ns > 0 && deadline_ns - p->last_ns > p->max_gap_ns) {
        p->anchor_ns -= deadline_ns - p->last_ns - p->max_gap_ns;
        deadline_ns = p->last_ns + p->max_gap_ns;
    }
    if (deadline_ns > p->last_ns)
        p->last_ns = deadline_ns;
    return deadline_ns;
}

void pacer_restart(struct pacer *p)
{
    p->anchored = false;
}

void pacer_hold(struct pacer *p, int64_t held_ns)
{
    p->anchor_ns += held_ns;
    p->last_ns += held_ns;
}

/* What lies in the past stays there. */
static int64_t moved(int64_t deadline_ns, int64_t now_ns, double times)
{
    return deadline_ns <= now_ns ? deadline_ns : now_ns + scaled(deadline_ns - now_ns, times);
}

int64_t pacer_set_speed(struct pacer *p, double speed, int64_t deadline_ns)
{
    assert(speed > 0);
    int64_t now_ns = p->clock.now_ns(p->clock.arg);
    double times = speed / p->speed;
    if (p->anchored) {
        p->from_ns += (int64_t)((long double)(now_ns - p->anchor_ns) * p->speed);
        p->anchor_ns = now_ns;
        p->last_ns = moved(p->last_ns, now_ns, times);
    }
    p->speed = speed;
    return moved(deadline_ns, now_ns, times);
}

bool pacer_is_due(struct pacer *p, int64_t deadline_ns)
{
    if (p->now_ns >= deadline_ns - PACER_EARLY_NS)
        return true;
    p->now_ns = p->clock.now_ns(p->clock.arg);
    return p->now_ns >= deadline_ns - PACER_EARLY_NS;
}

void pacer_wait(struct pacer *p, int64_t deadline_ns, int64_t max_wait_ns, int wake_fd)
{
    int64_t wait_ns = deadline_ns - PACER_EARLY_NS - p->clock.now_ns(p->clock.arg);
    if (wait_ns > max_wait_ns)
        wait_ns = max_wait_ns;
    if (wait_ns > 0)
        p->clock.sleep(p->clock.arg, wait_ns, wake_fd);
}

int64_t pacer_offset(int64_t ts_ns, int64_t first_ns, double percent)
{
    int64_t passed_ns;
    assert(percent > 0);
    if (__builtin_sub_overflow(ts_ns, first_ns, &passed_ns))
        passed_ns = ts_ns > first_ns ? INT64_MAX : INT64_MIN;
    /* 64 bits of mantissa: nanoseconds of years, where a double would round them */
    long double offset = percent == 100 ? passed_ns : passed_ns * 100.0L / percent;
    if (offset > MAX_OFFSET_NS)
        return MAX_OFFSET_NS;
    if (offset < -MAX_OFFSET_NS)
        return -MAX_OFFSET_NS;
    return (int64_t)offset;
}
