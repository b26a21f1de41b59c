/* SPDX-License-Identifier: MIT */
/* What a request becomes when its answer sends it elsewhere (RFC 9110, 15.4). Stateless. */
#pragma once

#include "lib/base.h"
#include "lib/msg.h"
#include "outputs/http_target.h"

enum redirect {
    REDIRECT_NONE = 0, /* the answer is no redirect, or one that cannot be followed */
    REDIRECT_FOLLOW = 1,
    REDIRECT_ELSEWHERE = 2, /* to another host: nothing is sent to where nobody asked for */
    REDIRECT_NO_MEMORY = 3,
};

/* answer: begins with the whole head, v its view. Borrows all; FOLLOW: *out is a new reference. The
 * location is taken relative to the request's target as it was sent: with target's prefix. */
enum redirect http_redirect(const struct msg *request, const struct http_target *target,
                            struct span answer, const struct http_view *v, const struct msg **out);
