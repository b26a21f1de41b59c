/* SPDX-License-Identifier: MIT */
/* What is asserted of an output, "errors>1%", "p99>300ms": for --fail-on of a whole run, and for
 * --guard of its last minute. */
#pragma once

#include "lib/err.h"
#include "lib/ledger.h"
#include "lib/span.h"

struct metric {
    const char *name;
    uint64_t (*count)(const struct account *a); /* NULL: a time, of so large a share of answers: */
    double share;
    bool any_output; /* not only those that get answers */
    bool compares; /* of the comparison, as a share of the pairs */
    bool at_end; /* it means nothing before */
};

struct assertion {
    const struct metric *metric;
    bool below, or_equal; /* <, <=, >=; else > */
    bool is_share; /* of the requests that were for the output */
    double bound; /* a number, a share, or nanoseconds */
};

/* option ("fail-on") is for the message, which points at what is wrong. */
MUST_CHECK int assertion_parse(struct assertion *a, const char *option, const char *text,
                               struct err *err);
/* NULL: there is none of that name. */
const struct metric *assertion_metric(struct span name);
/* Is value what must not be? */
bool assertion_breaks(const struct assertion *a, double value);
/* Requests that were for this output and have found their fate. */
uint64_t assertion_settled(const struct account *a);
