/* SPDX-License-Identifier: MIT */
/* One WebSocket connection to a server: records go out, one binary frame each, in order; pings are
 * answered; what else the server says is read and counted. It connects by itself, and again with
 * back-off when the connection breaks; a message of which a byte is still missing in the kernel
 * then is sent again from its beginning. Owned by the output's thread. */
#pragma once

#include "outputs/conn_set.h"
#include "outputs/http_target.h"

struct ws_conn_config {
    struct output *out; /* messages are settled here. Borrowed */
    const struct http_target *target; /* borrowed */
    const char *tag; /* for log lines. Borrowed */
    bool skip_verify; /* any certificate will do */
};

MUST_CHECK int ws_conn_new(struct conn **connp, const struct ws_conn_config *config);
