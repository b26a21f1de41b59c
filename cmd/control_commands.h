/* SPDX-License-Identifier: MIT */
/* What the words over the control socket do. refrain-operate(7) lists them. Main thread. */
#pragma once

#include "cmd/reload.h"
#include "cmd/sandbox.h"
#include "cmd/steer.h"
#include "lib/buf.h"
#include "lib/control_request.h"

struct commands {
    struct steer *steer; /* borrowed, as are the others */
    struct pipeline *pipe;
    const struct ledger *ledger;
    const struct options *options;
    const struct sandbox *sandbox; /* NULL: none */
    const struct shed *shed; /* of --max-cpu, or NULL */
    int64_t start_ns;
    struct reload *reload;
    bool stop; /* it was asked for */
};

/* For struct control_handler: arg is a struct commands. */
void commands_answer(void *arg, const struct control_request *request, struct buf *out);
