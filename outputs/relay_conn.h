/* SPDX-License-Identifier: MIT */
/* One connection to a relay: records in, gor's plain stream out, in order. It connects by itself,
 * and again with back-off when the connection breaks; a message of which a byte is still missing in
 * the kernel then is sent again from its beginning. What the kernel has taken counts as delivered:
 * the plain stream knows no acknowledgement. Owned by the output's thread. */
#pragma once

#include "outputs/conn_set.h"
#include "outputs/tcp_link.h"

/* Messages are settled at out. peer is borrowed. */
MUST_CHECK int relay_conn_new(struct conn **connp, struct output *out, const struct tcp_peer *peer);
