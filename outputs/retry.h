/* SPDX-License-Identifier: MIT */
/* A connection that is opened again when it breaks: when to try, and what is said about it, which
 * is one line when it goes away and one when it is back. Owned by the output's thread. */
#pragma once

#include "lib/base.h"
#include "lib/net.h"
#include "lib/output.h"

struct retry {
    struct backoff backoff; /* the owner's to use */
    const char *tag; /* of log lines. Borrowed */
    struct books *books; /* borrowed */
    bool was_up; /* at any time: the next one is a reconnection */
    bool said_down;
};

void retry_init(struct retry *retry, struct output *out, const char *tag);
/* It does not work, or no longer: "cannot connect", and why. */
void retry_tell(struct retry *retry, const char *what, const char *why);
/* It works. The back-off stays as it is: that is for something delivered to change. */
void retry_up(struct retry *retry);
