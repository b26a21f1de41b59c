/* SPDX-License-Identifier: MIT */
#include "outputs/http_work.h"

#include "lib/clock.h"
#include "lib/exchange_stats.h"
#include "outputs/answer.h"
#include "outputs/http_redirect.h"

int http_work_init(struct http_work *work, const struct http_work_config *config)
{
    assert(config->max_held > 0 && config->timeout_ns > 0);
    *work = (struct http_work){.config = *config};
    return http_lanes_new(&work->lanes, config->max_held);
}

void http_work_fini(struct http_work *work)
{
    struct http_lane *lane;
    while (work->lanes && (lane = http_lanes_next(work->lanes)))
        http_work_abandon(work, lane);
    http_lanes_free(work->lanes);
}

size_t http_work_keeps(const struct http_work *work)
{
    const struct output *out = work->config.out;
    size_t keeps = out->answers ? out->answer_max : 0;
    return work->config.redirects > 0 && keeps < HTTP_MAX_HEAD ? HTTP_MAX_HEAD : keeps;
}

void http_work_sent(struct http_work *work, const struct http_lane *lane, int64_t now_ns)
{
    if (work->config.exchanges && http_lane_hops(lane) == 0)
        exchange_sent(work->config.exchanges, now_ns);
}

/* --- failures --- */

/* The first message of the lane has found its fate; the lane goes back. */
static void settle(struct http_work *work, struct http_lane *lane, enum book fate, bool front)
{
    const struct msg *msg = http_lane_pop(work->lanes, lane);
    http_lanes_back(work->lanes, lane, front);
    if (work->config.exchanges && (fate == BOOK_FAILED || fate == BOOK_ABANDONED))
        exchange_failed(work->config.exchanges, msg, clock_mono_ns());
    output_settle(work->config.out, msg, fate);
}

void http_work_fail(struct http_work *work, struct http_lane *lane, enum book why)
{
    book_one(work->config.out->books, why);
    http_voice_lost(work->config.voice, why);
    settle(work, lane, BOOK_FAILED, true);
}

void http_work_fail_unsent(struct http_work *work, struct http_lane *lane, enum book why)
{
    if (http_lane_try(lane) <= work->config.retries) {
        book_one(work->config.out->books, BOOK_HTTP_RETRIES);
        http_lanes_back(work->lanes, lane, false);
        return;
    }
    http_work_fail(work, lane, why);
}

void http_work_refuse(struct http_work *work, enum book why)
{
    struct http_lane *lane;
    if (work->config.retries > 0)
        for (size_t n = http_lanes_ready(work->lanes); n > 0; n--)
            http_work_fail_unsent(work, http_lanes_next(work->lanes), why);
    else
        while ((lane = http_lanes_next(work->lanes)))
            http_work_fail(work, lane, why);
}

void http_work_abandon(struct http_work *work, struct http_lane *lane)
{
    settle(work, lane, BOOK_ABANDONED, true);
}

/* --- pauses --- */

static void leave_out(struct http_work *work)
{
    struct http_lane *lane;
    while ((lane = http_lanes_next(work->lanes)))
        settle(work, lane, BOOK_PAUSED, true);
}

void http_work_pause(struct http_work *work, enum output_pause how)
{
    if (how == OUTPUT_LEAVE_OUT || work->paused == OUTPUT_LEAVE_OUT)
        leave_out(work);
    work->paused = how;
    http_lanes_pause(work->lanes, how != OUTPUT_GO);
}

/* --- answers --- */

static void count_status(struct http_work *work, uint16_t status)
{
    static const enum book books[] = {BOOK_HTTP_1XX, BOOK_HTTP_2XX, BOOK_HTTP_3XX, BOOK_HTTP_4XX,
                                      BOOK_HTTP_5XX};
    size_t class = status / 100;
    bool known = class >= 1 && class <= ARRAY_LEN(books);
    book_one(work->config.out->books, known ? books[class - 1] : BOOK_HTTP_OTHER);
    if (work->config.exchanges)
        exchange_status(work->config.exchanges, status);
}

/* Does the answer send the request elsewhere? Then the lane begins with that one. */
static bool redirected(struct http_work *work, struct http_lane *lane,
                       const struct http_answer *answer)
{
    const struct msg *next = NULL;
    if (http_lane_hops(lane) >= work->config.redirects)
        return false;
    enum redirect r =
        http_redirect(http_lane_msg(lane), work->config.target, answer->bytes, answer->view, &next);
    if (r == REDIRECT_ELSEWHERE)
        book_one(work->config.out->books, BOOK_HTTP_ELSEWHERE);
    if (r != REDIRECT_FOLLOW)
        return false;
    book_one(work->config.out->books, BOOK_HTTP_REDIRECTS);
    http_lane_replace(lane, next);
    return true;
}

static void tell(struct http_work *work, const struct msg *request,
                 const struct http_answer *answer, int64_t now_ns)
{
    const struct answer told = {.bytes = answer->bytes,
                                .cut = answer->cut,
                                .ts_ns = answer->ts_ns,
                                .latency_ns = answer->latency_ns,
                                .rtt_ns = now_ns - answer->sent_ns};
    answer_tell(work->config.out, request, &told);
}

void http_work_answered(struct http_work *work, struct http_lane *lane,
                        const struct http_answer *answer, bool front, int64_t now_ns)
{
    const struct msg *request = http_lane_msg(lane);
    count_status(work, answer->view->status);
    if (work->config.redirects > 0 && redirected(work, lane, answer)) {
        http_lanes_back(work->lanes, lane, front);
        return;
    }
    /* what a late request waited for is part of it */
    int64_t latency_ns = now_ns - (request->due_ns ? request->due_ns : answer->sent_ns);
    if (work->config.latency)
        histogram_add(work->config.latency, latency_ns);
    if (work->config.exchanges)
        exchange_answered(work->config.exchanges, request, answer->view->status, latency_ns,
                          now_ns);
    if (work->config.out->answers)
        tell(work, request, answer, now_ns);
    settle(work, lane, BOOK_DELIVERED, front);
}
