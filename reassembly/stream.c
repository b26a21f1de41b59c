/* SPDX-License-Identifier: MIT */
#include "reassembly/stream.h"

#include <string.h>

#include "lib/mem.h"

/* After an ACK beyond a hole, its bytes are only late if the capture mixed the two directions up:
 * network cards with several queues do, by less than this. */
#define ACK_GRACE_NS (20 * NS_PER_MS)
/* A hole below so much is no longer waited for: more than any window in common use. */
#define MAX_PIECES_LEN (16u << 20)
#define MAX_PIECES 65536

struct piece {
    struct piece *next;
    int64_t ts_ns;
    uint32_t seq;
    uint32_t len; /* bytes here */
    uint32_t wire_len; /* bytes on the wire */
    uint8_t bytes[];
};

static uint32_t piece_end(const struct piece *p)
{
    return p->seq + p->wire_len;
}

static uint32_t piece_cost(const struct piece *p)
{
    return (uint32_t)sizeof(*p) + p->len;
}

/* Takes the first piece out of the list. */
static struct piece *pop(struct stream *s)
{
    struct piece *p = s->pieces;
    s->pieces = p->next;
    s->pieces_len -= p->len;
    s->n_pieces--;
    return p;
}

/* Delivers what of [seq, seq + wire_len) is new; payload are its first len bytes. */
static uint32_t deliver(struct stream *s, const struct segment *seg, struct stream_sink *sink)
{
    uint32_t seen = s->next - seg->seq; /* the caller knows that seq is not behind next */
    if (seen >= seg->wire_len)
        return seg->wire_len;
    s->next = seg->seq + seg->wire_len;
    uint32_t len = seg->len;
    if (seen < len)
        sink->data(sink, span_of(seg->payload + seen, len - seen), seg->ts_ns, seen == 0);
    uint32_t have = seen > len ? seen : len;
    if (have < seg->wire_len)
        sink->gap(sink, seg->wire_len - have, GAP_CUT);
    return seen;
}

static void end_if_reached(struct stream *s, struct stream_sink *sink)
{
    if (!s->has_fin || s->ended || s->next != s->fin)
        return;
    s->ended = true;
    sink->end(sink);
}

/* Delivers pieces that have become next in sequence. Returns the memory let go. */
static uint32_t deliver_pieces(struct stream *s, struct stream_sink *sink)
{
    uint32_t freed = 0;
    while (s->pieces && !seq_before(s->next, s->pieces->seq)) {
        struct piece *p = pop(s);
        struct segment seg = {.seq = p->seq, .payload = p->bytes, .len = p->len};
        seg.wire_len = p->wire_len;
        seg.ts_ns = p->ts_ns;
        freed += piece_cost(p);
        deliver(s, &seg, sink);
        mem_free(p);
    }
    s->acked_ns = 0;
    s->hole_ns = s->pieces ? s->pieces->ts_ns : 0;
    if (s->pieces && s->has_ack)
        stream_acked(s, s->peer_ack, s->hole_ns);
    end_if_reached(s, sink);
    return freed;
}

/* Removes old pieces that [seq, end) covers, from *link on. */
static uint32_t drop_covered(struct stream *s, struct piece **link, uint32_t end)
{
    uint32_t freed = 0;
    while (*link && !seq_before(end, piece_end(*link))) {
        struct piece *covered = *link;
        *link = covered->next;
        s->pieces_len -= covered->len;
        s->n_pieces--;
        freed += piece_cost(covered);
        mem_free(covered);
    }
    return freed;
}

static struct stream_result keep(struct stream *s, const struct segment *seg)
{
    struct stream_result result = {0};
    struct piece **link = &s->pieces;
    uint32_t end = seg->seq + seg->wire_len;
    /* to the first piece that begins behind seq; one before it may cover the segment */
    while (*link && !seq_before(seg->seq, (*link)->seq)) {
        if (!seq_before(piece_end(*link), end)) {
            result.duplicate = seg->wire_len;
            return result;
        }
        if ((*link)->seq == seg->seq)
            break; /* the new one is longer: it replaces the old */
        link = &(*link)->next;
    }
    struct piece *p = mem_alloc(MEM_PIECES, sizeof(*p) + seg->len);
    if (!p) {
        result.no_memory = true;
        return result;
    }
    uint32_t freed = drop_covered(s, link, end);
    *p = (struct piece){.next = *link, .ts_ns = seg->ts_ns, .seq = seg->seq};
    p->len = seg->len;
    p->wire_len = seg->wire_len;
    memcpy(p->bytes, seg->payload, seg->len);
    *link = p;
    s->pieces_len += p->len;
    s->n_pieces++;
    if (s->hole_ns == 0) {
        s->hole_ns = seg->ts_ns;
        if (s->has_ack)
            stream_acked(s, s->peer_ack, seg->ts_ns);
    }
    result.held = (int32_t)piece_cost(p) - (int32_t)freed;
    return result;
}

struct stream_result stream_segment(struct stream *s, const struct segment *segment,
                                    struct stream_sink *sink)
{
    struct segment seg = *segment;
    struct stream_result result = {0};
    if (seg.flags & TCP_SYN)
        seg.seq++; /* SYN itself takes one number; data may follow it (RFC 7413) */
    if (!s->synced) {
        /* in mid-stream only data tells where it stands: a keep-alive probe lies one behind */
        if (seg.wire_len == 0 && !(seg.flags & TCP_SYN))
            return result;
        s->synced = true;
        s->next = seg.seq;
    }
    if ((seg.flags & TCP_FIN) && !s->has_fin) {
        s->has_fin = true;
        s->fin = seg.seq + seg.wire_len;
    }
    if (seg.wire_len > 0 && seq_before(s->next, seg.seq)) {
        result = keep(s, &seg);
    } else if (seg.wire_len > 0) {
        result.duplicate = deliver(s, &seg, sink);
        if (s->pieces)
            result.held = -(int32_t)deliver_pieces(s, sink);
    }
    if (s->pieces_len > MAX_PIECES_LEN || s->n_pieces > MAX_PIECES)
        result.held -= (int32_t)stream_skip_hole(s, sink);
    end_if_reached(s, sink);
    return result;
}

void stream_acked(struct stream *s, uint32_t ack, int64_t ts_ns)
{
    if (!s->has_ack || seq_before(s->peer_ack, ack))
        s->peer_ack = ack;
    s->has_ack = true;
    if (s->pieces && s->acked_ns == 0 && !seq_before(s->peer_ack, s->pieces->seq))
        s->acked_ns = ts_ns;
}

uint32_t stream_skip_hole(struct stream *s, struct stream_sink *sink)
{
    if (!s->pieces)
        return 0;
    bool acked = s->has_ack && !seq_before(s->peer_ack, s->pieces->seq);
    uint32_t missing = s->pieces->seq - s->next;
    s->next = s->pieces->seq;
    sink->gap(sink, missing, acked ? GAP_ACKED : GAP_LOST);
    return deliver_pieces(s, sink);
}

bool stream_hole_is_lost(const struct stream *s, int64_t now_ns, int64_t gap_ns)
{
    if (!s->pieces)
        return false;
    return now_ns - s->hole_ns >= gap_ns ||
           (s->acked_ns != 0 && now_ns - s->acked_ns >= ACK_GRACE_NS);
}

uint32_t stream_clear(struct stream *s)
{
    uint32_t freed = 0;
    while (s->pieces) {
        struct piece *p = pop(s);
        freed += piece_cost(p);
        mem_free(p);
    }
    s->hole_ns = s->acked_ns = 0;
    return freed;
}
