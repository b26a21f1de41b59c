/* SPDX-License-Identifier: MIT */
/* The route of a request: its method and its path, in which numbers and ids are folded, so that
 * /users/17/orders/9 and /users/4/orders/2 are one: "/users/{n}/orders/{n}". The query is dropped.
 * Pure; any thread.
 *
 * A piece is what stands between '/' and other delimiters; an extension (.json) stays. It, or a
 * part of it that has only letters and digits, becomes
 *   {n}     when it is a number; a part only when it has 4 digits or more
 *   {uuid}  when it has the form of one
 *   {hex}   when it is 8 hex digits or more, a decimal one among them
 *   {id}    when it is 16 letters and digits or more that change often between digits, capitals
 *           and small letters: words and version numbers do not */
#pragma once

#include "lib/span.h"

#define ROUTE_TEXT_MAX 256

struct route_text {
    char text[ROUTE_TEXT_MAX]; /* method, a space, path; only printable ASCII: others as %XX */
    size_t len;
    size_t method_len;
    bool cut;
};

/* What does not fit is cut off, and ends in "...". */
void route_template(struct route_text *out, struct span method, struct span target);
