/* SPDX-License-Identifier: MIT */
/* One value of a Kafka message, as a record and as gor's JSON: what is understood, is written and
 * read again as the same message. Input: the value. */
#include <stdlib.h>
#include <string.h>

#include "lib/record_json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define JSON_MAX (64 * MIB)

static void check(bool holds)
{
    if (!holds)
        abort();
}

static void check_same(const struct msg *a, const struct msg *b)
{
    check(a->type == b->type && a->flags == b->flags && a->conn == b->conn);
    check(a->ts_ns == b->ts_ns && a->latency_ns == b->latency_ns);
    check(endpoint_eq(&a->src, &b->src) && endpoint_eq(&a->dst, &b->dst));
    check(span_eq(msg_id(a), msg_id(b)) && span_eq(msg_payload(a), msg_payload(b)));
}

/* An id that is not UTF-8 cannot be told in JSON. */
static bool is_plain(struct span s)
{
    for (size_t i = 0; i < s.len; i++)
        if (s.ptr[i] < ' ' || s.ptr[i] >= 0x7f)
            return false;
    return true;
}

static void check_again(const struct msg *msg)
{
    struct buf out;
    struct msg *again = NULL;
    check(msg->len > 0 && msg->http.head_len <= msg->len);
    if (msg->type > MSG_REPLAYED || !is_plain(msg_id(msg)))
        return;
    buf_init(&out, JSON_MAX);
    check(record_json_write(&out, msg) == 0);
    check(record_json_read(buf_span(&out), &again) == RECORD_MSG);
    check_same(msg, again);
    msg_unref(again);
    buf_fini(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct msg *msg = NULL;
    struct span value = span_of(data, size);
    if (record_alone(value, &msg) == RECORD_MSG)
        check_again(msg);
    msg_unref(msg);
    msg = NULL;
    if (record_json_read(value, &msg) == RECORD_MSG)
        check_again(msg);
    msg_unref(msg);
    return 0;
}
