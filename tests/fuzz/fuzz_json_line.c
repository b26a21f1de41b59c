/* SPDX-License-Identifier: MIT */
/* A line of JSON that is taken for a message comes back as the same message when it is written and
 * read again, and nothing that it says makes two messages of one head. Input: the line. */
#include <stdlib.h>
#include <string.h>

#include "tools/json_get.h"
#include "tools/json_line.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool holds)
{
    if (!holds)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct msg *msg = NULL, *again = NULL;
    struct buf buf;
    char why[WHY_MAX];
    json_get_own_memory();
    int r = json_line_read(span_of(data, size), &msg, why);
    check(r == 0 || (r == -22 && memchr(why, '\0', WHY_MAX)));
    if (r < 0)
        return 0;
    check(msg->len > 0);
    buf_init(&buf, 16 * MIB);
    check(json_line_write(&buf, msg) == 0);
    struct span line = buf_span(&buf);
    check(line.ptr[line.len - 1] == '\n' && !memchr(line.ptr, '\n', line.len - 1));
    check(json_line_read(span_of(line.ptr, line.len - 1), &again, why) == 0);
    check(again->type == msg->type && again->ts_ns == msg->ts_ns);
    check(again->latency_ns == msg->latency_ns && span_eq(msg_payload(msg), msg_payload(again)));
    check(endpoint_eq(&msg->src, &again->src) && endpoint_eq(&msg->dst, &again->dst));
    buf_fini(&buf);
    msg_unref(msg);
    msg_unref(again);
    return 0;
}
