/* SPDX-License-Identifier: MIT */
/* A request as a command for a POSIX shell with curl in it, that sends the same request again: same
 * method, target, version, fields and body, to the host that its Host field names. Whatever bytes
 * it holds, they are no more to the shell than bytes. */
#pragma once

#include "lib/buf.h"
#include "lib/msg.h"
#include "tools/http_text.h"

/* Appends the command with its line end. 0; -EINVAL: curl cannot be made to send it (*why says
 * why); -ENOMEM, -ENOBUFS. out then holds a part of it. */
MUST_CHECK int curl_write(struct buf *out, const struct msg *request, const char **why);

/* The request that a command of the shell sends: those that curl_write() makes, and what browsers
 * offer to copy. Nothing of it is run, and no file is read. *request is NULL when there is no
 * command. 0; -EINVAL with why filled; -ENOMEM. */
MUST_CHECK int curl_read(struct span command, struct msg **request, char why[WHY_MAX]);
