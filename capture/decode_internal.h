/* SPDX-License-Identifier: MIT */
/* Between the files of the decoder. Every function looks at the front of a layer, takes its header
 * off and hands the rest to the next; it returns true when a TCP segment was found at the end. None
 * reads beyond layer.len. */
#pragma once

#include <string.h>

#include "capture/decode.h"
#include "reassembly/ipfrag.h"

/* What is left of a packet. */
struct layer {
    const uint8_t *bytes;
    uint32_t len; /* bytes captured */
    uint32_t wire_len; /* bytes on the wire, >= len */
    uint64_t scope; /* tags and tunnels so far */
    uint8_t depth; /* headers that contain others so far */
};

struct decoder {
    struct books *books;
    struct ipfrag *fragments;
    struct segment *segment; /* where the result goes */
    int64_t ts_ns;
    bool waits; /* the packet was a fragment, and is kept */
};

/* Tunnels within tunnels, tags included. */
#define MAX_DEPTH 16

typedef bool decode_f(struct decoder *d, struct layer l);

static inline uint16_t read16(const uint8_t *p)
{
    return (uint16_t)(p[0] << 8 | p[1]);
}
static inline uint32_t read32(const uint8_t *p)
{
    return (uint32_t)read16(p) << 16 | read16(p + 2);
}

/* Takes n bytes off the front; false when there are not so many. */
static inline bool layer_take(struct layer *l, uint32_t n)
{
    if (n > l->len)
        return false;
    l->bytes += n;
    l->len -= n;
    l->wire_len -= n;
    return true;
}

/* Nothing behind the first n bytes belongs to this layer: padding, trailers. */
static inline void layer_limit(struct layer *l, uint32_t n)
{
    if (l->wire_len > n)
        l->wire_len = n;
    if (l->len > n)
        l->len = n;
}

/* Adds a tag or tunnel id to what tells flows apart. */
void layer_scope(struct layer *l, uint32_t kind, uint32_t id);
/* One more header that contains others; false: too many. */
bool layer_enter(struct decoder *d, struct layer *l);
/* Counts why a packet leads to no segment; returns false. */
bool skip_packet(struct decoder *d, enum book why);

/* decode_link.c */
decode_f decode_ethernet;
bool decode_ethertype(struct decoder *d, struct layer l, uint16_t type);
bool decode_ppp(struct decoder *d, struct layer l);
/* decode_ip.c */
decode_f decode_ipv4, decode_ipv6, decode_ip;
bool decode_protocol(struct decoder *d, struct layer l, uint8_t protocol);
/* decode_tunnel.c */
decode_f decode_gre, decode_udp;
