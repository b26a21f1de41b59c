/* SPDX-License-Identifier: MIT */
/* refrain merge: recordings as one timeline. */
#include "tools/job.h"

static int run(const struct tool_args *args, struct err *err)
{
    struct recordings_config config = {
        .order = RECORDINGS_BY_TIME,
        .depth = (size_t)options_int(args->options, "input-file-read-depth"),
    };
    struct job job = {.args = args, .err = err, .writes = true};
    return job_run(&job, &config, job_write);
}

static const char *const takes[] = {
    "help", "version", "verbose", "input-file-read-depth", NULL,
};

const struct tool tool_merge = {
    .name = "merge",
    .operands = "FILE...",
    .summary = "Write the records of several recordings in the order of their times",
    .takes = takes,
    .run = run,
};
