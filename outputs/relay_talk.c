/* SPDX-License-Identifier: MIT */
/* What a connection to a relay sends: frames, packed or not, or records. */
#include <errno.h>

#include "outputs/relay_conn_internal.h"

/* Records in one sendmsg(2) to a gor, two pieces each. */
#define BATCH 64
/* Sends in one step, so that other connections get their turn. */
#define SENDS_PER_STEP 16
/* Packed together; a longer frame goes alone. A receiver that has no room for all of them unpacks
 * them again. */
#define PACK_BYTES ((size_t)128 * 1024)

/* -EAGAIN: the socket is full; else a failure has been told. */
static ssize_t send_some(struct relay_conn *c, struct iovec *iov, size_t n, int64_t now_ns)
{
    ssize_t sent = wire_send(&c->link.wire, iov, n);
    if (sent == -EINTR)
        return -EAGAIN;
    if (sent < 0 && sent != -EAGAIN)
        relay_conn_lost(c, "connection lost", (int)-sent, now_ns);
    return sent;
}

static ssize_t send_control(struct relay_conn *c, int64_t now_ns)
{
    struct iovec iov = {c->control + c->control_off, c->control_len - c->control_off};
    ssize_t n = send_some(c, &iov, 1, now_ns);
    if (n > 0)
        c->control_off += (size_t)n;
    if (n > 0 && c->control_off == c->control_len)
        c->control_len = c->control_off = 0;
    return n;
}

/* Packs what can be packed together of next, at least one frame; c->packed is empty when that is
 * not worth it. The length of these frames. */
static size_t pack(struct relay_conn *c, struct span next)
{
    size_t len = 0;
    c->packed_frames = 0;
    while (len < next.len) {
        struct relay_head h = relay_head_peek(next.ptr + len);
        if (len > 0 && len + relay_frame_len(&h) > PACK_BYTES)
            break;
        len += relay_frame_len(&h);
        c->packed_frames++;
    }
    c->packed = relay_pack(c->packer, span_of(next.ptr, len));
    return len;
}

static ssize_t send_packed(struct relay_conn *c, int64_t now_ns)
{
    struct iovec iov = {(void *)(c->packed.ptr + c->off), c->packed.len - c->off};
    ssize_t n = send_some(c, &iov, 1, now_ns);
    if (n <= 0)
        return n;
    c->off += (size_t)n;
    if (c->off < c->packed.len)
        return n;
    c->off = c->packed.len = 0;
    for (uint64_t i = 0; i < c->packed_frames; i++)
        spool_sent_one(c->spool);
    return n;
}

/* Frames as they lie in the spool; only_rest: no new one is begun. 0: there is nothing to send. */
static ssize_t send_frames(struct relay_conn *c, bool only_rest, int64_t now_ns)
{
    if (only_rest && c->off == 0)
        return 0;
    struct span next = c->packed.len > 0 ? c->packed : spool_next(c->spool);
    if (next.len == 0)
        return 0;
    if (c->packs && c->off == 0 && c->packed.len == 0)
        next.len = pack(c, next);
    if (c->packed.len > 0)
        return send_packed(c, now_ns);
    if (c->off > 0 && (c->packs || only_rest)) {
        struct relay_head h = relay_head_peek(next.ptr);
        next.len = relay_frame_len(&h);
    }
    struct iovec iov = {(void *)(next.ptr + c->off), next.len - c->off};
    ssize_t n = send_some(c, &iov, 1, now_ns);
    if (n <= 0)
        return n;
    size_t done = 0, sent = c->off + (size_t)n;
    while (sent - done >= RELAY_HEAD_LEN) {
        struct relay_head h = relay_head_peek(next.ptr + done);
        if (sent - done < relay_frame_len(&h))
            break;
        done += relay_frame_len(&h);
        spool_sent_one(c->spool);
    }
    c->off = sent - done;
    return n;
}

/* What the frames hold, as records; only_rest: no new one is begun. */
static ssize_t send_records(struct relay_conn *c, bool only_rest, int64_t now_ns)
{
    struct iovec iov[2 * BATCH];
    size_t ends[BATCH], n_iov = 0, total = 0, at = 0, skip = c->off, n_records = 0;
    struct span next = only_rest && c->off == 0 ? span_of(NULL, 0) : spool_next(c->spool);
    while (at < next.len && n_records < (only_rest ? 1 : BATCH)) {
        struct relay_head h = relay_head_peek(next.ptr + at);
        iov[n_iov++] = (struct iovec){(void *)(next.ptr + at + RELAY_HEAD_LEN), h.body_len};
        iov[n_iov++] = (struct iovec){(void *)record_separator, RECORD_SEPARATOR_LEN};
        at += relay_frame_len(&h);
        total += h.body_len + RECORD_SEPARATOR_LEN;
        ends[n_records++] = total;
    }
    if (n_records == 0)
        return 0;
    for (size_t i = 0; i < 2 && skip > 0; i++) { /* of the first record only */
        size_t cut = skip < iov[i].iov_len ? skip : iov[i].iov_len;
        iov[i].iov_base = (char *)iov[i].iov_base + cut;
        iov[i].iov_len -= cut;
        skip -= cut;
    }
    ssize_t n = send_some(c, iov, n_iov, now_ns);
    if (n <= 0)
        return n;
    size_t sent = c->off + (size_t)n, whole = 0;
    while (whole < n_records && ends[whole] <= sent)
        whole++;
    c->off = sent - (whole > 0 ? ends[whole - 1] : 0);
    for (size_t i = 0; i < whole; i++)
        spool_sent_one(c->spool);
    spool_ack(c->spool, spool_sent(c->spool));
    if (whole > 0)
        backoff_worked(&c->link.retry.backoff);
    return n;
}

bool relay_conn_talk(struct relay_conn *c, bool *did, int64_t now_ns)
{
    bool plain = c->phase == PLAIN || (c->phase == LEAVING && !c->said_bye);
    int r = wire_flush(&c->link.wire);
    if (r < 0 && r != -EAGAIN)
        relay_conn_lost(c, "connection lost", -r, now_ns);
    if (r < 0)
        return r == -EAGAIN;
    for (int i = 0; i < SENDS_PER_STEP; i++) {
        ssize_t n;
        if (c->control_len > 0 && c->off == 0)
            n = send_control(c, now_ns);
        else if (c->phase == WELCOMING)
            return true;
        else if (plain)
            n = send_records(c, c->phase == LEAVING, now_ns);
        else
            n = send_frames(c, c->phase == LEAVING, now_ns);
        if (n == 0 || n == -EAGAIN)
            return true;
        if (n < 0)
            return false;
        *did = true;
    }
    return true;
}
