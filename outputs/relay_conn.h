/* SPDX-License-Identifier: MIT */
/* One connection to a relay: records in, gor's plain stream out, in order. It connects by itself,
 * and again with back-off when the connection breaks; a message of which a byte is still missing in
 * the kernel then is sent again from its beginning. What the kernel has taken counts as delivered:
 * the plain stream knows no acknowledgement. Owned by the output's thread. */
#pragma once

#include <poll.h>

#include "lib/base.h"
#include "lib/net.h"
#include "lib/output.h"

struct relay_peer {
    struct net_name name;
    struct net_addrs addrs; /* as resolved at the start */
    char tag[NET_HOST_MAX + 32]; /* for log lines */
};

struct relay_conn;

/* Messages are settled at out. peer is borrowed. */
MUST_CHECK int relay_conn_new(struct relay_conn **connp, struct output *out,
                              const struct relay_peer *peer);
/* Settles what is left as abandoned. */
void relay_conn_free(struct relay_conn *conn);

/* Borrows msg. OUTPUT_TAKEN, OUTPUT_BUSY (its buffer is full) or OUTPUT_FAILED (no memory). */
enum output_result relay_conn_put(struct relay_conn *conn, const struct msg *msg);

/* Connects, sends and reads as far as that goes without waiting. True when something was done. */
bool relay_conn_step(struct relay_conn *conn, int64_t now_ns);
/* What to wait for before the next step: *fd (fd -1: nothing) and *wait_ns, which is made shorter
 * when a time matters. */
void relay_conn_watch(const struct relay_conn *conn, int64_t now_ns, struct pollfd *fd,
                      int64_t *wait_ns);

/* No more messages come: DONE once all have been sent and the peer has closed its side too, which
 * it does after it has read everything (or did not do in time); else BUSY. */
enum output_result relay_conn_flush(struct relay_conn *conn, int64_t now_ns);
