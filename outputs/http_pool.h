/* SPDX-License-Identifier: MIT */
/* The connections to one target, and which request goes over which: those of one recorded
 * connection one after the other, those of different ones side by side. Connections are kept, the
 * most recently used first, and more are opened while requests wait. Every message taken is settled
 * once. Owned by the output's thread. */
#pragma once

#include "lib/base.h"
#include "lib/err.h"
#include "lib/output.h"
#include "outputs/http_target.h"

struct http_pool_config {
    struct output *out; /* messages are settled here. Borrowed */
    struct histogram *latency; /* of answers; NULL: nobody asks. Borrowed */
    const struct http_target *target; /* borrowed */
    const char *tag; /* for log lines. Borrowed */
    bool original_host;
    bool skip_verify;
    size_t max_conns;
    size_t max_held; /* requests held at most, under way or waiting */
    int64_t timeout_ns; /* of opening a connection, and of an exchange */
};

struct http_pool;

MUST_CHECK int http_pool_new(struct http_pool **poolp, const struct http_pool_config *config);
/* Settles what is left as abandoned. NULL is fine. */
void http_pool_free(struct http_pool *pool);

/* Borrows msg, a request that can be sent. TAKEN or BUSY. */
enum output_result http_pool_put(struct http_pool *pool, const struct msg *msg);

/* Readable when there is something to do. */
int http_pool_fd(const struct http_pool *pool);
/* CLOCK_MONOTONIC: when there is something to do without that; INT64_MAX: never. */
int64_t http_pool_due_ns(const struct http_pool *pool);
/* Does what is ready, after waiting at most timeout_ms for it. */
void http_pool_run(struct http_pool *pool, int timeout_ms);

/* Requests without a fate. */
size_t http_pool_held(const struct http_pool *pool);
