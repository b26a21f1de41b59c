/* SPDX-License-Identifier: MIT */
/* Where a tool writes: standard output, or the file of --output-file, which appears under its name
 * when it is whole: until then it is written beside it, so that a recording can even be replaced by
 * its own repaired copy. A file that exists is replaced only with --force. Mode 0600. ".gz" is
 * compressed. Errors are sticky, and told by out_close(). Owned by one thread. */
#pragma once

#include "lib/err.h"
#include "lib/msg.h"
#include "lib/span.h"

struct out;

/* path "-": standard output. 0 or -errno with err filled. */
MUST_CHECK int out_open(struct out **outp, const char *path, bool force, struct err *err);
/* keep: the file gets its name; else it is removed. NULL is fine. 0, or -errno with err filled:
 * not everything was written. */
MUST_CHECK int out_close(struct out *out, bool keep, struct err *err);

/* Once something could not be written, nothing more is. */
bool out_is_ok(const struct out *out);
void out_put(struct out *out, struct span bytes);
/* One record, as refrain writes them. */
void out_record(struct out *out, const struct msg *msg);
