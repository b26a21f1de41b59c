/* SPDX-License-Identifier: MIT */
/* Requests over HTTP/1.x: those of one recorded connection one after the other, those of different
 * ones side by side, over as few connections as do. Every message taken is settled once. Owned by
 * the output's thread. */
#pragma once

#include "lib/base.h"
#include "lib/err.h"
#include "outputs/http_conns.h"
#include "outputs/http_work.h"

struct http_pool_config {
    struct http_work_config work;
    struct http_conns_config conns;
    bool pad_cut; /* bodies that were cut at capture are filled up */
    uint64_t max_exchanges; /* on one connection; 0: as many as it bears */
};

struct http_pool;

MUST_CHECK int http_pool_new(struct http_pool **poolp, const struct http_pool_config *config);
/* Settles what is left as abandoned. NULL is fine. */
void http_pool_free(struct http_pool *pool);

/* Borrows msg, a request that can be sent. TAKEN or BUSY. */
enum output_result http_pool_put(struct http_pool *pool, const struct msg *msg);
/* CLOCK_MONOTONIC: when there is something to do without anything from outside; INT64_MAX: never.
 */
int64_t http_pool_due_ns(const struct http_pool *pool);
/* Does what is ready, after waiting for it, or for wake_fd (-1: none), for at most timeout_ms. */
void http_pool_run(struct http_pool *pool, int wake_fd, int timeout_ms);
/* Requests without a fate. */
void http_pool_pause(struct http_pool *pool, enum output_pause how);
size_t http_pool_held(const struct http_pool *pool);
