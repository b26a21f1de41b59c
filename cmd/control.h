/* SPDX-License-Identifier: MIT */
/* Signals, the time limit, the control socket, --stop-file and the metrics: what the main thread
 * does while the pipeline runs. */
#pragma once

#include "cmd/control_server.h"
#include "cmd/reload.h"
#include "cmd/wire.h"
#include "lib/err.h"
#include "lib/ledger.h"
#include "lib/options.h"

/* Blocks the signals that control_run() handles, and ignores SIGPIPE. Before any thread starts. */
MUST_CHECK int control_init(struct err *err);

struct control;

/* Listens on the socket of --control, as who started refrain; NULL without it. */
MUST_CHECK int control_listen(struct control_server **serverp, const struct options *options,
                              struct err *err);

/* What it works with; borrowed. */
struct control_args {
    const struct wired *wired;
    struct ledger *ledger;
    const struct options *options;
    const struct command_line *line;
    const struct sandbox *sandbox;
    struct control_server *server; /* of control_listen(); NULL: none */
    struct metrics_server *metrics_server; /* of metrics_listen(); NULL: none */
};

/* Pauses what is to be paused from the beginning. Before the pipeline starts. */
MUST_CHECK int control_open(struct control **controlp, const struct control_args *args,
                            struct err *err);
/* Starts the threads that serve the metrics. */
MUST_CHECK int control_serve(struct control *control, struct err *err);
/* After pipeline_join(), so that the last metrics are those of the end. NULL is fine. */
void control_close(struct control *control);

/* Returns when all threads of the pipeline have ended, or an end was forced. SIGINT, SIGTERM: stop
 * and drain, the second one at once; SIGHUP: outputs reopen, and --config is read again; SIGUSR1:
 * the summary. */
void control_run(struct control *control);
