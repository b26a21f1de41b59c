/* SPDX-License-Identifier: MIT */
/* refrain repair: a copy in which only what is broken is dropped. */
#include <inttypes.h>

#include "tools/damage.h"
#include "tools/job.h"

static void tell(void *arg, const struct reader_damage *damage)
{
    struct job *job = arg;
    job->tally.damaged++;
    job->tally.mended += damage->mended;
    damage_print(stderr, job->args->options, damage, damage->mended ? "mended" : "dropped");
}

static int run(const struct tool_args *args, struct err *err)
{
    struct job job = {.args = args, .err = err, .writes = true, .quiet = true};
    struct recordings_config config = {
        .order = RECORDINGS_IN_TURN,
        .mends = true,
        .on_damage = tell,
        .on_damage_arg = &job,
    };
    int r = job_run(&job, &config, job_write);
    return r == STATUS_FAILURE && job.tally.failed == 0 ? STATUS_DONE : r;
}

static const char *const takes[] = {"help", "version", "verbose", NULL};

const struct tool tool_repair = {
    .name = "repair",
    .operands = "FILE...",
    .summary = "Write a copy without what is damaged, and tell what was dropped",
    .takes = takes,
    .run = run,
};
