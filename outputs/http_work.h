/* SPDX-License-Identifier: MIT */
/* The requests that an HTTP output holds, and what becomes of each: what does not hang on the
 * version of HTTP that they go out by. Embedded in http_pool.c and http2_pool.c; owned by the
 * output's thread. */
#pragma once

#include "lib/base.h"
#include "lib/output.h"
#include "outputs/http_lanes.h"
#include "outputs/http_target.h"
#include "outputs/http_voice.h"

struct http_work_config {
    struct output *out; /* messages are settled here. Borrowed */
    struct histogram *latency; /* of answers; NULL: nobody asks. Borrowed */
    struct exchange_stats *exchanges; /* NULL: nobody asks. Borrowed */
    const struct http_target *target; /* borrowed */
    struct http_voice *voice; /* borrowed */
    bool original_host;
    size_t max_held; /* requests held at most, under way or waiting */
    int64_t timeout_ns; /* of an exchange */
    unsigned redirects; /* that are followed for one request */
    unsigned retries; /* of a request of which nothing was sent */
};

struct http_work {
    struct http_work_config config;
    struct http_lanes *lanes;
    enum output_pause paused;
};

MUST_CHECK int http_work_init(struct http_work *work, const struct http_work_config *config);
/* Settles what is ready as abandoned; no lane may be out. A zeroed work is fine. */
void http_work_fini(struct http_work *work);

/* How many bytes of an answer must be kept; 0: none. */
size_t http_work_keeps(const struct http_work *work);

/* The request of a lane that is out goes over the wire. */
void http_work_sent(struct http_work *work, const struct http_lane *lane, int64_t now_ns);

/* The request of a lane that is out has failed, because of which. The lane goes back. */
void http_work_fail(struct http_work *work, struct http_lane *lane, enum book why);
/* As above, but nothing of it was sent: it may be tried again. */
void http_work_fail_unsent(struct http_work *work, struct http_lane *lane, enum book why);
/* All that wait have failed, as there is nobody to send them to, because of which; each may be
 * tried again. */
void http_work_refuse(struct http_work *work, enum book why);
/* Abandons it. */
void http_work_abandon(struct http_work *work, struct http_lane *lane);

/* What waits stays, or is settled as paused, until OUTPUT_GO. What is under way goes on. */
void http_work_pause(struct http_work *work, enum output_pause how);

/* An answer that has come whole, or as much of it as was kept. */
struct http_answer {
    struct span bytes;
    const struct http_view *view; /* of its head */
    bool cut;
    int64_t ts_ns; /* CLOCK_REALTIME of its first byte */
    int64_t latency_ns; /* from when the request went out to that */
    int64_t sent_ns; /* CLOCK_MONOTONIC: when the request went out */
};

/* The lane's request was answered: it is counted, told and settled; or, redirected, it begins
 * anew. The lane goes back, to the front or the end of the line. */
void http_work_answered(struct http_work *work, struct http_lane *lane,
                        const struct http_answer *answer, bool front, int64_t now_ns);
