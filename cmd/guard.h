/* SPDX-License-Identifier: MIT */
/* --guard and --to-guard 'errors>2%,p99>500ms': what an output must not come to within a window
 * that slides. It only looks; cmd/ramps.h acts. Main thread. */
#pragma once

#include "cmd/assertion.h"
#include "lib/options.h"

#define GUARD_MAX 8 /* assertions */
#define GUARD_SLICES 6 /* of the window: as often does it look */
#define GUARD_LEAST 20 /* fewer requests are no share, and no percentile */

struct guard {
    size_t n; /* 0: nothing is guarded */
    struct {
        struct assertion is;
        char text[64];
    } assertions[GUARD_MAX];
    int64_t window_ns;
};

/* Of the output that is the nth value of that option: its own (--to-guard, --to-guard-window), or
 * what is said for all. output NULL: what is said for all. */
MUST_CHECK int guard_read(struct guard *guard, const struct options *options, const char *output,
                          size_t nth, struct err *err);

/* One output under guard. */
struct watch;
/* guard and account are borrowed. NULL: no memory. */
MUST_CHECK struct watch *watch_new(const struct guard *guard, const struct account *account);
void watch_free(struct watch *watch);
/* What was so far does not count any more. */
void watch_restart(struct watch *watch, int64_t now_ns);
/* True: an assertion is broken, and why says which and by what. Often: it looks when it is time. */
bool watch_tick(struct watch *watch, int64_t now_ns, char *why, size_t size);
