/* SPDX-License-Identifier: MIT */
/* From what was asked of one output to what the pipeline takes, at the start and while it runs.
 * Main thread. */
#pragma once

#include "cmd/wanted.h"
#include "lib/err.h"
#include "lib/ledger.h"
#include "lib/pipeline.h"

/* What is opened together. All is borrowed. */
struct output_wiring {
    const struct options *options;
    const struct wanted_outputs *outputs;
    struct ledger *ledger;
    bool compares; /* answers are compared (wire_compare_wanted()) */
    struct options *lent; /* while it runs: the same options, of which each output gets a reference,
                             and accounts may be those of outputs before; NULL: at the start */
    struct err *err;
};

struct opened_output {
    struct output *out;
    struct account *account;
    struct output_rules rules; /* without dials */
};

/* All that opened has is the caller's, until a pipeline has taken it. */
MUST_CHECK int wire_open_output(struct opened_output *opened, const struct output_wiring *wiring,
                                const struct wanted *wanted);

/* Will anybody ask for what such an output is answered? */
bool wire_wants_answers(const struct output_wiring *wiring, const struct output_ops *ops);

struct opened_answers {
    struct account *account;
    struct books *books;
    struct answer_rules rules;
};

/* What is answered is redacted and decoded as what was recorded. */
MUST_CHECK int wire_open_answers(struct opened_answers *answers, const struct output_wiring *wiring,
                                 const struct wanted *wanted);
