/* SPDX-License-Identifier: MIT */
/* refrain verify: is every byte of these recordings that of a sound record? */
#include <inttypes.h>
#include <stdio.h>

#include "tools/damage.h"
#include "tools/job.h"

static void tell(void *arg, const struct reader_damage *damage)
{
    struct job *job = arg;
    job->tally.damaged++;
    damage_print(stdout, job->args->options, damage, "damaged");
}

/* A record that was read is sound. */
static int each(struct job *job, const struct msg *msg)
{
    job->tally.written++;
    msg_unref(msg);
    return 0;
}

static int run(const struct tool_args *args, struct err *err)
{
    struct job job = {.args = args, .err = err, .quiet = true};
    struct recordings_config config = {
        .order = RECORDINGS_IN_TURN,
        .on_damage = tell,
        .on_damage_arg = &job,
    };
    int r = job_run(&job, &config, each);
    if (r < 0)
        return r;
    if (!damage_is_json(args->options))
        printf("%" PRIu64 " sound records, %" PRIu64 " damaged places\n", job.tally.read,
               job.tally.damaged);
    else
        printf("{\"records\": %" PRIu64 ", \"damaged\": %" PRIu64 "}\n", job.tally.read,
               job.tally.damaged);
    return job.tally.damaged > 0 ? STATUS_FAILURE : STATUS_DONE;
}

static const char *const takes[] = {"help", "version", "verbose", NULL};

const struct tool tool_verify = {
    .name = "verify",
    .operands = "FILE...",
    .summary = "Tell of every damage, with its place; exit status 1 when there is any",
    .takes = takes,
    .run = run,
};
