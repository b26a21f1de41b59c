/* SPDX-License-Identifier: MIT */
#include "outputs/spool.h"

#include <errno.h>

#include "lib/mem.h"
#include "lib/receipt.h"
#include "lib/relay_frame.h"
#include "outputs/spool_internal.h"

#define RUN_BYTES (256 * KIB)
#define WAITING_MAX (64 * MIB)
/* More frames than spool_next() returns at once: 256 KiB of the shortest. */
#define SPAN_FRAMES ((size_t)8 * 1024)

int spool_open(struct spool **spoolp, const struct spool_config *config, struct err *err)
{
    struct spool *s = mem_zalloc(MEM_IO, sizeof(*s));
    if (!s)
        return err_sys(err, ENOMEM, "%s", config->tag);
    s->out = config->out;
    s->tag = config->tag;
    s->max_bytes = config->max_bytes;
    buf_init(&s->waiting, WAITING_MAX);
    int r = config->folder ? spool_disk_open(s, config, err) : 0;
    if (r < 0) {
        s->acked = s->put; /* nothing of it is ours */
        spool_close(s);
        return r;
    }
    *spoolp = s;
    return 0;
}

static void drop_first(struct spool *s)
{
    struct run *run = s->first;
    s->bytes -= run->len;
    s->first = run->next;
    if (s->last == run)
        s->last = NULL;
    if (s->at == run)
        s->at = NULL;
    mem_free(run->data);
    mem_free(run);
}

static void tell(struct spool *s, uint64_t number, bool abandoned)
{
    while (buf_span(&s->waiting).len > 0) {
        struct waiting_receipt w;
        memcpy(&w, buf_span(&s->waiting).ptr, sizeof(w));
        if (w.number > number)
            return;
        if (abandoned)
            receipt_abandon(w.receipt);
        receipt_unref(w.receipt);
        buf_consume(&s->waiting, sizeof(w));
    }
}

void spool_tell(struct spool *s, uint64_t number)
{
    tell(s, number, false);
}

void spool_close(struct spool *s)
{
    if (!s)
        return;
    if (s->disk)
        spool_disk_close(s);
    uint64_t left = s->put - s->acked;
    book_add(s->out->books, s->disk ? BOOK_SPOOLED : BOOK_ABANDONED, left);
    tell(s, UINT64_MAX, true);
    while (s->first)
        drop_first(s);
    buf_fini(&s->waiting);
    mem_free(s->disk);
    mem_free(s);
}

struct run *spool_run_add(struct spool *s, uint64_t first)
{
    struct run *run = mem_zalloc(MEM_IO, sizeof(*run));
    if (!run)
        return NULL;
    run->first = first;
    if (s->last)
        s->last->next = run;
    else
        s->first = run;
    s->last = run;
    return run;
}

/* The run that the next frame of need bytes goes to. */
static struct run *room_for(struct spool *s, uint64_t need)
{
    if (s->last && s->last->cap - s->last->len >= need)
        return s->last;
    uint64_t cap = need > RUN_BYTES ? need : RUN_BYTES;
    uint8_t *data = mem_alloc(MEM_IO, cap);
    struct run *run = data ? spool_run_add(s, s->put + 1) : NULL;
    if (!run) {
        mem_free(data);
        return NULL;
    }
    run->data = data;
    run->cap = cap;
    return run;
}

static enum output_result put_in_memory(struct spool *s, const struct msg *msg, uint64_t stream,
                                        uint64_t number)
{
    struct run *run = room_for(s, relay_data_max(msg));
    if (!run)
        return OUTPUT_FAILED;
    size_t len = relay_data_put(run->data + run->len, msg, stream, number);
    run->len += len;
    run->frames++;
    s->bytes += len;
    s->written = ++s->put;
    return OUTPUT_TAKEN;
}

enum output_result spool_put(struct spool *s, const struct msg *msg, uint64_t stream,
                             uint64_t number)
{
    if (msg->len > RELAY_PAYLOAD_MAX)
        return OUTPUT_FAILED;
    if (s->put > s->acked && s->bytes + relay_data_max(msg) > s->max_bytes)
        return OUTPUT_BUSY;
    if (msg->receipt && buf_reserve(&s->waiting, sizeof(struct waiting_receipt)) < 0)
        return OUTPUT_FAILED;
    enum output_result r =
        s->disk ? spool_disk_put(s, msg, stream, number) : put_in_memory(s, msg, stream, number);
    if (r != OUTPUT_TAKEN || !msg->receipt)
        return r;
    struct waiting_receipt w = {s->put, receipt_ref(msg->receipt)};
    memcpy(buf_tail(&s->waiting), &w, sizeof(w));
    buf_commit(&s->waiting, sizeof(w));
    return OUTPUT_TAKEN;
}

uint64_t spool_acked(const struct spool *s)
{
    return s->acked;
}

uint64_t spool_sent(const struct spool *s)
{
    return s->sent;
}

uint64_t spool_last(const struct spool *s)
{
    return s->put;
}

bool spool_is_kept(const struct spool *s)
{
    return s->disk != NULL;
}

/* Finds frame sent + 1 in memory. */
static void locate(struct spool *s)
{
    struct run *run = s->first;
    while (run->first + run->frames <= s->sent + 1)
        run = run->next;
    s->at = run;
    s->at_off = 0;
    for (uint64_t n = run->first; n <= s->sent; n++) {
        struct relay_head h = relay_head_peek(run->data + s->at_off);
        s->at_off += relay_frame_len(&h);
    }
}

static struct span front(struct spool *s)
{
    if (s->disk)
        return spool_disk_next(s);
    if (s->sent == s->written)
        return span_of(NULL, 0);
    if (s->at && s->at_off == s->at->len) {
        s->at = s->at->next;
        s->at_off = 0;
    }
    if (!s->at)
        locate(s);
    return span_of(s->at->data + s->at_off, s->at->len - s->at_off);
}

struct span spool_next(struct spool *s)
{
    return s->sent - s->acked > SPOOL_WINDOW - SPAN_FRAMES ? span_of(NULL, 0) : front(s);
}

void spool_sent_one(struct spool *s)
{
    struct span next = front(s);
    assert(next.len > 0);
    struct relay_head h = relay_head_peek(next.ptr);
    s->sent++;
    s->payload_len[s->sent % SPOOL_WINDOW] = (uint32_t)relay_payload_len(&h);
    if (s->disk)
        spool_disk_used(s, relay_frame_len(&h));
    else
        s->at_off += relay_frame_len(&h);
}

void spool_back(struct spool *s, uint64_t number)
{
    assert(number >= s->acked && number <= s->sent);
    s->sent = number;
    s->at = NULL;
    if (s->disk)
        spool_disk_back(s);
}

void spool_ack(struct spool *s, uint64_t number)
{
    assert(number >= s->acked && number <= s->sent);
    uint64_t bytes = 0;
    for (uint64_t n = s->acked + 1; n <= number; n++)
        bytes += s->payload_len[n % SPOOL_WINDOW];
    book_add(s->out->books, BOOK_DELIVERED, number - s->acked);
    book_add(s->out->books, BOOK_DELIVERED_BYTES, bytes);
    s->acked = number;
    if (!s->disk)
        spool_tell(s, number);
    while (s->first && s->first->first + s->first->frames <= s->acked + 1) {
        /* the last one is still being filled */
        if (s->disk ? !spool_disk_forget(s, s->first) : !s->first->next)
            break;
        drop_first(s);
    }
}

bool spool_tick(struct spool *s, int64_t now_ns)
{
    return s->disk && spool_disk_tick(s, now_ns);
}
