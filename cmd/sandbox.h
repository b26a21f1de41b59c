/* SPDX-License-Identifier: MIT */
/* What refrain gives up before foreign bytes are read: its user, capabilities, the chance to gain
 * rights by running a program, and leaving a core dump, which would hold the traffic.
 *
 * It is entered in the midst of the start (cmd/wire.c): after rings, listeners, the control socket
 * and recordings to be replayed are open, which may need root, and before the first output is, so
 * that whoever will open files again later opens them the first time, too. What needs a thread of
 * its own starts it after that: capabilities are a matter of each thread.
 *
 * --no-sandbox leaves all of it out, for debuggers; but --user is done even so. */
#pragma once

#include "cmd/privileges.h"

struct sandbox {
    bool off; /* --no-sandbox */
    struct privileges privileges;
};

/* Changes nothing yet. */
MUST_CHECK int sandbox_read(struct sandbox *sandbox, const struct options *options,
                            struct err *err);
/* Main thread, once. On failure the process may be half inside: it can only end. */
MUST_CHECK int sandbox_enter(struct sandbox *sandbox, struct err *err);
