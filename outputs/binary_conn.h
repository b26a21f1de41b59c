/* SPDX-License-Identifier: MIT */
/* One connection to a server of any protocol: payloads in, the same bytes out, in order, with
 * nothing between them. It connects by itself, and again with back-off when the connection breaks.
 * The server cannot tell where a message that was cut went on, so none is sent twice: it has
 * failed, as has what waits while nobody can be connected to, or who is there hangs up at once.
 * What the kernel has taken counts as delivered. When answers are asked for (output.answers), each
 * payload waits until the one before it was answered. Owned by the output's thread. */
#pragma once

#include "outputs/conn_set.h"
#include "outputs/tcp_link.h"

/* Messages are settled at out. peer is borrowed. timeout_ns: of an attempt to connect, of a server
 * that takes no more bytes, and of one that does not answer. */
MUST_CHECK int binary_conn_new(struct conn **connp, struct output *out, const struct tcp_peer *peer,
                               int64_t timeout_ns);
