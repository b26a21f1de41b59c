/* SPDX-License-Identifier: MIT */
/* The conversation on one connection: bytes in sequence become HTTP messages, responses find their
 * requests, and what is complete goes to the sink.
 *
 * The common case, a request that lies inside one segment, is framed where it lies and copied once.
 * Only a message that goes on beyond a segment gets a struct partial, whose bytes are gathered in
 * the very message that will be given away; it grows with what comes, never with what is announced.
 *
 * Requests and responses are paired by their order on the connection (RFC 9112, 9.3). A request
 * that was lost leaves its place in the order, so that its response is not taken for another's. */
#pragma once

#include "reassembly/flow.h"
#include "reassembly/reassembly.h"

/* What all conversations of a reassembly share. */
struct conv_env {
    struct reassembly_config config;
    uint32_t next_id; /* of requests, the last part of their ids */
    int64_t held; /* bytes of memory in partial messages and pending lists */
};

/* n bytes in sequence; starts: they begin a segment. */
void conv_data(struct conv_env *env, struct flow *f, enum direction dir, struct span bytes,
               int64_t ts_ns, bool starts);
/* n bytes that will never come. */
void conv_gap(struct conv_env *env, struct flow *f, enum direction dir, uint32_t n,
              enum gap_reason reason);
/* The sender of that direction is done. */
void conv_end(struct conv_env *env, struct flow *f, enum direction dir);
/* A response whose body is read until close ends here: nothing more will be seen. */
void conv_until_close(struct conv_env *env, struct flow *f);
/* Gives up what is in progress in both directions; request_fate is one of BOOK_REQ_… (the
 * response's is the one of the same name). */
void conv_give_up(struct conv_env *env, struct flow *f, enum book request_fate);
/* Frees what the conversation holds. */
void conv_clear(struct conv_env *env, struct flow *f);
