/* SPDX-License-Identifier: MIT */
#include "cmd/ramp.h"

#include <stdio.h>
#include <string.h>

void ramp_init(struct ramp *ramp, const struct limit *limit)
{
    *ramp = (struct ramp){.n = limit->n_steps, .every_ns = limit->every_ns};
    memcpy(ramp->steps, limit->steps, sizeof(ramp->steps));
}

void ramp_change(struct ramp *ramp, const struct limit *limit)
{
    struct ramp old = *ramp;
    ramp_init(ramp, limit);
    for (size_t i = 0; i < ramp->n && old.n > 0; i++)
        if (ramp->steps[i] == old.steps[old.step])
            ramp->step = i;
    ramp->held = ramp->n > 0 && old.held;
}

bool ramp_tick(struct ramp *ramp, bool running, int64_t now_ns)
{
    running = running && !ramp->held;
    if (running && ramp->seen_ns != 0)
        ramp->elapsed_ns += now_ns - ramp->seen_ns;
    ramp->seen_ns = running ? now_ns : 0;
    if (!running || ramp->step + 1 >= ramp->n || ramp->elapsed_ns < ramp->every_ns)
        return false;
    ramp->step++;
    ramp->elapsed_ns = 0;
    return true;
}

bool ramp_back(struct ramp *ramp)
{
    ramp->held = true;
    ramp->elapsed_ns = 0;
    ramp->seen_ns = 0;
    if (ramp->step == 0)
        return false;
    ramp->step--;
    return true;
}

void ramp_resume(struct ramp *ramp)
{
    ramp->held = false;
    ramp->elapsed_ns = 0;
    ramp->seen_ns = 0;
}

int64_t ramp_left_ns(const struct ramp *ramp)
{
    if (ramp->held || ramp->step + 1 >= ramp->n)
        return INT64_MAX;
    int64_t left_ns = ramp->every_ns - ramp->elapsed_ns;
    return left_ns > 0 ? left_ns : 0;
}

void ramp_text(const struct ramp *ramp, char *out, size_t size)
{
    size_t used = 0;
    out[0] = '\0';
    for (size_t i = 0; i < ramp->n && used < size; i++)
        used +=
            (size_t)snprintf(out + used, size - used, "%s%.10g%%", i ? "," : "", ramp->steps[i]);
}
