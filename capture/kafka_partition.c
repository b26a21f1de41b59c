/* SPDX-License-Identifier: MIT */
#include "capture/kafka_partition.h"

#include <errno.h>

#include "lib/hash.h"
#include "lib/mem.h"
#include "lib/recent.h"
#include "lib/record_json.h"

/* Values looked at in one call, when none of them is a message. */
#define READ_MAX 64

/* A message that was put, or a value that was none. */
struct held {
    struct receipt receipt; /* first: it is freed through it */
    int64_t offset;
    struct held *next;
};

/* A message that did not come through the partition's own queue. */
struct stray {
    rd_kafka_message_t *m;
    struct stray *next;
};

void kafka_partition_redirect(struct kafka_partition *p)
{
    rd_kafka_queue_forward(p->queue, NULL);
}

int kafka_partition_new(struct kafka_partition **pp, rd_kafka_t *rk, const char *topic,
                        int32_t number, int event_fd)
{
    static const uint64_t one = 1;
    struct kafka_partition *p = mem_zalloc(MEM_IO, sizeof(*p));
    if (!p)
        return -ENOMEM;
    p->number = number;
    p->done = p->committed = -1;
    p->queue = rd_kafka_queue_get_partition(rk, topic, number);
    if (!p->queue) {
        mem_free(p);
        return -ENOMEM;
    }
    kafka_partition_redirect(p);
    rd_kafka_queue_io_event_enable(p->queue, event_fd, &one, sizeof(one));
    *pp = p;
    return 0;
}

static struct held *pop(struct kafka_partition *p)
{
    struct held *held = p->oldest;
    p->oldest = held->next;
    if (!p->oldest)
        p->newest = NULL;
    return held;
}

static rd_kafka_message_t *pop_stray(struct kafka_partition *p)
{
    struct stray *stray = p->first_stray;
    rd_kafka_message_t *m = stray->m;
    p->first_stray = stray->next;
    mem_free(stray);
    return m;
}

void kafka_partition_give(struct kafka_partition *p, rd_kafka_message_t *m,
                          const struct kafka_values *values)
{
    struct stray *stray = mem_zalloc(MEM_IO, sizeof(*stray));
    kafka_partition_redirect(p);
    if (!stray) {
        book_one(values->books, BOOK_RECORDS_DAMAGED); /* lost as well */
        rd_kafka_message_destroy(m);
        return;
    }
    stray->m = m;
    if (p->first_stray)
        p->last_stray->next = stray;
    else
        p->first_stray = stray;
    p->last_stray = stray;
}

void kafka_partition_free(struct kafka_partition *p)
{
    if (!p)
        return;
    while (p->oldest)
        receipt_unref(&pop(p)->receipt);
    while (p->first_stray)
        rd_kafka_message_destroy(pop_stray(p));
    msg_unref(p->next);
    rd_kafka_queue_io_event_enable(p->queue, -1, NULL, 0);
    rd_kafka_queue_destroy(p->queue);
    mem_free(p);
}

/* Remembers that this offset is under way. NULL: no memory. */
static struct held *hold(struct kafka_partition *p, int64_t offset)
{
    struct held *held = mem_zalloc(MEM_IO, sizeof(*held));
    if (!held)
        return NULL;
    receipt_init(&held->receipt);
    held->offset = offset;
    if (p->newest)
        p->newest->next = held;
    else
        p->oldest = held;
    p->newest = held;
    return held;
}

static enum record_result decode(const struct kafka_values *values, struct span value,
                                 struct msg **msg)
{
    if (value.len == 0)
        return RECORD_DAMAGED;
    /* both ends may have been told otherwise: an object is never a record */
    if (value.ptr[0] == '{')
        return record_json_read(value, msg);
    return values->json ? RECORD_DAMAGED : record_alone(value, msg);
}

/* One message of Kafka's becomes the next one, or is counted. */
static void take_value(struct kafka_partition *p, const struct kafka_values *values,
                       const rd_kafka_message_t *m)
{
    struct msg *msg = NULL;
    struct span value = m->payload ? span_of(m->payload, m->len) : span_of(NULL, 0);
    if (decode(values, value, &msg) != RECORD_MSG) {
        book_one(values->books, BOOK_RECORDS_DAMAGED);
        (void)hold(p, m->offset); /* done with; without memory the next one tells it */
        return;
    }
    book_one(values->books, BOOK_RECORDS);
    book_add(values->books, BOOK_RECORD_BYTES, msg->len);
    if (msg->http.head_len == 0)
        book_one(values->books, BOOK_RECORDS_NOT_HTTP);
    if (msg->id_len > 0 && recent_add(values->recent, hash64(msg->id, msg->id_len, msg->type)))
        book_one(values->books, BOOK_RECORDS_REPEATED);
    p->next = msg;
    p->next_offset = m->offset;
    p->dry_ns = 0;
}

rd_kafka_resp_err_t kafka_partition_read(struct kafka_partition *p,
                                         const struct kafka_values *values, int64_t now_ns)
{
    rd_kafka_message_t *m = NULL;
    for (int i = 0; i < READ_MAX && !p->next; i++) {
        if (p->first_stray)
            m = pop_stray(p);
        else if (rd_kafka_consume_batch_queue(p->queue, 0, &m, 1) != 1)
            break;
        rd_kafka_resp_err_t code = m->err;
        p->at_end = code == RD_KAFKA_RESP_ERR__PARTITION_EOF;
        if (code == RD_KAFKA_RESP_ERR_NO_ERROR)
            take_value(p, values, m);
        rd_kafka_message_destroy(m);
        if (code != RD_KAFKA_RESP_ERR_NO_ERROR && !p->at_end)
            return code;
    }
    if (!p->next && p->dry_ns == 0)
        p->dry_ns = now_ns;
    return RD_KAFKA_RESP_ERR_NO_ERROR;
}

struct msg *kafka_partition_take(struct kafka_partition *p)
{
    struct msg *msg = p->next;
    struct held *held = hold(p, p->next_offset);
    assert(msg);
    p->next = NULL;
    if (held) /* without memory its offset is done with when the next one is */
        msg_set_receipt(msg, &held->receipt);
    return msg;
}

bool kafka_partition_settle(struct kafka_partition *p)
{
    while (p->oldest && receipt_is_settled(&p->oldest->receipt) &&
           !receipt_is_abandoned(&p->oldest->receipt)) {
        struct held *held = pop(p);
        p->done = held->offset + 1;
        receipt_unref(&held->receipt);
    }
    return !p->oldest;
}
