/* SPDX-License-Identifier: MIT */
/* One message as one line of JSON, and back: refrain-tools(1) has the members. Round trips are
 * exact to the byte, whatever the message holds. */
#pragma once

#include "lib/buf.h"
#include "lib/msg.h"
#include "tools/http_text.h"

/* Appends the line, with its LF. 0, -ENOMEM or -ENOBUFS; out then holds a part of it. */
MUST_CHECK int json_line_write(struct buf *out, const struct msg *msg);

/* line: without its LF. *msg is the caller's alone. 0; -EINVAL with why filled; -ENOMEM. */
MUST_CHECK int json_line_read(struct span line, struct msg **msg, char why[WHY_MAX]);
