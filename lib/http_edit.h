/* SPDX-License-Identifier: MIT */
/* Changing the head of a message. Every other byte stays as it was on the wire: order, case, white
 * space and duplicates of the other fields, and the body.
 *
 * Each function borrows msg and returns a new reference in *out: a new message, or msg itself when
 * there is nothing to change (it is not HTTP, or it is already as wanted). 0, -ENOMEM, or -EINVAL:
 * the arguments, or the head that would result, are not valid HTTP; *out is then not set. */
#pragma once

#include "lib/buf.h"
#include "lib/msg.h"
#include "lib/span.h"

/* Replaces the value of the first field of that name, whose own spelling of the name stays, or adds
 * it as the first field. name: a token. value: without CR, LF, NUL. */
MUST_CHECK int http_edit_set_field(const struct msg *msg, struct span name, struct span value,
                                   const struct msg **out);

/* Removes every field of that name. */
MUST_CHECK int http_edit_remove_field(const struct msg *msg, struct span name,
                                      const struct msg **out);

/* Replaces the request target; a response stays as it is. target: one or more visible bytes. */
MUST_CHECK int http_edit_set_target(const struct msg *msg, struct span target,
                                    const struct msg **out);

/* Replaces or adds the Host field. */
MUST_CHECK int http_edit_set_host(const struct msg *msg, struct span host, const struct msg **out);

/* Appends the head of a request to out as it is to be sent elsewhere, without empty lines before
 * it. No message is made; the body follows unchanged as msg_body().
 *
 * host: replaces the first Host field or is added; a target in absolute form (RFC 9112, 3.2.2)
 * becomes origin form then. Empty: both stay. prefix: goes before the path; it begins with '/' and
 * does not end with one, or is empty. Targets in asterisk and authority form stay.
 * 0, -EINVAL (not a request), -ENOBUFS, -ENOMEM; out is unchanged unless 0. */
MUST_CHECK int http_render_head(struct buf *out, const struct msg *msg, struct span host,
                                struct span prefix);
