/* SPDX-License-Identifier: MIT */
/* The comparison of replayed answers with those that were recorded: an output that gets requests,
 * recorded responses and all answers, pairs them (compare/pairing.h), finds what differs
 * (compare/answer_diff.h) and counts it (compare/comparison.h). Like every output it has a queue
 * and a thread of its own, so that no replay waits for it but when its input can wait. */
#pragma once

#include "compare/comparison.h"
#include "lib/output.h"

/* All pointers are borrowed for the output's life; options until it is open. */
struct compare_config {
    const struct options *options; /* --compare-ignore */
    struct books *books;
    struct comparison *comparison;
    bool with_baseline; /* some answers are the baseline's */
    bool twice; /* which is the one target itself: its two answers tell what is noise */
    bool several; /* targets */
};

/* *outp is set on success. Main thread. */
MUST_CHECK int compare_open(struct output **outp, const struct compare_config *config,
                            struct err *err);
/* Answers of the output of that number (output.number) are the baseline's. Before any comes. */
void compare_set_baseline(struct output *out, uint8_t number);
