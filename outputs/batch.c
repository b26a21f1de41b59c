/* SPDX-License-Identifier: MIT */
#include "outputs/batch.h"

#include "lib/record.h"

/* A buffer that grew beyond this for one huge record is given back when it is empty. */
#define KEEP_CAP (4 * MIB)
#define MAX_BYTES (MSG_LEN_MAX + 16 * MIB)

struct mark {
    uint64_t end; /* in terms of batch.put */
    uint64_t payload_len;
    struct receipt *receipt; /* a reference; may be NULL */
};

void batch_init(struct batch *b, struct books *books)
{
    *b = (struct batch){.books = books, .min_ns = INT64_MAX, .max_ns = INT64_MIN};
    buf_init(&b->bytes, MAX_BYTES);
    buf_init(&b->marks, MAX_BYTES);
}

void batch_fini(struct batch *b)
{
    buf_fini(&b->bytes);
    buf_fini(&b->marks);
}

int64_t batch_put(struct batch *b, const struct msg *msg)
{
    char header[RECORD_HEADER_MAX];
    size_t header_len = record_header(header, msg);
    size_t len = header_len + msg->len + RECORD_SEPARATOR_LEN;
    int r = buf_reserve(&b->bytes, len);
    if (r < 0)
        return r;
    struct mark mark = {.end = b->put + len, .payload_len = msg->len, .receipt = msg->receipt};
    r = buf_append(&b->marks, &mark, sizeof(mark));
    if (r < 0)
        return r;
    (void)receipt_ref(mark.receipt);
    uint8_t *p = buf_tail(&b->bytes);
    memcpy(p, header, header_len);
    memcpy(p + header_len, msg->bytes, msg->len);
    memcpy(p + header_len + msg->len, record_separator, RECORD_SEPARATOR_LEN);
    buf_commit(&b->bytes, len);
    b->put += len;
    if (msg->ts_ns < b->min_ns)
        b->min_ns = msg->ts_ns;
    if (msg->ts_ns > b->max_ns)
        b->max_ns = msg->ts_ns;
    return (int64_t)len;
}

static struct mark nth_mark(const struct batch *b, size_t n)
{
    struct mark mark;
    memcpy(&mark, buf_span(&b->marks).ptr + n * sizeof(mark), sizeof(mark));
    return mark;
}

size_t batch_n_msgs(const struct batch *b)
{
    return buf_span(&b->marks).len / sizeof(struct mark);
}

void batch_unput(struct batch *b, size_t len)
{
    assert(batch_len(b) >= len && b->marks.len >= sizeof(struct mark));
    struct mark last = nth_mark(b, batch_n_msgs(b) - 1);
    receipt_unref(last.receipt);
    b->bytes.len -= len;
    b->marks.len -= sizeof(struct mark);
    b->put -= len;
}

/* Nothing of it is left: as new. */
static void when_empty(struct batch *b)
{
    if (batch_len(b) > 0)
        return;
    if (b->bytes.cap > KEEP_CAP)
        buf_fini(&b->bytes);
    b->min_ns = INT64_MAX;
    b->max_ns = INT64_MIN;
}

void batch_out(struct batch *b, size_t n)
{
    size_t settled = 0;
    assert(n <= batch_len(b));
    b->out += n;
    buf_consume(&b->bytes, n);
    for (; settled < batch_n_msgs(b); settled++) {
        struct mark mark = nth_mark(b, settled);
        if (mark.end > b->out)
            break;
        book_one(b->books, BOOK_DELIVERED);
        book_add(b->books, BOOK_DELIVERED_BYTES, mark.payload_len);
        receipt_unref(mark.receipt);
    }
    buf_consume(&b->marks, settled * sizeof(struct mark));
    when_empty(b);
}

size_t batch_whole(const struct batch *b, size_t n)
{
    size_t whole = 0;
    for (size_t i = 0; i < batch_n_msgs(b); i++) {
        uint64_t end = nth_mark(b, i).end - b->out;
        if (end > n)
            break;
        whole = (size_t)end;
    }
    return whole;
}

size_t batch_lose(struct batch *b, enum book fate)
{
    size_t n = batch_n_msgs(b);
    book_add(b->books, fate, n);
    for (size_t i = 0; i < n; i++) {
        struct mark mark = nth_mark(b, i);
        if (fate == BOOK_ABANDONED)
            receipt_abandon(mark.receipt);
        receipt_unref(mark.receipt);
    }
    buf_consume(&b->marks, n * sizeof(struct mark));
    b->out += batch_len(b);
    buf_consume(&b->bytes, batch_len(b));
    when_empty(b);
    return n;
}
