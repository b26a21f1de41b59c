/* SPDX-License-Identifier: MIT */
#include "tools/job.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

#include "lib/log.h"

/* So many stretches of damage are told one by one; refrain verify tells all. */
#define TOLD_MAX 5

int job_open_out(struct job *job)
{
    const struct options *o = job->args->options;
    return out_open(&job->out, options_string(o, "output-file"), options_bool(o, "force"),
                    job->err);
}

int job_close_out(struct job *job, int r)
{
    struct err err;
    int closed = out_close(job->out, r >= 0, &err);
    job->out = NULL;
    if (r < 0 || closed >= 0)
        return r;
    *job->err = err;
    return closed;
}

void job_tell_damage(void *arg, const struct reader_damage *damage)
{
    struct job *job = arg;
    job->tally.damaged++;
    job->tally.mended += damage->mended;
    if (job->quiet || job->tally.damaged > TOLD_MAX)
        return;
    if (job->tally.damaged == TOLD_MAX) {
        log_warn(job->args->tool->name, "there is more damage: refrain verify tells of all");
        return;
    }
    log_warn(job->args->tool->name, "%s: byte %" PRIu64 "%s: %s: %" PRIu64 " bytes skipped",
             damage->path, damage->offset, damage->compressed ? " of what it holds" : "",
             damage->what, damage->len);
}

static void tell_json(const struct tally *t, const char *tool)
{
    fprintf(stderr,
            "{\"tool\": \"%s\", \"read\": %" PRIu64 ", \"written\": %" PRIu64
            ", \"filtered\": %" PRIu64 ", \"outside\": %" PRIu64 ", \"left_out\": %" PRIu64
            ", \"failed\": %" PRIu64 ", \"damaged\": %" PRIu64 ", \"mended\": %" PRIu64 "}\n",
            tool, t->read, t->written, t->filtered, t->outside, t->left_out, t->failed, t->damaged,
            t->mended);
}

/* Terms that are zero are left out. */
static void tell_text(const struct tally *t, const char *tool)
{
    const struct {
        uint64_t n;
        const char *words;
    } terms[] = {
        {t->filtered, "not selected"},
        {t->outside, "outside"},
        {t->left_out, "left out"},
        {t->failed, "lost for want of memory"},
    };
    char text[256];
    size_t n = (size_t)snprintf(
        text, sizeof(text), "%" PRIu64 " records read = %" PRIu64 " written", t->read, t->written);
    for (size_t i = 0; i < ARRAY_LEN(terms); i++)
        if (terms[i].n > 0)
            n += (size_t)snprintf(text + n, sizeof(text) - n, " + %" PRIu64 " %s", terms[i].n,
                                  terms[i].words);
    if (t->damaged > 0)
        n += (size_t)snprintf(text + n, sizeof(text) - n, "; %" PRIu64 " damaged%s", t->damaged,
                              t->mended > 0 ? ", some of them mended" : "");
    assert(n < sizeof(text));
    log_info(tool, "%s", text);
}

int job_tell(const struct job *job)
{
    const struct tally *t = &job->tally;
    const char *tool = job->args->tool->name;
    assert(t->read == t->written + t->filtered + t->outside + t->left_out + t->failed);
    if (options_string(job->args->options, "summary")[0] == 'j')
        tell_json(t, tool);
    else
        tell_text(t, tool);
    return t->damaged > 0 || t->failed > 0 ? STATUS_FAILURE : STATUS_DONE;
}

int job_write(struct job *job, const struct msg *msg)
{
    out_record(job->out, msg);
    msg_unref(msg);
    job->tally.written++;
    return 0;
}

static int read_all(struct job *job, struct recordings *in, job_each *each)
{
    int r = 0;
    while (r >= 0 && !job->enough && (!job->out || out_is_ok(job->out))) {
        struct msg *msg = NULL;
        r = recordings_next(in, &msg, job->err);
        if (r == READER_END)
            return 0;
        if (r < 0)
            return r;
        job->tally.read++;
        r = each(job, msg);
    }
    return r;
}

int job_run(struct job *job, struct recordings_config *config, job_each *each)
{
    struct recordings *in = NULL;
    if (!config->on_damage) {
        config->on_damage = job_tell_damage;
        config->on_damage_arg = job;
    }
    int r = recordings_new(&in, config, job->err);
    if (r == 0)
        r = recordings_add_all(in, job->args, job->err);
    if (r == 0 && job->writes)
        r = job_open_out(job);
    if (r == 0)
        r = read_all(job, in, each);
    if (r == 0 && job->finish)
        r = job->finish(job);
    if (in)
        job->stats = recordings_stats(in);
    recordings_free(in);
    r = job_close_out(job, r);
    return r < 0 || !job->writes ? r : job_tell(job);
}
