/* SPDX-License-Identifier: MIT */
/* What an input's thread does: poll, limit, filter, fan out. */
#include "lib/clock.h"
#include "lib/pipeline_internal.h"

/* How long an input may sleep in poll() before the thread looks at the clock for its books. */
#define POLL_MS 200
#define ACCOUNT_NS NS_PER_S
#define ROOM_WAIT_MS 100

/* Books the same fate at every output: for what is decided before the fan-out. */
static void book_everywhere(struct lane *lane, enum book fate)
{
    for (size_t i = 0; i < lane->pipe->n_exits; i++) {
        book_one(lane->pages[i], BOOK_SEEN);
        book_one(lane->pages[i], fate);
    }
}

/* Wakes the outputs that got something: once a batch, not once a message. */
static void kick_fed(struct lane *lane)
{
    for (; lane->fed != 0; lane->fed &= lane->fed - 1)
        queue_kick(lane->pipe->exits[__builtin_ctzll(lane->fed)]->queue);
}

static void put_into(struct lane *lane, size_t i, const struct msg *msg)
{
    struct pipeline *pipe = lane->pipe;
    struct exit_lane *exit = pipe->exits[i];
    while (!queue_try_put(exit->queue, msg_ref(msg))) {
        msg_unref(msg);
        if (!lane->waits) {
            book_one(lane->pages[i], BOOK_DROPPED);
            return;
        }
        /* the output's thread decides when to give up; here only the end of all waiting counts */
        if (pipeline_gave_up(pipe, INT64_MAX)) {
            book_one(lane->pages[i], BOOK_ABANDONED);
            return;
        }
        kick_fed(lane);
        queue_kick(exit->queue);
        queue_wait_room(exit->queue, pipe->give_up_fd, ROOM_WAIT_MS);
    }
    lane->fed |= UINT64_C(1) << i;
}

/* Which output this message goes to, with --split-output: each request to the next in turn, a
 * response to where its request went. */
static size_t split_choice(struct lane *lane, const struct msg *msg)
{
    size_t n = lane->pipe->n_exits;
    if (msg->type != MSG_REQUEST) {
        int fate = fates_get(lane->split, msg_id(msg));
        return fate == FATE_UNKNOWN ? (size_t)(msg->conn % n) : (size_t)fate;
    }
    size_t choice = lane->turn++ % n;
    fates_put(lane->split, msg_id(msg), (int)choice);
    return choice;
}

static void fan_out(struct lane *lane, const struct msg *msg)
{
    struct pipeline *pipe = lane->pipe;
    bool split = pipe->config.split && pipe->n_exits > 1;
    size_t choice = split ? split_choice(lane, msg) : 0;
    for (size_t i = 0; i < pipe->n_exits; i++) {
        book_one(lane->pages[i], BOOK_SEEN);
        if (split && i != choice)
            book_one(lane->pages[i], BOOK_SPLIT);
        else if (pipe->exits[i]->out->ops->requests_only && msg->type != MSG_REQUEST)
            book_one(lane->pages[i], BOOK_SKIPPED);
        else
            put_into(lane, i, msg);
    }
}

/* Takes msg; returns what goes on (a reference), or NULL when its fate is booked. */
static const struct msg *filter(struct lane *lane, const struct msg *msg)
{
    const struct msg *changed = NULL;
    switch (filter_chain_apply(lane->chain, msg, &changed)) {
    case VERDICT_PASS:
        return msg;
    case VERDICT_REPLACE:
        msg_unref(msg);
        return changed;
    case VERDICT_DROP:
        book_everywhere(lane, BOOK_FILTERED);
        break;
    case VERDICT_FAIL:
        book_everywhere(lane, BOOK_FAILED);
        break;
    }
    msg_unref(msg);
    return NULL;
}

void lane_put(struct sink *sink, const struct msg *msg)
{
    struct lane *lane = container_of(sink, struct lane, sink);
    book_one(lane->books, BOOK_PRODUCED);
    if (lane->limiter) {
        enum admission a = limiter_admit(lane->limiter, msg, clock_mono_ns());
        if (a != ADMIT) {
            book_everywhere(lane, a == SAMPLED_OUT ? BOOK_SAMPLED : BOOK_LIMITED);
            msg_unref(msg);
            return;
        }
    }
    if (lane->chain)
        msg = filter(lane, msg);
    if (!msg)
        return;
    fan_out(lane, msg);
    msg_unref(msg);
}

void *lane_run(void *arg)
{
    struct lane *lane = arg;
    struct pipeline *pipe = lane->pipe;
    const struct input_ops *ops = lane->in->ops;
    int64_t accounted_ns = clock_mono_ns();
    int r = INPUT_MORE;
    while (r == INPUT_MORE && !atomic_load_explicit(&pipe->stop, memory_order_relaxed)) {
        struct err err;
        r = ops->poll(lane->in, &lane->sink, POLL_MS, &err);
        kick_fed(lane);
        if (r < 0)
            pipeline_fault(pipe, &err);
        int64_t now = clock_mono_ns();
        if (ops->account && now - accounted_ns >= ACCOUNT_NS) {
            ops->account(lane->in);
            accounted_ns = now;
        }
    }
    if (ops->finish)
        ops->finish(lane->in, &lane->sink);
    kick_fed(lane);
    if (ops->account)
        ops->account(lane->in);
    pipeline_input_ended(pipe);
    return NULL;
}
