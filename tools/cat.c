/* SPDX-License-Identifier: MIT */
/* refrain cat: recordings one behind the other, as they stand in their files. */
#include "tools/job.h"

static int run(const struct tool_args *args, struct err *err)
{
    struct recordings_config config = {.order = RECORDINGS_IN_TURN};
    struct job job = {.args = args, .err = err, .writes = true};
    return job_run(&job, &config, job_write);
}

static const char *const takes[] = {"help", "version", "verbose", NULL};

const struct tool tool_cat = {
    .name = "cat",
    .operands = "FILE...",
    .summary = "Write the records of recordings, one file behind the other",
    .takes = takes,
    .run = run,
};
