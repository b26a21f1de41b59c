/* SPDX-License-Identifier: MIT */
/* What an output's thread does: take from the queue, limit, write, poll; at the end, drain. */
#include <poll.h>

#include "lib/clock.h"
#include "lib/pipeline_internal.h"

/* An output with I/O of its own is polled at least once per so many messages. */
#define POLL_EVERY 32
#define BUSY_POLL_MS 50
#define IDLE_POLL_MS 1000
#define FLUSH_POLL_MS 50
#define HOLD_MS 20

/* By all its threads. */
static uint64_t settled_at(const struct account *account)
{
    return account_sum(account, BOOK_DELIVERED) + account_sum(account, BOOK_FAILED) +
           account_sum(account, BOOK_SKIPPED) + account_sum(account, BOOK_LIMITED) +
           account_sum(account, BOOK_PAUSED);
}

static bool gave_up(struct exit_lane *lane)
{
    struct pipeline *pipe = lane->pipe;
    if (unlikely(exit_lane_is_overdue(lane)))
        return true;
    if (likely(!pipeline_is_ending(pipe, lane->leg)))
        return false;
    if (lane->paused == OUTPUT_HOLD)
        return atomic_load(&pipe->give_up);
    /* while answers may come, silence is nobody's fault */
    if (atomic_load(&lane->hears) && atomic_load(&pipe->answers_running) > 0 &&
        !atomic_load(&pipe->stop))
        return false;
    uint64_t settled = settled_at(lane->account);
    if (settled != lane->settled || lane->progress_ns == 0) {
        lane->settled = settled;
        lane->progress_ns = clock_mono_ns();
    }
    return pipeline_gave_up(pipe, lane->leg, lane->progress_ns);
}

static void poll_output(struct exit_lane *lane, int wake_fd, int timeout_ms)
{
    lane->ops->poll(lane->out, wake_fd, timeout_ms);
}

/* A message that was due then has been handed over now. */
static void note_time(struct exit_lane *lane, int64_t due_ns, int64_t now_ns)
{
    struct pace *pace = lane->pace;
    uint64_t count = atomic_load_explicit(&pace->count, memory_order_relaxed);
    histogram_add(lane->lateness, now_ns - due_ns);
    if (count == 0) {
        atomic_store_explicit(&pace->first_due_ns, due_ns, memory_order_relaxed);
        atomic_store_explicit(&pace->first_out_ns, now_ns, memory_order_relaxed);
    }
    atomic_store_explicit(&pace->last_due_ns, due_ns, memory_order_relaxed);
    atomic_store_explicit(&pace->last_out_ns, now_ns, memory_order_relaxed);
    atomic_store_explicit(&pace->count, count + 1, memory_order_relaxed);
}

/* What is to be done beside messages. */
static void look_around(struct exit_lane *lane)
{
    if (unlikely(atomic_load_explicit(&lane->turned, memory_order_relaxed) !=
                 atomic_load_explicit(&lane->pipe->turned, memory_order_relaxed)))
        exit_lane_turn(lane);
    if (unlikely(lane->paused != OUTPUT_GO ||
                 atomic_load_explicit(&lane->pause, memory_order_relaxed) != OUTPUT_GO))
        exit_lane_look_at_pause(lane);
}

/* Takes msg. */
static void write_one(struct exit_lane *lane, const struct msg *msg)
{
    struct output *out = lane->out;
    enum output_result r = lane->ops->write(out, msg);
    while (r == OUTPUT_BUSY) {
        assert(lane->ops->poll);
        if (gave_up(lane)) {
            book_one(lane->books, BOOK_ABANDONED);
            receipt_abandon(msg->receipt);
            msg_unref(msg);
            return;
        }
        look_around(lane);
        if (lane->paused == OUTPUT_LEAVE_OUT) {
            exit_lane_leave_out(lane, msg);
            return;
        }
        poll_output(lane, -1, BUSY_POLL_MS);
        r = lane->ops->write(out, msg);
    }
    if (msg->due_ns != 0 && r != OUTPUT_SKIPPED)
        note_time(lane, msg->due_ns, clock_mono_ns());
    switch (r) {
    case OUTPUT_DONE:
        book_one(lane->books, BOOK_DELIVERED);
        book_add(lane->books, BOOK_DELIVERED_BYTES, msg->len);
        break;
    case OUTPUT_SKIPPED:
        book_one(lane->books, BOOK_SKIPPED);
        break;
    case OUTPUT_FAILED:
        book_one(lane->books, BOOK_FAILED);
        break;
    case OUTPUT_TAKEN: /* has a reference of its own, and settles it */
    case OUTPUT_BUSY:
        break;
    }
    msg_unref(msg);
}

/* Takes msg; returns what the output's own rules make of it (a reference), or NULL: no memory. */
static const struct msg *rewrite(struct exit_lane *lane, const struct msg *msg)
{
    const struct msg *changed = NULL;
    if (!lane->rules->rewriters || msg->type != MSG_REQUEST)
        return msg;
    enum verdict verdict = filter_chain_rewrite(lane->rules->rewriters, msg, &changed);
    if (verdict == VERDICT_PASS)
        return msg;
    msg_unref(msg);
    return verdict == VERDICT_REPLACE ? changed : NULL;
}

/* Takes msg. */
static void admit_one(struct exit_lane *lane, const struct msg *msg)
{
    msg = rewrite(lane, msg);
    if (!msg) {
        book_one(lane->books, BOOK_FAILED);
        return;
    }
    if (!lane->rules->limiter || limiter_admit(lane->rules->limiter, msg, clock_mono_ns())) {
        write_one(lane, msg);
        return;
    }
    book_one(lane->books, BOOK_LIMITED);
    msg_unref(msg);
}

/* Sleeps until there is a message, a flag to look at, or the output's own work. */
static void idle(struct exit_lane *lane)
{
    if (!queue_arm(lane->queue))
        return;
    if (lane->ops->poll) {
        poll_output(lane, queue_fd(lane->queue), IDLE_POLL_MS);
    } else {
        struct pollfd fd = {.fd = queue_fd(lane->queue), .events = POLLIN};
        poll(&fd, 1, IDLE_POLL_MS);
    }
    queue_disarm(lane->queue);
}

/* What is under way goes on; the queue stays as it is. */
static void hold(struct exit_lane *lane)
{
    if (lane->ops->poll)
        poll_output(lane, -1, HOLD_MS);
    else
        poll(NULL, 0, HOLD_MS);
}

void exit_lane_abandon(struct exit_lane *lane)
{
    for (const struct msg *msg = queue_take(lane->queue); msg; msg = queue_take(lane->queue)) {
        book_one(lane->books, BOOK_ABANDONED);
        receipt_abandon(msg->receipt);
        msg_unref(msg);
    }
}

static void drain(struct exit_lane *lane)
{
    const struct output_ops *ops = lane->ops;
    while (ops->flush && ops->flush(lane->out) == OUTPUT_BUSY && !gave_up(lane)) {
        look_around(lane);
        poll_output(lane, -1, FLUSH_POLL_MS);
    }
    exit_lane_abandon(lane);
}

void *exit_lane_run(void *arg)
{
    struct exit_lane *lane = arg;
    struct pipeline *pipe = lane->pipe;
    const struct output_ops *ops = lane->ops;
    unsigned since_poll = 0;
    while (!queue_is_done(lane->queue) && !gave_up(lane)) {
        if (atomic_load_explicit(&lane->reopen, memory_order_relaxed) &&
            atomic_exchange(&lane->reopen, false) && ops->reopen)
            ops->reopen(lane->out);
        look_around(lane);
        if (unlikely(lane->paused == OUTPUT_HOLD)) {
            hold(lane);
            continue;
        }
        const struct msg *msg = queue_take(lane->queue);
        if (msg && unlikely(exit_lane_leaves_out(lane, msg))) {
            exit_lane_leave_out(lane, msg);
            continue;
        }
        if (!msg) {
            idle(lane);
            continue;
        }
        admit_one(lane, msg);
        if (ops->poll && ++since_poll >= POLL_EVERY) {
            poll_output(lane, -1, 0);
            since_poll = 0;
        }
    }
    drain(lane);
    if (ops->stop)
        ops->stop(lane->out);
    if (lane->out->answers && atomic_fetch_sub(&pipe->answers_running, 1) == 1)
        answers_close(pipe, lane->leg);
    atomic_store(&lane->ended, true);
    pipeline_thread_ended(pipe);
    return NULL;
}
