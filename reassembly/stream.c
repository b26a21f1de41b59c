/* SPDX-License-Identifier: MIT */
#include "reassembly/stream.h"

/* After an ACK beyond a hole, its bytes are only late if the capture mixed the two directions up:
 * network cards with several queues do, by less than this. */
#define ACK_GRACE_NS (20 * NS_PER_MS)
/* A hole below so much is no longer waited for: more than any window in common use. */
#define MAX_PIECES_LEN (16u << 20)
#define MAX_PIECES 65536

/* Delivers what of [seq, seq + wire_len) is new; payload are its first len bytes. */
static uint32_t deliver(struct stream *s, const struct segment *seg, struct stream_sink *sink)
{
    uint32_t seen = s->next - seg->seq; /* the caller knows that seq is not behind next */
    if (seen >= seg->wire_len)
        return seg->wire_len;
    uint32_t len = seg->len, have = seen > len ? seen : len;
    s->next = seg->seq + have;
    s->sent_ack = seg->ack;
    s->has_sent_ack = (seg->flags & TCP_ACK) != 0;
    if (seen < len)
        sink->data(sink, span_of(seg->payload + seen, len - seen), seg->ts_ns, seen == 0);
    s->next = seg->seq + seg->wire_len;
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
    deliver(d->stream, segment, d->sink);
}

/* Delivers pieces that have become next in sequence. Returns the memory let go. */
static uint32_t deliver_pieces(struct stream *s, struct stream_sink *sink)
{
    struct delivery d = {s, sink};
    uint32_t freed = 0;
    while (pieces_wait(&s->pieces) && !seq_before(s->next, pieces_first_seq(&s->pieces)))
        freed += pieces_take_first(&s->pieces, deliver_piece, &d);
    s->acked_ns = 0;
    s->hole_ns = pieces_wait(&s->pieces) ? pieces_first_ns(&s->pieces) : 0;
    if (pieces_wait(&s->pieces) && s->has_ack)
        stream_acked(s, s->peer_ack, s->hole_ns);
    end_if_reached(s, sink);
    return freed;
}

static struct stream_result keep(struct stream *s, const struct segment *seg)
{
    struct pieces_result kept = pieces_add(&s->pieces, seg);
    if (s->hole_ns == 0 && pieces_wait(&s->pieces)) {
        s->hole_ns = seg->ts_ns;
        if (s->has_ack)
            stream_acked(s, s->peer_ack, seg->ts_ns);
    }
    return (struct stream_result){
        .duplicate = kept.duplicate, .held = kept.held, .no_memory = kept.no_memory};
}

struct stream_result stream_segment(struct stream *s, const struct segment *segment,
                                    struct stream_sink *sink)
{
    struct stream_result result = {0};
    if (segment->wire_len == 0 && !(segment->flags & (TCP_SYN | TCP_FIN)))
        return result; /* only an ACK: nothing of this direction */
    struct segment seg = *segment;
    if (seg.flags & TCP_SYN)
        seg.seq++; /* SYN itself takes one number; data may follow it (RFC 7413) */
    if (!s->synced) {
        /* in mid-stream only data tells where it stands: a keep-alive probe lies one behind */
        if (seg.wire_len == 0 && !(seg.flags & TCP_SYN))
            return result;
        s->synced = true;
        if (!s->has_ack || !seq_before(s->next, seg.seq))
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
        if (pieces_wait(&s->pieces))
            result.held = -(int32_t)deliver_pieces(s, sink);
    }
    if (s->pieces.len > MAX_PIECES_LEN || s->pieces.n > MAX_PIECES)
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
    if (pieces_wait(&s->pieces) && s->acked_ns == 0 &&
        !seq_before(s->peer_ack, pieces_first_seq(&s->pieces)))
        s->acked_ns = ts_ns;
}

uint32_t stream_skip_hole(struct stream *s, struct stream_sink *sink)
{
    if (!pieces_wait(&s->pieces))
        return 0;
    uint32_t first = pieces_first_seq(&s->pieces), missing = first - s->next;
    bool acked = s->has_ack && !seq_before(s->peer_ack, first);
    s->next = first;
    sink->gap(sink, missing, acked ? GAP_ACKED : GAP_LOST);
    return deliver_pieces(s, sink);
}

bool stream_hole_is_lost(const struct stream *s, int64_t now_ns, int64_t gap_ns)
{
    if (!pieces_wait(&s->pieces))
        return false;
    return now_ns - s->hole_ns >= gap_ns ||
           (s->acked_ns != 0 && now_ns - s->acked_ns >= ACK_GRACE_NS);
}

uint32_t stream_clear(struct stream *s)
{
    uint32_t freed = pieces_clear(&s->pieces);
    s->hole_ns = s->acked_ns = 0;
    return freed;
}
