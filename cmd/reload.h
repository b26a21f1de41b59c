/* SPDX-License-Identifier: MIT */
/* --config read again while it runs: all of it takes effect, or nothing and why. What can change is
 * which outputs there are, and all that is bound to one; the limits of inputs; the filters for all
 * outputs. What else has changed is told by name. Main thread. */
#pragma once

#include "cmd/metrics.h"
#include "cmd/sandbox.h"
#include "cmd/steer.h"

struct command_line {
    int argc;
    char *const *argv;
};

struct reload {
    struct command_line line; /* as it was started */
    struct steer *steer; /* borrowed, as is the ledger */
    struct ledger *ledger;
    const struct sandbox *sandbox; /* in which outputs are opened; NULL: none */
    struct metrics *metrics; /* that look at what changes; NULL: none */
    const struct options *options; /* as of the last time; at first borrowed */
    struct options *own; /* the same, when it was read by reload_run(); else NULL */
};

void reload_init(struct reload *reload, const struct command_line *line, struct steer *steer,
                 struct ledger *ledger, const struct options *options);
void reload_fini(struct reload *reload);

/* Is there a file to be read again? */
bool reload_can(const struct reload *reload);
MUST_CHECK int reload_run(struct reload *reload, struct err *err);
