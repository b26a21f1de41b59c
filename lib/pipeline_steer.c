/* SPDX-License-Identifier: MIT */
/* What is turned while it runs: the main thread writes dials and works out what a pause means for
 * whom; each thread takes over what concerns it before its next message. */
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

/* Those that stay. */
static bool all_outputs_paused(const struct layout *outputs)
{
    for (size_t i = 0; i < MAX_OUTPUTS; i++) {
        const struct exit_lane *exit = outputs->exits[i];
        if (exit && exit->leg == LEG_LAST && !is_exit_paused(exit, true))
            return false;
    }
    return true;
}

static uint32_t paused_exits(const struct layout *outputs, enum pipeline_leg leg, bool all_paused)
{
    uint32_t bits = 0;
    for (size_t i = 0; i < MAX_OUTPUTS; i++) {
        const struct exit_lane *exit = outputs->exits[i];
        if (exit && exit->leg == leg && is_exit_paused(exit, all_paused))
            bits |= UINT32_C(1) << i;
    }
    return bits;
}

/* An input that can wait does, so that nothing of a replay is left out; what others bring is. True:
 * it holds. */
static bool turn_lane(struct lane *lane, const struct layout *outputs, bool all_paused)
{
    bool own = is_paused(lane->dials);
    bool holds = lane->waits && (own || all_paused);
    uint32_t left_out = own ? ALL_OUTPUTS : paused_exits(outputs, lane->leg, all_paused);
    atomic_store(&lane->stands, holds && (own || lane->in->ops->held));
    atomic_store(&lane->left_out, holds ? 0 : left_out);
    return holds;
}

static void turn_exit(struct exit_lane *lane, bool all_paused, bool all_hold)
{
    enum output_pause how = OUTPUT_GO;
    if (is_exit_paused(lane, all_paused))
        how = all_hold && atomic_load(&lane->leaves_ns) == 0 ? OUTPUT_HOLD : OUTPUT_LEAVE_OUT;
    atomic_store(&lane->pause, how);
    sampler_set_percent(&atomic_load(&lane->newest)->sampler, atomic_load(&lane->dials->percent));
}

void pipeline_turn(struct pipeline *pipe)
{
    struct layout outputs;
    bool hold[LEGS];
    assert(pipe->config.steerable);
    layout_read(&outputs, pipe);
    bool all_paused = all_outputs_paused(&outputs);
    for (size_t leg = 0; leg < LEGS; leg++)
        hold[leg] = true;
    for (size_t i = 0; i < pipe->n_lanes; i++)
        hold[pipe->lanes[i]->leg] &= turn_lane(pipe->lanes[i], &outputs, all_paused);
    for (size_t i = 0; i < MAX_OUTPUTS; i++)
        if (pipe->exits[i])
            turn_exit(pipe->exits[i], all_paused, hold[pipe->exits[i]->leg]);
    atomic_fetch_add(&pipe->turned, 1);
    for (size_t i = 0; i < MAX_OUTPUTS; i++)
        if (pipe->exits[i])
            queue_wake(pipe->exits[i]->queue);
}

/* --- an input's thread --- */

static void take_filters(struct lane *lane)
{
    struct lane_filters *next = atomic_exchange(&lane->next_filters, NULL);
    if (!next)
        return;
    filter_chain_free(lane->chain);
    lane->chain = next->chain;
    mem_free(next);
}

/* What was on its way to outputs that are removed goes to them, and nothing afterwards: not what
 * waits to be decided, and not the responses to what they had. */
static void part(struct lane *lane, uint32_t gone)
{
    uint64_t all = 0, filtered = 0;
    for (uint32_t left = gone; left != 0; left &= left - 1) {
        size_t i = (size_t)__builtin_ctz(left);
        if (lane->fed >> i & 1) {
            lane_empty_feed(lane, i);
            queue_kick(lane->exits[i]->queue);
        }
        all |= route_bits(i);
        filtered = route_with_fate(filtered, i, ROUTE_FILTERED);
    }
    lane->fed &= ~gone;
    if (lane->fates)
        fates_replace(lane->fates, all, filtered);
    if (lane->waiting)
        waiting_mask(lane->waiting, ~(uint64_t)gone);
}

static void take_way(struct lane *lane)
{
    struct way *next = atomic_exchange(&lane->next_way, NULL);
    if (!next)
        return;
    uint32_t gone = next->deaf & ~lane->way->deaf;
    if (gone)
        part(lane, gone);
    way_free(lane->way);
    lane->way = next;
}

void lane_turn(struct lane *lane)
{
    struct pipeline *pipe = lane->pipe;
    unsigned turned = atomic_load(&pipe->turned); /* first: what changes from now on is seen next */
    take_filters(lane);
    take_way(lane);
    if (lane->in) {
        sampler_set_percent(&lane->sampler, atomic_load(&lane->dials->percent));
        limiter_set_rate(&lane->limiter, &lane->limit, atomic_load(&lane->dials->rate),
                         pipe->config.seed, clock_mono_ns());
    }
    for (uint32_t left = ALL_OUTPUTS & ~lane->way->deaf; lane->in && left != 0; left &= left - 1) {
        size_t i = (size_t)__builtin_ctz(left);
        route_set_weight(lane->way->route, i, atomic_load(&lane->exits[i]->dials->weight));
    }
    atomic_store(&lane->turned, turned); /* last: it tells that the lane knows */
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
    unsigned turned = atomic_load(&pipe->turned);
    struct exit_rules *rules = lane->rules = atomic_load(&lane->newest);
    limiter_set_rate(&rules->limiter, &rules->limit, atomic_load(&lane->dials->rate),
                     pipe->config.seed, clock_mono_ns());
    atomic_store(&lane->turned, turned);
}

bool exit_lane_is_overdue(const struct exit_lane *lane)
{
    int64_t since = atomic_load_explicit(&lane->leaves_ns, memory_order_relaxed);
    return unlikely(since != 0) && clock_mono_ns() - since > lane->pipe->config.drain_ns;
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
