/* SPDX-License-Identifier: MIT */
/* The message: one HTTP request or response as it was on the wire, and what is known about it.
 * One allocation, shared by reference count, and never changed once it has been given away: a
 * rewrite makes a new message. Everything takes const struct msg *; only msg.c touches the count.
 *
 * Contracts use three words. A callee *borrows* a message until it returns (the default); it
 * *takes* one when the caller's reference becomes its own; it *returns a new reference* when the
 * caller must msg_unref(). */
#pragma once

#include <stdatomic.h>

#include "lib/base.h"
#include "lib/http.h"
#include "lib/receipt.h"
#include "lib/span.h"

enum msg_type {
    MSG_REQUEST = '1',
    MSG_RESPONSE = '2', /* recorded */
    MSG_REPLAYED = '3', /* the target's answer to a replayed request */
};

struct endpoint {
    uint8_t addr[16]; /* network order; when family is 4 the first 4 bytes, and zeros */
    uint16_t port; /* host order */
    uint8_t family; /* 4, 6, or 0: not known (a record made by gor) */
};

enum msg_flag {
    MSG_CUT = 1 << 0, /* the body is shorter than the head says (--input-raw-allow-incomplete) */
};

#define MSG_ID_MAX 64
/* Longest payload that any input accepts, whatever it declares. */
#define MSG_LEN_MAX (UINT64_C(1) << 30)

/* What an output's thread needs of each message stands in front, in one cache line with the
 * memory's header: the others stay in the cache of the thread that made it. */
struct msg {
    atomic_uint refs;
    uint8_t type; /* enum msg_type */
    uint8_t flags; /* enum msg_flag */
    uint8_t replayed_by; /* MSG_REPLAYED: output.number */
    uint8_t id_len;
    size_t len; /* bytes of payload */
    struct receipt *receipt; /* a reference; NULL: its input does not ask (lib/receipt.h) */
    const struct msg *request; /* MSG_REPLAYED: a reference to the head of what it answers, as that
                                  was sent; NULL: nobody asks */
    int64_t due_ns; /* CLOCK_MONOTONIC: when it is meant to be sent; 0: at once */
    int64_t ts_ns; /* wall clock: first byte of this message on the wire */
    int64_t latency_ns; /* response: from the request's last byte to its first byte */
    uint64_t conn; /* same for all messages of one client connection, both directions */
    char id[MSG_ID_MAX]; /* not terminated; shared by a request and its responses */
    int64_t rtt_ns; /* MSG_REPLAYED: from when the request went out to this one's last byte */
    struct endpoint src, dst;
    /* of a message that came over a relay which acknowledges, else 0: the stream that its first
     * sender began, and its number there, which tell it from all others */
    uint64_t stream, number;
    struct http_view http; /* head_len 0: the payload is not HTTP */
    uint8_t bytes[]; /* payload: head and body as they were on the wire */
};

/* A message that is still the caller's alone, with room for cap bytes of payload and len 0; all
 * else zero. NULL when memory is short. */
MUST_CHECK struct msg *msg_new(size_t cap);
/* More or less room for one that is still the caller's alone; moves it. On failure NULL, and the
 * old one stays. cap >= msg->len. */
MUST_CHECK struct msg *msg_resize(struct msg *msg, size_t cap);
/* A new, unshared message with everything of msg but its payload, and room for cap bytes. It holds
 * the same receipt and request. */
MUST_CHECK struct msg *msg_like(const struct msg *msg, size_t cap);
/* A new message that is msg without its body; NULL when memory is short. */
MUST_CHECK struct msg *msg_head(const struct msg *msg);

/* Returns msg with one more reference. Any thread. */
const struct msg *msg_ref(const struct msg *msg);
/* Drops one reference; the last one frees. NULL is fine. Any thread. */
void msg_unref(const struct msg *msg);

/* id beyond MSG_ID_MAX is refused: false. */
bool msg_set_id(struct msg *msg, struct span id);
/* For a message that is still the caller's alone, and has none. Borrows the receipt. */
void msg_set_receipt(struct msg *msg, struct receipt *receipt);
/* Sets http from the payload, by type. */
void msg_parse_head(struct msg *msg);
/* Sets conn from src and dst (or, where they are unknown, from the id: gor's first 16 digits are
 * the ports and the client's address). */
void msg_set_conn(struct msg *msg);

static inline struct span msg_payload(const struct msg *msg)
{
    return span_of(msg->bytes, msg->len);
}
static inline struct span msg_id(const struct msg *msg)
{
    return span_of(msg->id, msg->id_len);
}
static inline struct span msg_method(const struct msg *msg)
{
    return span_of(msg->bytes + msg->http.start_off, msg->http.method_len);
}
static inline struct span msg_target(const struct msg *msg)
{
    return span_of(msg->bytes + msg->http.target_off, msg->http.target_len);
}
static inline struct span msg_body(const struct msg *msg)
{
    return span_from(msg_payload(msg), msg->http.head_len);
}

/* Bytes that holding this message costs, for queue limits. */
static inline size_t msg_cost(const struct msg *msg)
{
    size_t own = sizeof(*msg) + msg->len;
    return msg->request ? own + sizeof(*msg) + msg->request->len : own;
}

/* "1.2.3.4:80", "[::1]:80" or "-" when not known; returns the length. Room: ENDPOINT_TEXT_MAX. */
#define ENDPOINT_TEXT_MAX 56
size_t endpoint_format(char *out, const struct endpoint *e);
/* The reverse; false when text is neither. */
bool endpoint_parse(struct span text, struct endpoint *e);

static inline bool endpoint_eq(const struct endpoint *a, const struct endpoint *b)
{
    uint64_t x[2], y[2];
    if (a->port != b->port || a->family != b->family)
        return false;
    memcpy(x, a->addr, sizeof(x));
    memcpy(y, b->addr, sizeof(y));
    return x[0] == y[0] && x[1] == y[1];
}
