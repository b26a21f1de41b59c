/* SPDX-License-Identifier: MIT */
/* refrain grep: those records that the filters of a capture let pass. */
#include "tools/selection.h"

static int each(struct job *job, const struct msg *msg)
{
    return selection_feed(job->arg, msg);
}

static int finish(struct job *job)
{
    return selection_finish(job->arg);
}

static int run(const struct tool_args *args, struct err *err)
{
    const struct options *o = args->options;
    struct recordings_config config = {.order = RECORDINGS_IN_TURN};
    struct job job = {.args = args, .err = err, .writes = true, .finish = finish};
    struct selection *selection = NULL;
    int r = selection_new(&selection, &job, options_bool(o, "invert"), options_string(o, "status"),
                          job_write);
    if (r < 0)
        return r;
    job.arg = selection;
    if (selection_judges(selection))
        r = job_run(&job, &config, each);
    else
        r = err_usage(err, "refrain grep: say what to look for: --http-allow-url ^/api, --http-if "
                           "header:X-A=1, --status 5xx, ...");
    selection_free(selection);
    return r;
}

static const char *const takes[] = {
    "help", "version", "verbose", "seed", "@filter", "!middleware", NULL,
};

const struct tool tool_grep = {
    .name = "grep",
    .operands = "FILE...",
    .summary = "Write the requests that the filters let pass, and their responses",
    .takes = takes,
    .run = run,
};
