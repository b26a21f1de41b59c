/* SPDX-License-Identifier: MIT */
/* refrain cut: a part of recordings, by time, offset or count. */
#include <errno.h>

#include "capture/file_window.h"
#include "lib/fates.h"
#include "tools/job.h"

#define REMEMBERED (1 << 18) /* requests whose responses may still come */
#define INSIDE 1

/* Behind the end, responses to what is inside are waited for so long, by the recorded times. */
#define LINGER_NS (60 * NS_PER_S)

struct cut {
    struct file_window window;
    struct fates *inside; /* requests */
    int64_t count; /* requests; 0: all */
    int64_t n;
    bool over;
    int64_t until_ns; /* once over: no response behind it is looked for */
};

static int leave(struct job *job, const struct msg *msg)
{
    job->tally.outside++;
    msg_unref(msg);
    return 0;
}

/* No request behind this one is inside; answers may be. */
static int end(struct job *job, const struct msg *msg)
{
    struct cut *cut = job->arg;
    if (!cut->over)
        cut->until_ns = msg->ts_ns > INT64_MAX - LINGER_NS ? INT64_MAX : msg->ts_ns + LINGER_NS;
    cut->over = true;
    job->enough = msg->ts_ns > cut->until_ns;
    return leave(job, msg);
}

static int each_response(struct job *job, const struct msg *msg)
{
    struct cut *cut = job->arg;
    if (cut->over && msg->ts_ns > cut->until_ns)
        job->enough = true;
    return fates_get(cut->inside, msg_id(msg)) == INSIDE ? job_write(job, msg) : leave(job, msg);
}

static int each(struct job *job, const struct msg *msg)
{
    struct cut *cut = job->arg;
    enum window_verdict verdict = file_window_judge(&cut->window, msg);
    if (msg->type != MSG_REQUEST)
        return each_response(job, msg);
    if (cut->over || verdict == WINDOW_OVER || (cut->count > 0 && cut->n == cut->count))
        return end(job, msg);
    if (verdict == WINDOW_OUTSIDE)
        return leave(job, msg);
    fates_put(cut->inside, msg_id(msg), INSIDE);
    cut->n++;
    return job_write(job, msg);
}

static int run(const struct tool_args *args, struct err *err)
{
    const struct options *o = args->options;
    struct recordings_config config = {
        .order = RECORDINGS_BY_TIME,
        .depth = (size_t)options_int(o, "input-file-read-depth"),
    };
    struct cut cut = {.count = options_int(o, "count")};
    struct job job = {.args = args, .err = err, .writes = true, .arg = &cut};
    if (!options_given(o, "from") && !options_given(o, "to") && !options_given(o, "skip") &&
        cut.count == 0)
        return err_usage(err, "refrain cut: say which part: --from 90s, --to 14:05, --skip 100, "
                              "--count 10");
    int r = file_window_init(&cut.window, o, err);
    if (r == 0 && fates_new(&cut.inside, REMEMBERED) < 0)
        r = err_sys(err, ENOMEM, "refrain cut");
    if (r == 0)
        r = job_run(&job, &config, each);
    fates_free(cut.inside);
    file_window_fini(&cut.window);
    return r;
}

static const char *const takes[] = {
    "help", "version", "verbose", "input-file-read-depth", "from", "to", "skip", NULL,
};

const struct tool tool_cut = {
    .name = "cut",
    .operands = "FILE...",
    .summary = "Write a part of recordings, by time, offset or count",
    .takes = takes,
    .run = run,
};
