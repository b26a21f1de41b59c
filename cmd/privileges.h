/* SPDX-License-Identifier: MIT */
/* Which user refrain runs as, and with which rights, once it has opened what only root may open:
 * rings, listeners, the control socket, recordings to be replayed. What it writes is opened after
 * that, by the user who will open it again when files are rotated: what that user may not do shows
 * at the start, and not hours later.
 *
 * Changing the user holds for the whole process (glibc carries it to all threads), and takes all
 * capabilities away from threads that run already; of a process that stays with its user only the
 * calling thread, and what it starts, loses them. So: main thread, before threads. */
#pragma once

#include <sys/types.h>

#include "lib/err.h"
#include "lib/options.h"

struct privileges {
    bool change; /* from root to the user below */
    bool chosen; /* by --user: then it must work */
    uid_t uid;
    gid_t gid;
    char name[64]; /* of the user that it runs as in the end; "": the one that started it */
};

/* What --user says; without it, root becomes the user "refrain" where there is one, unless wanted
 * is false (--no-sandbox). Changes nothing. */
MUST_CHECK int privileges_read(struct privileges *p, const struct options *options, bool wanted,
                               struct err *err);

/* Becomes that user, with its groups. All capabilities go, bounding and ambient sets too, but for
 * CAP_NET_RAW if keep_raw, and CAP_DAC_OVERRIDE for root who is to stay root: --user root is there
 * for writing where others may not, and without that capability root could not. */
MUST_CHECK int privileges_drop(struct privileges *p, bool keep_raw, struct err *err);

/* Becomes that user and keeps whatever rights that leaves: --no-sandbox with --user. */
MUST_CHECK int privileges_change_user(struct privileges *p, struct err *err);

/* Adds to an error about a file who it was that may not use it, if that is another user than the
 * one who started refrain. */
void privileges_explain(const struct privileges *p, int r, struct err *err);
