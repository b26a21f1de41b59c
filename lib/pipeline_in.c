/* SPDX-License-Identifier: MIT */
/* What an input's thread does: poll, limit, judge, route, rewrite, fan out. */
#include <poll.h>

#include "lib/clock.h"
#include "lib/pipeline_internal.h"

/* How long an input may sleep in poll() before the thread looks at the clock for its books. */
#define POLL_MS 200
#define ACCOUNT_NS NS_PER_S

/* Books the same fate at every output: for what is decided before the fan-out. */
static void book_everywhere(struct lane *lane, enum book fate)
{
    for (uint32_t left = ALL_OUTPUTS & ~lane->way->deaf; left != 0; left &= left - 1) {
        size_t i = (size_t)__builtin_ctz(left);
        book_one(lane->pages[i], BOOK_SEEN);
        book_one(lane->pages[i], fate);
    }
}

/* What the global rules make of a message: msg itself, a new reference, or NULL: no memory. */
static const struct msg *rewritten(struct lane *lane, const struct msg *msg)
{
    const struct msg *changed = NULL;
    if (!lane->chain)
        return msg;
    enum verdict verdict = filter_chain_rewrite(lane->chain, msg, &changed);
    return verdict == VERDICT_PASS ? msg : verdict == VERDICT_REPLACE ? changed : NULL;
}

static bool any_takes(uint64_t fates, uint32_t skip)
{
    for (uint32_t left = ALL_OUTPUTS & ~skip; left != 0; left &= left - 1)
        if (route_fate_at(fates, (size_t)__builtin_ctz(left)) == ROUTE_TAKEN)
            return true;
    return false;
}

void lane_pass_on(struct lane *lane, const struct msg *msg, uint64_t fates, uint32_t skip)
{
    skip |= lane->way->deaf;
    const struct msg *changed = any_takes(fates, skip) ? rewritten(lane, msg) : msg;
    lane_deliver(lane, msg, changed, fates, skip);
    if (changed != msg)
        msg_unref(changed);
}

static void remember(struct lane *lane, const struct msg *request, uint64_t fates)
{
    fates_put(lane->fates, msg_id(request), fates);
    if (lane->way->shares)
        shared_fates_put(lane->pipe, msg_id(request), fates);
}

/* A request that waited for its response: it has come, with that status, or (0) will not come. */
static void decide(struct lane *lane, const struct msg *request, uint32_t undecided,
                   unsigned status)
{
    uint64_t before = fates_get(lane->fates, msg_id(request));
    if (before == FATE_UNKNOWN) /* so many came since that it was forgotten */
        before = route_all(lane->way->route, ROUTE_FILTERED);
    uint64_t fates = route_status(lane->way->route, request, before, undecided, status);
    remember(lane, request, fates);
    lane_pass_on(lane, request, fates, ~undecided);
}

/* Whoever waits and is not a request is a response that came too early for anybody to know where it
 * belongs. */
static void give_up_waiting(struct lane *lane, const struct msg *msg, uint64_t note)
{
    if (msg->type == MSG_REQUEST)
        decide(lane, msg, (uint32_t)note, 0);
    else
        book_everywhere(lane, BOOK_FILTERED);
    msg_unref(msg);
}

static void wait_for_other(struct lane *lane, const struct msg *msg, uint64_t note)
{
    const struct msg *old;
    waiting_put(lane->waiting, msg, note);
    while ((old = waiting_overflow(lane->waiting, &note)))
        give_up_waiting(lane, old, note);
}

/* A request that would have gone to a paused output. */
static uint64_t leave_out(uint64_t fates, uint32_t paused)
{
    for (uint32_t left = ALL_OUTPUTS & paused; left != 0; left &= left - 1) {
        size_t i = (size_t)__builtin_ctz(left);
        if (route_fate_at(fates, i) == ROUTE_TAKEN)
            fates = route_with_fate(fates, i, ROUTE_PAUSED);
    }
    return fates;
}

static uint64_t fates_of(struct lane *lane, const struct msg *request, uint32_t *undecided)
{
    if (!sampler_choose(&lane->sampler, request))
        return route_all(lane->way->route, ROUTE_SAMPLED);
    if (lane->chain && filter_chain_judge(lane->chain, request) == VERDICT_DROP)
        return route_all(lane->way->route, ROUTE_FILTERED);
    uint64_t fates = route_request(lane->way->route, request, undecided);
    uint32_t paused = atomic_load_explicit(&lane->left_out, memory_order_relaxed);
    if (likely(paused == 0))
        return fates;
    *undecided &= ~paused;
    return leave_out(fates, paused);
}

static void route_one_request(struct lane *lane, const struct msg *request)
{
    uint32_t undecided = 0;
    uint64_t fates = fates_of(lane, request, &undecided), note;
    remember(lane, request, fates);
    const struct msg *early = waiting_take(lane->waiting, msg_id(request), &note);
    lane_pass_on(lane, request, fates, undecided);
    if (undecided && early)
        decide(lane, request, undecided, early->http.status);
    else if (undecided)
        wait_for_other(lane, request, undecided);
    if (early)
        lane_pass_on(lane, early, fates_get(lane->fates, msg_id(request)), 0);
    msg_unref(early);
}

static void route_one_response(struct lane *lane, const struct msg *response)
{
    uint64_t note, fates = fates_get(lane->fates, msg_id(response));
    const struct msg *request =
        fates == FATE_UNKNOWN ? NULL : waiting_take(lane->waiting, msg_id(response), &note);
    if (request) {
        decide(lane, request, (uint32_t)note, response->http.status);
        msg_unref(request);
        fates = fates_get(lane->fates, msg_id(response));
    }
    if (fates == FATE_UNKNOWN)
        wait_for_other(lane, response, 0);
    else
        lane_pass_on(lane, response, fates, 0);
}

const struct msg *lane_redact(struct lane *lane, const struct msg *msg)
{
    const struct msg *changed = NULL;
    enum verdict verdict = filter_chain_redact(lane->chain, msg, &changed);
    if (verdict == VERDICT_PASS)
        return msg;
    msg_unref(msg);
    if (verdict != VERDICT_REPLACE)
        book_everywhere(lane, verdict == VERDICT_DROP ? BOOK_FILTERED : BOOK_FAILED);
    return changed;
}

static void pass_to_all(struct lane *lane, const struct msg *msg)
{
    if (lane->way->shares && msg->type == MSG_REQUEST)
        shared_fates_put(lane->pipe, msg_id(msg), 0);
    lane_pass_on(lane, msg, 0, 0);
}

void lane_put(struct sink *sink, const struct msg *msg)
{
    struct lane *lane = container_of(sink, struct lane, sink);
    bool request = msg->type == MSG_REQUEST;
    lane_look_around(lane);
    book_one(lane->books, BOOK_PRODUCED);
    if (lane->recorded && msg->type == MSG_RESPONSE && msg->latency_ns > 0) /* else not known */
        histogram_add_alone(lane->recorded, msg->latency_ns);
    if (lane->chain)
        msg = lane_redact(lane, msg);
    if (!msg)
        return;
    if (lane->limiter && lane->in)
        limiter_share(lane->limiter, lane->in->share, clock_mono_ns());
    if (lane->limiter && !limiter_admit(lane->limiter, msg, clock_mono_ns()))
        book_everywhere(lane, BOOK_LIMITED);
    else if (lane->selective && request)
        route_one_request(lane, msg);
    else if (lane->selective)
        route_one_response(lane, msg);
    else
        pass_to_all(lane, msg);
    msg_unref(msg);
}

/* At the end nobody's other half will come any more. */
static void finish(struct lane *lane)
{
    uint64_t note;
    const struct msg *msg;
    if (lane->in->ops->finish)
        lane->in->ops->finish(lane->in, &lane->sink);
    while (lane->waiting && (msg = waiting_leave(lane->waiting, &note)))
        give_up_waiting(lane, msg, note);
    lane_kick(lane);
    if (lane->in->ops->account)
        lane->in->ops->account(lane->in);
}

static bool goes_on(struct lane *lane)
{
    if (!lane->in->ops->to_the_end)
        return !atomic_load_explicit(&lane->pipe->stop, memory_order_relaxed);
    uint64_t produced = book_get(lane->books, BOOK_PRODUCED);
    if (produced != lane->produced || lane->progress_ns == 0) {
        lane->produced = produced;
        lane->progress_ns = clock_mono_ns();
    }
    /* what feeds it is of the leg before */
    return !pipeline_gave_up(lane->pipe, LEG_FIRST, lane->progress_ns);
}

/* What it still held is lost, and cannot be counted here. */
static void tell_given_up(struct lane *lane)
{
    struct err err;
    err_failure(&err, "--%s: it did not end, and was given up", lane->in->ops->option);
    err.status = STATUS_NOT_DRAINED;
    pipeline_fault(lane->pipe, &err);
}

#define STAND_MS 20

/* Until it is not paused any more, or told to stop. */
static void stand_still(struct lane *lane)
{
    struct pollfd stop = {.fd = lane->pipe->stop_fd, .events = POLLIN};
    int64_t since_ns = clock_mono_ns();
    while (atomic_load(&lane->stands) && goes_on(lane)) {
        lane_look_around(lane);
        poll(&stop, 1, STAND_MS);
    }
    if (lane->in->ops->held)
        lane->in->ops->held(lane->in, clock_mono_ns() - since_ns);
}

void *lane_run(void *arg)
{
    struct lane *lane = arg;
    struct pipeline *pipe = lane->pipe;
    const struct input_ops *ops = lane->in->ops;
    int64_t accounted_ns = clock_mono_ns();
    int r = INPUT_MORE;
    while (r == INPUT_MORE && goes_on(lane)) {
        struct err err;
        if (unlikely(atomic_load_explicit(&lane->stands, memory_order_relaxed))) {
            stand_still(lane);
            continue;
        }
        lane_look_around(lane);
        lane_turn_speed(lane);
        r = ops->poll(lane->in, &lane->sink, POLL_MS, &err);
        lane_kick(lane);
        if (r < 0)
            pipeline_fault(pipe, &err);
        if (r < 0 && ops->to_the_end)
            pipeline_stop_first(pipe);
        int64_t now = clock_mono_ns();
        if (ops->account && now - accounted_ns >= ACCOUNT_NS) {
            ops->account(lane->in);
            accounted_ns = now;
        }
    }
    if (r == INPUT_MORE && ops->to_the_end)
        tell_given_up(lane);
    finish(lane);
    atomic_store(&lane->ended, true);
    pipeline_input_ended(pipe, lane->leg);
    return NULL;
}
