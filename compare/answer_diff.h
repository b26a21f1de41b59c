/* SPDX-License-Identifier: MIT */
/* The differences between two answers to one request: status, header fields, body. Chunk framing
 * and compression of bodies are undone first; two bodies of JSON are compared value by value,
 * others byte by byte. Of answers that were cut (MSG_CUT) only what both have counts. */
#pragma once

#include "compare/difference.h"
#include "compare/ignore.h"
#include "lib/http_plain.h"
#include "lib/msg.h"

/* What comparing needs from one pair to the next. Owned by one thread. */
struct answer_diff {
    const struct ignore *ignore; /* borrowed */
    struct http_plain plain[2];
};

void answer_diff_init(struct answer_diff *diff, const struct ignore *ignore);
void answer_diff_fini(struct answer_diff *diff);

/* Tells sink of every difference but those that are ignored. */
void answer_diff(struct answer_diff *diff, const struct msg *first, const struct msg *second,
                 struct difference_sink *sink);
