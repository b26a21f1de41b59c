/* SPDX-License-Identifier: MIT */
/* What the tools have in common that read records one by one, and write some of them: the files,
 * the tally, and the end. */
#pragma once

#include "tools/out.h"
#include "tools/recordings.h"
#include "tools/tool.h"

/* What became of the messages: read = written + filtered + outside + left_out + failed. */
struct tally {
    uint64_t read;
    uint64_t written;
    uint64_t filtered; /* by the options that select */
    uint64_t outside; /* of --from, --to, --skip, --count */
    uint64_t left_out; /* the format that is written has no place for them */
    uint64_t failed; /* no memory */
    uint64_t damaged; /* stretches of the input that could not be read; beside the sum */
    uint64_t mended; /* of them: used all the same */
};

struct job {
    const struct tool_args *args;
    struct err *err;
    struct out *out; /* NULL: nothing is written */
    struct tally tally;
    bool enough; /* set by each(): nothing that follows matters */
    void *arg; /* each's */
    bool writes; /* opens out */
    struct reader_stats stats; /* at the end: of all that was read */
    int (*finish)(struct job *job); /* optional: after the last record */
    bool quiet; /* the tool tells of damage itself */
};

/* Called for each record, which it takes; counts what becomes of it. 0, or -errno with job->err. */
typedef int job_each(struct job *job, const struct msg *msg);

/* Opens all, reads to the end, closes; tells the tally on standard error. job has args, err, arg,
 * writes and quiet set; the rest is zero. An exit status, STATUS_FAILURE when there was damage, or
 * -errno with err filled. */
MUST_CHECK int job_run(struct job *job, struct recordings_config *config, job_each *each);

/* Opens --output-file into job->out. */
MUST_CHECK int job_open_out(struct job *job);
/* The file gets its name when r, the outcome so far, is not negative; returns r, or what went wrong
 * at the end. */
MUST_CHECK int job_close_out(struct job *job, int r);
/* The tally as text, or as JSON with --summary json, on standard error. The exit status. */
int job_tell(const struct job *job);
/* Warns of a stretch of damage; the first few of them. */
void job_tell_damage(void *job, const struct reader_damage *damage);

/* Writes msg, takes it, counts it. */
int job_write(struct job *job, const struct msg *msg);
