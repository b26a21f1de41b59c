/* SPDX-License-Identifier: MIT */
/* HAR 1.2: one JSON document, log.entries of which is a list of requests, each with its response.
 * It is read and written entry by entry, and never as a whole. refrain-tools(1) says what of a
 * message it keeps. */
#pragma once

#include <jansson.h>

#include "lib/buf.h"
#include "lib/msg.h"
#include "tools/http_text.h"
#include "tools/text_in.h"

/* What stands before the first entry, and behind the last. */
extern const char har_head[], har_tail[];

/* Appends one entry; response may be NULL: there was none. Both are HTTP. 0, -ENOMEM, -ENOBUFS. */
MUST_CHECK int har_write_entry(struct buf *out, const struct msg *request,
                               const struct msg *response);

/* Ids for those that have none: unique in a file, and the same at every reading. */
struct har_ids {
    uint64_t seed; /* from the first entry */
    uint32_t n;
};

/* One entry as messages, the caller's alone; *response is NULL when there was none. 0; -EINVAL with
 * why filled; -ENOMEM. */
MUST_CHECK int har_read_entry(const json_t *entry, struct har_ids *ids, struct msg **request,
                              struct msg **response, char why[WHY_MAX]);

/* The text of the next entry: 1; 0 behind the last; -errno with err filled: it is no HAR. state is
 * zero before the first. */
struct har_place {
    enum {
        HAR_BEGIN = 0,
        HAR_ENTRIES,
        HAR_DONE,
    } state;
};
MUST_CHECK int har_next(struct text_in *in, struct har_place *place, struct span *entry,
                        struct err *err);
