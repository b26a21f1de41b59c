/* SPDX-License-Identifier: MIT */
/* What refrain and a middleware say to each other, as gor has it: a line for each message, which is
 * the lower-case hex of "TYPE ID TIMESTAMP_NS LATENCY_NS LF" and the payload. */
#pragma once

#include "lib/buf.h"
#include "lib/msg.h"

/* Appends the line of msg, with its LF. 0, -ENOBUFS or -ENOMEM. */
MUST_CHECK int line_encode(struct buf *out, const struct msg *msg);

/* The message of a line without its LF (a CR before it is passed over); line is used up. Three
 * fields are enough, and fields behind the fourth are not looked at. 0 with *msg, the caller's
 * alone, which is not said to come from anywhere; -EBADMSG or -ENOMEM. */
MUST_CHECK int line_decode(uint8_t *line, size_t len, struct msg **msg);
