/* SPDX-License-Identifier: MIT */
/* Which request goes over which connection to the target, and what comes of it: those of one
 * recorded connection one after the other, those of different ones side by side, over as few
 * connections as do. Every message taken is settled once. Owned by the output's thread. */
#pragma once

#include "lib/base.h"
#include "lib/err.h"
#include "lib/output.h"
#include "outputs/http_conns.h"

struct http_pool_config {
    struct output *out; /* messages are settled here. Borrowed */
    struct histogram *latency; /* of answers; NULL: nobody asks. Borrowed */
    const struct http_target *target; /* borrowed */
    const char *tag; /* for log lines. Borrowed */
    struct http_conns_config conns;
    bool original_host;
    bool pad_cut; /* bodies that were cut at capture are filled up */
    size_t max_held; /* requests held at most, under way or waiting */
    int64_t timeout_ns; /* of an exchange */
    uint64_t max_exchanges; /* on one connection; 0: as many as it bears */
    unsigned redirects; /* that are followed for one request */
    unsigned retries; /* of a request of which nothing was sent */
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
