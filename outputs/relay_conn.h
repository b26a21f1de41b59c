/* SPDX-License-Identifier: MIT */
/* One connection to a relay, in order. It connects by itself, and again with back-off when the
 * connection breaks. A refrain at the other end answers our HELLO and acknowledges what it has
 * handed over (lib/relay_frame.h): only then is a message delivered, and what was not acknowledged
 * is sent again. A peer that does not answer is taken for a gor: it gets gor's plain stream of
 * records, and what the kernel has taken counts as delivered. */
#pragma once

#include "lib/base.h"
#include "lib/output.h"
#include "outputs/conn_set.h"
#include "outputs/spool.h"
#include "outputs/tcp_link.h"

struct relay_conn_config {
    struct output *out; /* messages are settled there */
    const struct tcp_peer *peer;
    struct spool *spool;
    size_t worker, workers; /* which of how many to that peer */
    bool zstd; /* frames are packed, if the peer understands it */
};

/* Borrows all of config but the spool, which it takes, on success. */
MUST_CHECK int relay_conn_new(struct conn **connp, const struct relay_conn_config *config);
