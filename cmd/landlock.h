/* SPDX-License-Identifier: MIT */
/* Landlock (landlock(7)): files are written only below folders that were told, and TCP connections
 * go only to ports that were told; programs are not run, and no port is listened on any more. It
 * holds for the calling thread and what that starts. What an older kernel does not know is left
 * out. */
#pragma once

#include "lib/base.h"
#include "lib/err.h"

/* What may be done inside. */
struct landlock_rules {
    size_t n_folders;
    const char *const *folders; /* or single files, such as a device */
    const char *removing; /* in this folder files may be deleted, and nothing else; NULL: in none */
    size_t n_ports;
    const uint16_t *ports;
    bool connect_anywhere;
    bool signal_anyone; /* also processes that were started before */
    bool abstract_sockets; /* also those that others listen on */
};

/* The version of the kernel's interface; 0: it has none, or it is off. */
int landlock_version(void);
#define LANDLOCK_SINCE_TRUNCATE 3 /* before it, files that are closed to writing can be emptied */
#define LANDLOCK_SINCE_CONNECT 4 /* before it, connections go anywhere */

/* no_new_privs must be set. Does nothing where landlock_version() is 0. A folder that cannot be
 * opened is left out: nobody could write there. */
MUST_CHECK int landlock_enter(const struct landlock_rules *rules, struct err *err);
