/* SPDX-License-Identifier: MIT */
/* The filters of a capture, asked about records: redaction, then those that judge, then those that
 * change, as in a run. A response shares its request's fate; one whose request was not among the
 * records before it is dropped when anything judges. Owned by one thread. */
#pragma once

#include "tools/job.h"

struct selection;

/* Takes a message that was selected, maybe changed. 0, or -errno with job->err. */
typedef int selection_put(struct job *job, const struct msg *msg);

/* status: "" or "5xx": requests wait for their response, which must have such a status. invert:
 * what these drop is selected instead. The filters are those of job->args. */
MUST_CHECK int selection_new(struct selection **sp, struct job *job, bool invert,
                             const char *status, selection_put *put);
void selection_free(struct selection *s);
/* Does it select at all, or change? */
bool selection_judges(const struct selection *s);

/* Takes msg; puts it, or keeps it until its response has come, or drops it and counts that. */
MUST_CHECK int selection_feed(struct selection *s, const struct msg *msg);
/* After the last: what waits will have no response. */
MUST_CHECK int selection_finish(struct selection *s);
