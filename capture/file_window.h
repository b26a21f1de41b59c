/* SPDX-License-Identifier: MIT */
/* Which part of a recording is played: --from, --to and --skip. A time is written as an offset from
 * the first record (90s, 1h30m), as a time of day (14:05, 14:05:30: the first one from there on, in
 * local time) or as a moment (2026-11-20T14:05:30, local; with Z, UTC). A response is inside when
 * its request is. Owned by the input's thread. */
#pragma once

#include "lib/err.h"
#include "lib/fates.h"
#include "lib/msg.h"
#include "lib/options.h"

enum window_unit {
    WINDOW_NONE = 0, /* no bound */
    WINDOW_OFFSET, /* ns */
    WINDOW_DAYTIME, /* s since midnight */
    WINDOW_MOMENT, /* ns since the epoch */
};

struct window_time {
    enum window_unit unit;
    int64_t value;
};

struct file_window {
    struct window_time from, to;
    int64_t skip; /* requests, of those from --from on */
    /* --- inside --- */
    bool begun; /* from_ns and to_ns are known */
    int64_t from_ns, to_ns;
    int64_t n_skipped;
    struct fates *fates; /* of the requests inside; NULL: everything is inside */
};

enum window_verdict {
    WINDOW_INSIDE = 0,
    WINDOW_OUTSIDE = 1, /* before it, or skipped, or a response to what is */
    WINDOW_OVER = 2, /* nothing that follows in time can be inside */
};

MUST_CHECK int file_window_init(struct file_window *w, const struct options *options,
                                struct err *err);
void file_window_fini(struct file_window *w);
/* The recording begins again. */
void file_window_restart(struct file_window *w);

/* Once a record has been judged: nothing before this moment is inside. INT64_MIN: not known. */
int64_t file_window_from(const struct file_window *w);

/* The next record in order of time. */
enum window_verdict file_window_judge(struct file_window *w, const struct msg *msg);
