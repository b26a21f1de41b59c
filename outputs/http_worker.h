/* SPDX-License-Identifier: MIT */
/* One event loop of an HTTP output, with connections of its own. It runs in the output's thread;
 * or, when there are several, in one of its own, which requests reach through a queue. All
 * functions are for the output's thread, but for those that say otherwise. */
#pragma once

#include "lib/base.h"
#include "lib/err.h"
#include "lib/output.h"
#include "outputs/http_pool.h"

struct http_worker_config {
    struct http_pool_config pool; /* work.out: the output; likewise the books */
    bool http2;
    struct books *books; /* its own page, when it has a thread of its own; else NULL */
};

struct http_worker;

/* Main thread. */
MUST_CHECK int http_worker_new(struct http_worker **workerp,
                               const struct http_worker_config *config);
/* Settles what is left as abandoned. NULL is fine. Main thread. */
void http_worker_free(struct http_worker *worker);

/* Begins and ends its thread, when it has one. answers: where those go that it gets; it may be
 * called from several threads at once. Start: main thread. Stop: also twice. */
MUST_CHECK int http_worker_start(struct http_worker *worker, struct sink *answers, struct err *err);
void http_worker_stop(struct http_worker *worker);

/* Borrows msg, a request that can be sent. TAKEN or BUSY. */
enum output_result http_worker_put(struct http_worker *worker, const struct msg *msg);
/* Without a thread: does what is ready, as output_ops.poll. */
void http_worker_run(struct http_worker *worker, int wake_fd, int timeout_ms);
/* With one: waits until it may take a request again. */
void http_worker_wait_room(struct http_worker *worker, int timeout_ms);
/* As output_ops.pause. */
void http_worker_pause(struct http_worker *worker, enum output_pause how);
/* Requests without a fate. */
uint64_t http_worker_held(const struct http_worker *worker);
