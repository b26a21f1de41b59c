/* SPDX-License-Identifier: MIT */
/* One direction of a TCP connection: from segments in any order to bytes in sequence (RFC 9293,
 * 3.10.7.4). Sequence numbers are compared modulo 2^32.
 *
 * For users: give each segment to stream_segment(); it calls data() with bytes in sequence, and
 * gap() where bytes will never come. Nothing is delivered twice, and nothing across a gap.
 *
 * Inside: what came too early waits in pieces (reassembly/pieces.h). Where copies differ, those
 * bytes count that Linux would read: a segment that is next in sequence wins over what waits. */
#pragma once

#include "lib/base.h"
#include "reassembly/pieces.h"
#include "reassembly/segment.h"

/* a before b in sequence space. */
static inline bool seq_before(uint32_t a, uint32_t b)
{
    return (int32_t)(a - b) < 0;
}

enum gap_reason {
    GAP_LOST = 0, /* never seen, and not acknowledged as far as is known */
    GAP_ACKED, /* the peer has it, so the capture lost it */
    GAP_CUT, /* on the wire, but captured cut by the snaplen */
};

/* Who gets the bytes. */
struct stream_sink {
    /* n bytes in sequence, which end before the stream's next. starts: they are the beginning of a
     * segment. Borrowed. */
    void (*data)(struct stream_sink *sink, struct span bytes, int64_t ts_ns, bool starts);
    void (*gap)(struct stream_sink *sink, uint32_t n, enum gap_reason reason);
    /* The sender has closed its side, and all before it was delivered. */
    void (*end)(struct stream_sink *sink);
};

/* Bytes that are missing, and what waits behind them. */
struct hole {
    struct pieces pieces; /* at least one */
    int64_t since_ns; /* when the first of them came */
    int64_t acked_ns; /* when the peer first acknowledged beyond the hole; 0: not yet */
};

/* All zero is a stream of which nothing was seen. Always true: pieces lie behind next. */
struct stream {
    struct hole *hole; /* NULL: none, as nearly always */
    uint32_t next; /* sequence number of the next byte, when synced or has_ack */
    uint32_t fin; /* where FIN lies, when has_fin */
    uint32_t peer_ack; /* highest acknowledgement of the peer, when has_ack */
    uint32_t
        sent_ack; /* what the segment acknowledges whose data is given out, when has_sent_ack */
    bool synced : 1; /* next is known */
    bool has_fin : 1, has_ack : 1, has_sent_ack : 1, ended : 1;
};

static inline bool stream_waits(const struct stream *s)
{
    return s->hole != NULL;
}

/* What a segment's payload did. */
struct stream_result {
    uint32_t duplicate; /* bytes that had been delivered already */
    int32_t held; /* change of memory held in pieces */
    bool no_memory; /* a piece could not be kept; it counts as lost */
};

struct stream_result stream_segment(struct stream *s, const struct segment *segment,
                                    struct stream_sink *sink);
/* The peer has received everything before ack. */
void stream_acked(struct stream *s, uint32_t ack, int64_t ts_ns);
/* Gives the first hole up and delivers what lies behind it. Returns the memory let go. */
uint32_t stream_skip_hole(struct stream *s, struct stream_sink *sink);
/* Has the hole been waited for long enough at now_ns? gap_ns: longest wait without any ACK. */
bool stream_hole_is_lost(const struct stream *s, int64_t now_ns, int64_t gap_ns);
/* Drops the pieces. Returns the memory let go. */
uint32_t stream_clear(struct stream *s);
