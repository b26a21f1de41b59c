/* SPDX-License-Identifier: MIT */
/* Bodies as the application has them: chunk framing and compression undone, whoever asks. Bounded,
 * so that a stranger's few bytes keep nobody busy; refrain(1) names the bounds (FILTER ORDER).
 * Owned by one thread. */
#pragma once

#include "lib/buf.h"
#include "lib/msg.h"

struct http_plain {
    struct buf room[2]; /* in turn: one is read while the other is written */
};

void http_plain_init(struct http_plain *plain);
void http_plain_fini(struct http_plain *plain);

enum http_plain_result {
    HTTP_PLAIN_ALREADY = 0, /* nothing was to be undone: *body is the message's own */
    HTTP_PLAIN_UNDONE = 1, /* *body lies in plain, until it is used again */
    HTTP_PLAIN_NOT = 2, /* damaged, an unknown coding, too long, or no memory */
};

/* The body of msg. What is missing of one that was cut (MSG_CUT) does not matter to chunks, but
 * what is compressed must be whole. */
enum http_plain_result http_plain_body(struct http_plain *plain, const struct msg *msg,
                                       struct span *body);
/* Gives back what a large body needed. Bodies undone before are no longer valid. */
void http_plain_trim(struct http_plain *plain);
