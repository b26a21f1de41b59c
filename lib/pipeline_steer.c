/* SPDX-License-Identifier: MIT */
/* What is turned while it runs: the main thread writes dials and works out what a pause means for
 * whom; each thread takes over what concerns it before its next message. */
#include <errno.h>

#include "lib/clock.h"
#include "lib/mem.h"
#include "lib/pipeline_internal.h"

/* --- the main thread --- */

static bool is_paused(const struct dials *dials)
{
    return atomic_load_explicit(&dials->paused, memory_order_relaxed);
}

/* Whoever compares answers has nothing to do when there are none. */
static bool is_exit_paused(const struct exit_lane *exit, bool all_paused)
{
    return exit->ops->compares ? all_paused : is_paused(exit->dials);
}

static bool all_outputs_paused(const struct pipeline *pipe)
{
    for (size_t i = 0; i < pipe->n_exits; i++)
        if (pipe->exits[i]->leg == LEG_LAST && !is_exit_paused(pipe->exits[i], true))
            return false;
    return true;
}

static uint32_t paused_exits(const struct lane *lane, bool all_paused)
{
    uint32_t bits = 0;
    for (size_t i = 0; i < lane->n_exits; i++)
        if (is_exit_paused(lane->exits[i], all_paused))
            bits |= UINT32_C(1) << i;
    return bits;
}

/* An input that can wait does, so that nothing of a replay is left out; what others bring is. True:
 * it holds. */
static bool turn_lane(struct lane *lane, bool all_paused)
{
    bool own = is_paused(lane->dials);
    bool holds = lane->waits && (own || all_paused);
    uint32_t left_out = own ? UINT32_MAX : paused_exits(lane, all_paused);
    atomic_store(&lane->stands, holds && (own || lane->in->ops->held));
    atomic_store(&lane->left_out, holds ? 0 : left_out);
    return holds;
}

static void turn_exit(struct exit_lane *lane, bool all_paused, bool all_hold)
{
    enum output_pause how = OUTPUT_GO;
    if (is_exit_paused(lane, all_paused))
        how = all_hold ? OUTPUT_HOLD : OUTPUT_LEAVE_OUT;
    atomic_store(&lane->pause, how);
    sampler_set_percent(&lane->sampler, atomic_load(&lane->dials->percent));
}

void pipeline_turn(struct pipeline *pipe)
{
    bool all_paused = all_outputs_paused(pipe), hold[LEGS];
    assert(pipe->config.steerable);
    for (size_t leg = 0; leg < LEGS; leg++)
        hold[leg] = true;
    for (size_t i = 0; i < pipe->n_lanes; i++)
        hold[pipe->lanes[i]->leg] &= turn_lane(pipe->lanes[i], all_paused);
    for (size_t i = 0; i < pipe->n_exits; i++)
        turn_exit(pipe->exits[i], all_paused, hold[pipe->exits[i]->leg]);
    atomic_fetch_add(&pipe->turned, 1);
    for (size_t i = 0; i < pipe->n_exits; i++)
        queue_wake(pipe->exits[i]->queue);
}

void lane_filters_free(struct lane_filters *filters)
{
    if (filters)
        filter_chain_free(filters->chain);
    mem_free(filters);
}

/* Filters for each lane, none of them in use yet. */
static int make_filters(const struct pipeline *pipe, const struct filter_maker *maker,
                        struct lane_filters *made[MAX_INPUTS], struct err *err)
{
    for (size_t i = 0; i < pipe->n_lanes; i++) {
        made[i] = mem_zalloc(MEM_OTHER, sizeof(*made[i]));
        if (!made[i])
            return err_sys(err, ENOMEM, "filters");
        int r = maker->make(maker->arg, pipe->lanes[i]->leg, &made[i]->chain, err);
        if (r < 0)
            return r;
        filter_chain_count(made[i]->chain, pipe->lanes[i]->books);
    }
    return 0;
}

int pipeline_change_filters(struct pipeline *pipe, const struct filter_maker *maker,
                            struct err *err)
{
    struct lane_filters *made[MAX_INPUTS] = {NULL};
    assert(pipe->config.steerable);
    int r = make_filters(pipe, maker, made, err);
    for (size_t i = 0; i < pipe->n_lanes; i++) /* what its thread has not taken yet comes back */
        lane_filters_free(r < 0 ? made[i] : atomic_exchange(&pipe->lanes[i]->next, made[i]));
    if (r == 0)
        pipeline_turn(pipe);
    return r;
}

/* --- an input's thread --- */

static void take_filters(struct lane *lane)
{
    struct lane_filters *next = atomic_exchange(&lane->next, NULL);
    if (!next)
        return;
    filter_chain_free(lane->chain);
    lane->chain = next->chain;
    mem_free(next);
}

void lane_turn(struct lane *lane)
{
    struct pipeline *pipe = lane->pipe;
    lane->turned = atomic_load(&pipe->turned); /* first: what changes from now on is seen next */
    take_filters(lane);
    sampler_set_percent(&lane->sampler, atomic_load(&lane->dials->percent));
    limiter_set_rate(&lane->limiter, &lane->limit, atomic_load(&lane->dials->rate),
                     pipe->config.seed, clock_mono_ns());
    for (size_t i = 0; i < lane->n_exits; i++)
        route_set_weight(lane->route, i, atomic_load(&lane->exits[i]->dials->weight));
}

void lane_turn_speed(struct lane *lane)
{
    double speed = atomic_load_explicit(&lane->dials->speed, memory_order_relaxed);
    if (speed == lane->speed)
        return;
    lane->speed = speed;
    if (lane->in->ops->set_speed)
        lane->in->ops->set_speed(lane->in, speed);
}

/* --- an output's thread --- */

void exit_lane_turn(struct exit_lane *lane)
{
    struct pipeline *pipe = lane->pipe;
    lane->turned = atomic_load(&pipe->turned);
    limiter_set_rate(&lane->limiter, &lane->limit, atomic_load(&lane->dials->rate),
                     pipe->config.seed, clock_mono_ns());
}

void exit_lane_leave_out(struct exit_lane *lane, const struct msg *msg)
{
    bool request = msg->type == MSG_REQUEST;
    book_one(lane->books, BOOK_PAUSED);
    if (request && !lane->left_out && !lane->ops->requests_only &&
        fates_new(&lane->left_out, FATES_REMEMBERED) < 0)
        lane->left_out = NULL; /* without memory its response may come alone */
    if (request && lane->left_out)
        fates_put(lane->left_out, msg_id(msg), ROUTE_PAUSED);
    msg_unref(msg);
}

bool exit_lane_leaves_out(const struct exit_lane *lane, const struct msg *msg)
{
    if (likely(lane->paused == OUTPUT_GO && !lane->left_out))
        return false;
    return lane->paused != OUTPUT_GO ||
           (msg->type != MSG_REQUEST && fates_get(lane->left_out, msg_id(msg)) == ROUTE_PAUSED);
}

void exit_lane_look_at_pause(struct exit_lane *lane)
{
    enum output_pause how = (enum output_pause)atomic_load(&lane->pause);
    /* there is no later any more */
    if (how == OUTPUT_HOLD && atomic_load(&lane->pipe->stop))
        how = OUTPUT_LEAVE_OUT;
    if (how == lane->paused)
        return;
    lane->paused = how;
    if (lane->ops->pause)
        lane->ops->pause(lane->out, how);
}
