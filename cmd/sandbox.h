/* SPDX-License-Identifier: MIT */
/* What refrain gives up before foreign bytes are read. In two steps, in the midst of the start
 * (cmd/wire.c):
 *
 *   sandbox_drop()   its user and all capabilities, the chance to gain rights by running a program,
 *                    and leaving a core dump, which would hold the traffic. After rings, listeners,
 *                    the control socket and recordings to be replayed are open, which may need
 * root. sandbox_close()  files but those below the folders that outputs write to, connections but
 * to the ports that were configured (Landlock), system calls that are not needed, running programs
 * among them (seccomp). After the middleware has started, which is the user's own program and stays
 * outside, as the command of
 *                    --output-file-on-close does. Before the first output is opened, so that
 *                    whoever will open files again later opens them the first time, too.
 *
 * All of it but the user is a matter of each thread and of those that it starts. So no thread
 * begins before sandbox_close(): inputs and outputs that have some begin them in their start
 * functions, or with their first use. What will be wanted inside is told by them (lib/needs.h).
 *
 * Where a kernel lacks a piece one line says so, and refrain goes on without it. --no-sandbox
 * leaves all of it out, for debuggers; but --user is done even so. Main thread. */
#pragma once

#include "cmd/privileges.h"
#include "lib/needs.h"

struct sandbox {
    bool off; /* --no-sandbox */
    int landlock; /* the version of it, before it closed */
    bool has_files; /* it bounds where is written */
    bool has_ports; /* and where is connected to */
    bool has_calls; /* and the system calls */
    struct privileges privileges;
    struct needs needs; /* with which it was closed */
    char **folders; /* those that may be written to, without symbolic links */
    size_t n_folders;
};

/* Changes nothing yet. */
MUST_CHECK int sandbox_read(struct sandbox *sandbox, const struct options *options,
                            struct err *err);
void sandbox_fini(struct sandbox *sandbox);

/* Once. On failure the process may be half inside: it can only end. */
MUST_CHECK int sandbox_drop(struct sandbox *sandbox, struct err *err);

/* Takes needs, also on failure. Makes the folders that are to be written to, and refuses what the
 * user may not do: it would show hours later. programs: some that were started before are to be
 * sent signals. */
MUST_CHECK int sandbox_close(struct sandbox *sandbox, struct needs *needs, bool programs,
                             struct err *err);

/* For what is added while it runs, before it is opened: would it find all that it needs? The
 * sandbox cannot be opened again: then an error that says what was closed, and what to do. needs is
 * borrowed. */
MUST_CHECK int sandbox_allows(const struct sandbox *sandbox, const struct needs *needs,
                              struct err *err);

/* "closed", "open: --no-sandbox", "closed but for connections": for people. */
const char *sandbox_text(const struct sandbox *sandbox);
