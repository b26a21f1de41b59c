/* SPDX-License-Identifier: MIT */
/* --metrics-address and --metrics-file: what the ledger and the state of things are, for
 * Prometheus. Main thread; the server has threads of its own. */
#pragma once

#include "cmd/metrics_server.h"
#include "cmd/metrics_view.h"
#include "lib/err.h"

/* Is any of it asked for? */
bool metrics_wanted(const struct options *options);
/* Before the start: 0, or -EINVAL with err. */
MUST_CHECK int metrics_check(const struct options *options, struct err *err);

/* Listens for --metrics-address, as who started refrain; NULL without it. */
MUST_CHECK int metrics_listen(struct metrics_server **serverp, const struct options *options,
                              struct err *err);

struct metrics;

/* Writes the file for the first time; *metricsp is NULL when nothing is asked for. All accounts
 * have been made; all is borrowed. server: of metrics_listen(); may be NULL. */
MUST_CHECK int metrics_open(struct metrics **metricsp, struct metrics_server *server,
                            const struct view_of *of, struct err *err);
/* Answers from now on: starts the server's threads. NULL is fine, here and below. */
MUST_CHECK int metrics_serve(struct metrics *metrics, struct err *err);
/* The pipeline has started. */
void metrics_begin(struct metrics *metrics);
/* Around what changes which outputs there are: nobody is answered meanwhile. */
void metrics_hold(struct metrics *metrics);
void metrics_release(struct metrics *metrics);
/* With every turn of the main loop. Returns when it wants to be called again, if nothing happens.
 */
int64_t metrics_tick(struct metrics *metrics, int64_t now_ns);
/* No more answers; before pipeline_join(). */
void metrics_stop(struct metrics *metrics);
/* Writes the file for the last time, if the pipeline had started. */
void metrics_close(struct metrics *metrics);
