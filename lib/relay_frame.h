/* SPDX-License-Identifier: MIT */
/* What two refrains say to each other over a relay: docs are in refrain-relay(7). One connection:
 *
 *   sender    "refrain-relay/1 sender=ID next=N" LF 🐵🙈🙉 LF      HELLO: to a gor, a record without
 *                                                              header, which it drops
 *   receiver  "refrain-relay/1 have=N" LF                        WELCOME: sent on from N + 1
 *             both with " pack=zstd" at the end when ZSTD frames are wanted, and understood
 *   sender    frames: DATA, PING, ZSTD
 *   receiver  frames: ACK, BYE
 *
 * A frame is a head of 28 bytes, network order, and a body. The body of DATA is a record without
 * its separator: header line (with LENGTH and CRC32) and payload. The head's CRC32 is over the rest
 * of the head and the header line, so that every byte is summed up once. DATA frames of a session
 * are numbered from 1 in the order of sending, without saying so; ACK names the last that was
 * handed over. STREAM and NUMBER name a message for ever, over hops and restarts.
 *
 * Pure: bytes in, structs out. Any thread. */
#pragma once

#include "lib/base.h"
#include "lib/msg.h"
#include "lib/record.h"
#include "lib/span.h"

#define RELAY_VERSION 1
/* Longest HELLO or WELCOME, with everything. */
#define RELAY_HELLO_MAX 256
/* A record with a longer payload is damage. */
#define RELAY_PAYLOAD_MAX (256 * MIB)
#define RELAY_HEAD_LEN 28
/* What a ZSTD frame may unpack to, and be long at most. */
#define RELAY_PACKED_MAX (512 * KIB)

enum relay_type {
    RELAY_DATA = 1, /* body_len bytes, the first line_len of which are the header line */
    RELAY_ZSTD = 2, /* body_len bytes that unpack to number bytes of whole DATA frames */
    RELAY_PING = 3, /* asks for an ACK */
    RELAY_ACK = 4, /* number: the last DATA frame of the session that was handed over */
    RELAY_BYE = 5, /* the receiver stops: no more DATA; what was sent is acknowledged still */
};

struct relay_head {
    enum relay_type type;
    uint16_t line_len;
    uint32_t body_len;
    uint64_t stream, number;
};

/* Writes the head of frame h to out (RELAY_HEAD_LEN bytes); line: DATA's header line. */
void relay_head_put(uint8_t *out, const struct relay_head *h, struct span line);

/* Bytes that the DATA frame of msg takes at most. */
static inline size_t relay_data_max(const struct msg *msg)
{
    return RELAY_HEAD_LEN + RECORD_HEADER_MAX + msg->len;
}
/* Writes it to out, which has that room; returns its length. */
size_t relay_data_put(uint8_t *out, const struct msg *msg, uint64_t stream, uint64_t number);

enum relay_found {
    RELAY_SHORT = 0, /* bytes is the beginning of a frame: more must come */
    RELAY_FOUND = 1, /* a frame; its body may not be there yet */
    RELAY_BAD = 2, /* no frame begins here */
};

/* The head at bytes: checked, with its header line, and within the limits. */
enum relay_found relay_head_get(struct span bytes, struct relay_head *h);

/* Could a frame begin here? bytes.len > 0. */
bool relay_is_frame(struct span bytes);
/* The head of a frame that is known to be whole and good. */
struct relay_head relay_head_peek(const uint8_t *bytes);

static inline size_t relay_frame_len(const struct relay_head *h)
{
    return RELAY_HEAD_LEN + (size_t)h->body_len;
}
static inline size_t relay_payload_len(const struct relay_head *h)
{
    return h->body_len - h->line_len;
}

struct relay_hello {
    unsigned version; /* the highest that the sender speaks */
    uint64_t sender; /* names the session */
    uint64_t next; /* the number of the DATA frame that it would send first */
    bool zstd; /* it would send ZSTD frames */
};

struct relay_welcome {
    unsigned version; /* that the receiver speaks */
    uint64_t have; /* the number of the last DATA frame that it has taken */
    bool zstd; /* it understands ZSTD frames */
};

/* Both return the length of the text. out: RELAY_HELLO_MAX. */
size_t relay_hello_put(char *out, const struct relay_hello *hello);
size_t relay_welcome_put(char *out, const struct relay_welcome *welcome);

/* Is it a HELLO that bytes begin with? RELAY_FOUND: *hello, *used bytes of it. RELAY_BAD: another
 * sender's bytes, or a HELLO that is none. */
enum relay_found relay_hello_get(struct span bytes, struct relay_hello *hello, size_t *used);
/* The same for a WELCOME. */
enum relay_found relay_welcome_get(struct span bytes, struct relay_welcome *welcome, size_t *used);
/* Could bytes be a HELLO, as far as they go? */
bool relay_is_hello(struct span bytes);
