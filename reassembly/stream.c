/* SPDX-License-Identifier: MIT */
#include "reassembly/stream.h"

#include "lib/mem.h"

/* After an ACK beyond a hole, its bytes are only late if the capture mixed the two directions up:
 * network cards with several queues do, by less than this. */
#define ACK_GRACE_NS (20 * NS_PER_MS)
/* A hole below so much is no longer waited for: more than any window in common use. */
#define MAX_PIECES_LEN (16u << 20)
#define MAX_PIECES 65536

/* Delivers what of [seq, seq + wire_len) is new; the payload are its first len bytes. */
static uint32_t deliver(struct stream *s, uint32_t seq, const struct segment *seg,
                        struct stream_sink *sink)
{
    uint32_t seen = s->next - seq; /* the caller knows that seq is not behind next */
    if (seen >= seg->wire_len)
        return seg->wire_len;
    uint32_t len = seg->len, have = seen > len ? seen : len;
    s->next = seq + have;
    s->sent_ack = seg->ack;
    s->has_sent_ack = (seg->flags & TCP_ACK) != 0;
    if (seen < len)
        sink->data(sink, span_of(seg->payload + seen, len - seen), seg->ts_ns, seen == 0);
    s->next = seq + seg->wire_len;
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

struct delivery {
    struct stream *stream;
    struct stream_sink *sink;
};

static void deliver_piece(void *arg, const struct segment *segment)
{
    const struct delivery *d = arg;
    deliver(d->stream, segment->seq, segment, d->sink);
}

/* When nothing waits any more. Returns the memory let go. */
static uint32_t free_hole(struct stream *s)
{
    mem_free(s->hole);
    s->hole = NULL;
    return sizeof(*s->hole);
}

/* Delivers pieces that have become next in sequence. Returns the memory let go. */
static uint32_t deliver_pieces(struct stream *s, struct stream_sink *sink)
{
    struct delivery d = {s, sink};
    struct pieces *pieces = &s->hole->pieces;
    uint32_t freed = 0;
    while (pieces_wait(pieces) && !seq_before(s->next, pieces_first_seq(pieces)))
        freed += pieces_take_first(pieces, deliver_piece, &d);
    if (pieces_wait(pieces)) {
        s->hole->acked_ns = 0;
        s->hole->since_ns = pieces_first_ns(pieces);
        if (s->has_ack)
            stream_acked(s, s->peer_ack, s->hole->since_ns);
    } else {
        freed += free_hole(s);
    }
    end_if_reached(s, sink);
    return freed;
}

static struct stream_result keep(struct stream *s, uint32_t seq, const struct segment *segment)
{
    struct stream_result result = {0};
    struct segment seg = *segment;
    bool is_new = !s->hole;
    seg.seq = seq;
    if (is_new)
        s->hole = mem_zalloc(MEM_PIECES, sizeof(*s->hole));
    if (!s->hole) {
        result.no_memory = true;
        return result;
    }
    struct pieces_result kept = pieces_add(&s->hole->pieces, &seg);
    result = (struct stream_result){
        .duplicate = kept.duplicate, .held = kept.held, .no_memory = kept.no_memory};
    if (!is_new)
        return result;
    if (kept.no_memory) {
        free_hole(s);
        return result;
    }
    result.held += (int32_t)sizeof(*s->hole);
    s->hole->since_ns = seg.ts_ns;
    if (s->has_ack)
        stream_acked(s, s->peer_ack, seg.ts_ns);
    return result;
}

struct stream_result stream_segment(struct stream *s, const struct segment *seg,
                                    struct stream_sink *sink)
{
    struct stream_result result = {0};
    if (seg->wire_len == 0 && !(seg->flags & (TCP_SYN | TCP_FIN)))
        return result; /* only an ACK: nothing of this direction */
    /* SYN itself takes one number; data may follow it (RFC 7413) */
    uint32_t seq = seg->seq + (seg->flags & TCP_SYN ? 1 : 0);
    if (unlikely(!s->synced)) {
        /* in mid-stream only data tells where it stands: a keep-alive probe lies one behind */
        if (seg->wire_len == 0 && !(seg->flags & TCP_SYN))
            return result;
        s->synced = true;
        if (!s->has_ack || !seq_before(s->next, seq))
            s->next = seq;
    }
    if ((seg->flags & TCP_FIN) && !s->has_fin) {
        s->has_fin = true;
        s->fin = seq + seg->wire_len;
    }
    if (seg->wire_len > 0 && seq_before(s->next, seq)) {
        result = keep(s, seq, seg);
    } else if (seg->wire_len > 0) {
        result.duplicate = deliver(s, seq, seg, sink);
        if (s->hole)
            result.held = -(int32_t)deliver_pieces(s, sink);
    }
    if (s->hole && (s->hole->pieces.len > MAX_PIECES_LEN || s->hole->pieces.n > MAX_PIECES))
        result.held -= (int32_t)stream_skip_hole(s, sink);
    end_if_reached(s, sink);
    return result;
}

void stream_acked(struct stream *s, uint32_t ack, int64_t ts_ns)
{
    if (!s->synced && !s->has_ack)
        s->next = ack; /* what lies between that and the first segment was lost */
    if (!s->has_ack || seq_before(s->peer_ack, ack))
        s->peer_ack = ack;
    s->has_ack = true;
    if (s->hole && s->hole->acked_ns == 0 &&
        !seq_before(s->peer_ack, pieces_first_seq(&s->hole->pieces)))
        s->hole->acked_ns = ts_ns;
}

uint32_t stream_skip_hole(struct stream *s, struct stream_sink *sink)
{
    if (!s->hole)
        return 0;
    uint32_t first = pieces_first_seq(&s->hole->pieces), missing = first - s->next;
    bool acked = s->has_ack && !seq_before(s->peer_ack, first);
    s->next = first;
    sink->gap(sink, missing, acked ? GAP_ACKED : GAP_LOST);
    return deliver_pieces(s, sink);
}

bool stream_hole_is_lost(const struct stream *s, int64_t now_ns, int64_t gap_ns)
{
    const struct hole *hole = s->hole;
    if (!hole)
        return false;
    return now_ns - hole->since_ns >= gap_ns ||
           (hole->acked_ns != 0 && now_ns - hole->acked_ns >= ACK_GRACE_NS);
}

uint32_t stream_clear(struct stream *s)
{
    return s->hole ? pieces_clear(&s->hole->pieces) + free_hole(s) : 0;
}
