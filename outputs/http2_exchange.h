/* SPDX-License-Identifier: MIT */
/* One exchange over HTTP/2: a request made ready for libcurl, and its answer written down as one of
 * HTTP/1.1. Owned by the output's thread. */
#pragma once

#include <curl/curl.h>

#include "lib/base.h"
#include "lib/buf.h"
#include "outputs/http_work.h"

struct http2_pool;

struct http2_exchange {
    struct http2_pool *owner;
    bool refused; /* it was not to open a connection, and tried */
    CURL *easy; /* the owner sets where to and how; its private data is the exchange */
    struct http_lane *lane; /* under way: whose first message this is; NULL: free */
    struct http2_exchange *next; /* free */
    int64_t sent_ns, first_ns, first_wall_ns; /* 0: nothing came yet */
    size_t keeps; /* bytes of the answer, at most */
    struct curl_slist *fields;
    struct buf body; /* a body without its chunk framing */
    struct buf answer;
    size_t head_len; /* of the answer; 0: not yet whole */
    bool has_length, cut;
};

/* x is zeroed. False: no memory; fini is due then, too. */
bool http2_exchange_init(struct http2_exchange *x);
void http2_exchange_fini(struct http2_exchange *x);

/* The request target as it is sent, and the fields; those that HTTP/2 has no place for stay out. 0
 * or -ENOMEM. */
MUST_CHECK int http2_exchange_begin(struct http2_exchange *x, const struct http_work_config *config,
                                    struct http_lane *lane, size_t keeps, int64_t now_ns);
/* It has ended, with an answer (or a part of one that does not count): its head is whole now. view:
 * of it. False: no head. */
bool http2_exchange_answer(struct http2_exchange *x, struct http_answer *answer,
                           struct http_view *view);
/* Ready for the next one. */
void http2_exchange_end(struct http2_exchange *x);
