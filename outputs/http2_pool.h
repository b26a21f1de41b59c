/* SPDX-License-Identifier: MIT */
/* Requests over HTTP/2 (RFC 9113), by libcurl's multi interface: those of one recorded connection
 * one after the other, those of different ones as streams beside each other. What HTTP/2 has not
 * got stays out: chunk framing, and the fields that are about a connection (8.2.2). An answer that
 * others want to see is written down as one of HTTP/1.1. Owned by the output's thread. */
#pragma once

#include "lib/base.h"
#include "lib/err.h"
#include "outputs/http_dial.h"
#include "outputs/http_work.h"

struct http2_pool_config {
    struct http_work_config work;
    struct http_dialer_config dial; /* but for its epfd */
    size_t max_conns;
};

struct http2_pool;

/* As their namesakes in http_pool.h. */
MUST_CHECK int http2_pool_new(struct http2_pool **poolp, const struct http2_pool_config *config);
void http2_pool_free(struct http2_pool *pool);
enum output_result http2_pool_put(struct http2_pool *pool, const struct msg *msg);
void http2_pool_run(struct http2_pool *pool, int wake_fd, int timeout_ms);
void http2_pool_pause(struct http2_pool *pool, enum output_pause how);
size_t http2_pool_held(const struct http2_pool *pool);
