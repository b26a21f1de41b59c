/* SPDX-License-Identifier: MIT */
/* What refrain ctl status shows: inputs and outputs by name, how they are turned, what their books
 * say, and what refrain itself takes. Main thread. */
#pragma once

#include "cmd/steer.h"
#include "lib/shed.h"
#include "report/json_object.h"

/* Adds it to an object under way. */
/* shed: of --max-cpu, or NULL. */
void status_put(struct object *o, const struct steer *steer, const struct options *options,
                const struct shed *shed, int64_t running_ns);
