/* SPDX-License-Identifier: MIT */
/* An answer that an output has got, as it is given on to other outputs (output.answers). */
#pragma once

#include "lib/base.h"
#include "lib/output.h"
#include "lib/span.h"

struct answer {
    struct span bytes; /* as much of it as was kept */
    bool cut; /* there was more */
    int64_t ts_ns; /* CLOCK_REALTIME of its first byte */
    int64_t latency_ns; /* from when the request went out to that */
    int64_t rtt_ns; /* and to its end */
};

/* Gives it on as a message of its own, of at most out->answer_max bytes; or counts that there was
 * no memory for it. Somebody must have asked for answers. */
void answer_tell(struct output *out, const struct msg *request, const struct answer *answer);
