/* SPDX-License-Identifier: MIT */
/* IPv4 (RFC 791), IPv6 (RFC 8200) and TCP (RFC 9293) headers. */
#include "capture/decode_internal.h"

enum protocol {
    PROTO_HOP_BY_HOP = 0,
    PROTO_IPIP = 4,
    PROTO_TCP = 6,
    PROTO_UDP = 17,
    PROTO_IPV6 = 41,
    PROTO_ROUTING = 43,
    PROTO_FRAGMENT = 44,
    PROTO_GRE = 47,
    PROTO_AH = 51,
    PROTO_DESTINATION = 60,
    PROTO_MPLS = 137,
};

enum scope_kind {
    SCOPE_IPIP = 16,
};

/* Extension headers in one packet: more than any host sends. */
#define MAX_EXTENSIONS 16

/* The addresses of the innermost IP header are the segment's. */
static void set_addresses(struct decoder *d, const uint8_t *src, const uint8_t *dst, uint8_t family)
{
    size_t n = family == 4 ? 4 : 16;
    d->segment->src = (struct endpoint){.family = family};
    d->segment->dst = (struct endpoint){.family = family};
    memcpy(d->segment->src.addr, src, n);
    memcpy(d->segment->dst.addr, dst, n);
}

static bool decode_tcp(struct decoder *d, struct layer l)
{
    struct segment *s = d->segment;
    if (l.len < 20)
        return skip_packet(d, BOOK_SKIPPED_MALFORMED);
    const uint8_t *tcp = l.bytes;
    uint32_t offset = (uint32_t)(tcp[12] >> 4) * 4;
    if (offset < 20 || offset > l.wire_len)
        return skip_packet(d, BOOK_SKIPPED_MALFORMED);
    s->src.port = read16(tcp);
    s->dst.port = read16(tcp + 2);
    s->seq = read32(tcp + 4);
    s->ack = read32(tcp + 8);
    s->flags = tcp[13];
    s->window = read16(tcp + 14);
    s->scope = l.scope;
    s->ts_ns = d->ts_ns;
    if (!layer_take(&l, offset)) { /* cut inside the options: no payload was captured */
        s->payload = l.bytes;
        s->len = 0;
        s->wire_len = l.wire_len - offset;
        return true;
    }
    s->payload = l.bytes;
    s->len = l.len;
    s->wire_len = l.wire_len;
    return true;
}

static bool decode_inner(struct decoder *d, struct layer l, decode_f *next)
{
    layer_scope(&l, SCOPE_IPIP, 0);
    return layer_enter(d, &l) && next(d, l);
}

bool decode_protocol(struct decoder *d, struct layer l, uint8_t protocol)
{
    switch (protocol) {
    case PROTO_TCP:
        return decode_tcp(d, l);
    case PROTO_UDP:
        return decode_udp(d, l);
    case PROTO_IPIP:
        return decode_inner(d, l, decode_ipv4);
    case PROTO_IPV6:
        return decode_inner(d, l, decode_ipv6);
    case PROTO_GRE:
        return decode_gre(d, l);
    case PROTO_MPLS:
        return decode_ethertype(d, l, 0x8847);
    default:
        return skip_packet(d, BOOK_SKIPPED_NOT_TCP);
    }
}

/* A fragment: the rest is decoded when all of them are there. */
static bool decode_fragment(struct decoder *d, struct layer l, const struct ipfrag_key *key,
                            uint32_t offset, bool more)
{
    struct span whole;
    book_one(d->books, BOOK_FRAGMENTS);
    if (l.len < l.wire_len) { /* cut by the snaplen: it can never be whole */
        book_one(d->books, BOOK_FRAGMENTS_LOST);
        return false;
    }
    if (!ipfrag_add(d->fragments, key, offset, more, span_of(l.bytes, l.len), d->ts_ns, &whole))
        return false;
    l.bytes = whole.ptr;
    l.len = l.wire_len = (uint32_t)whole.len;
    return layer_enter(d, &l) && decode_protocol(d, l, key->protocol);
}

static struct ipfrag_key fragment_key(const struct decoder *d, const struct layer *l, uint32_t id,
                                      uint8_t protocol)
{
    struct ipfrag_key key = {.scope = l->scope, .id = id, .protocol = protocol};
    memcpy(key.src, d->segment->src.addr, 16);
    memcpy(key.dst, d->segment->dst.addr, 16);
    key.family = d->segment->src.family;
    return key;
}

bool decode_ipv4(struct decoder *d, struct layer l)
{
    if (l.len < 20 || l.bytes[0] >> 4 != 4)
        return skip_packet(d, BOOK_SKIPPED_MALFORMED);
    const uint8_t *ip = l.bytes;
    uint32_t header = (uint32_t)(ip[0] & 15) * 4, total = read16(ip + 2);
    if (header < 20 || header > l.len || (total != 0 && total < header))
        return skip_packet(d, BOOK_SKIPPED_MALFORMED);
    /* 0: the card will set it (segmentation offload), so all that was captured belongs to it */
    if (total != 0)
        layer_limit(&l, total);
    uint32_t fragment = read16(ip + 6);
    set_addresses(d, ip + 12, ip + 16, 4);
    layer_take(&l, header);
    if (likely((fragment & 0x3fff) == 0))
        return decode_protocol(d, l, ip[9]);
    struct ipfrag_key key = fragment_key(d, &l, read16(ip + 4), ip[9]);
    return decode_fragment(d, l, &key, (fragment & 0x1fff) * 8, fragment & 0x2000);
}

static bool decode_fragment6(struct decoder *d, struct layer l)
{
    if (l.len < 8)
        return skip_packet(d, BOOK_SKIPPED_MALFORMED);
    const uint8_t *h = l.bytes;
    uint32_t offset = read16(h + 2) & 0xfff8;
    bool more = h[3] & 1;
    struct ipfrag_key key = fragment_key(d, &l, read32(h + 4), h[0]);
    layer_take(&l, 8);
    if (offset == 0 && !more) /* an atomic fragment (RFC 6946) is a whole packet */
        return decode_protocol(d, l, key.protocol);
    return decode_fragment(d, l, &key, offset, more);
}

bool decode_ipv6(struct decoder *d, struct layer l)
{
    if (l.len < 40 || l.bytes[0] >> 4 != 6)
        return skip_packet(d, BOOK_SKIPPED_MALFORMED);
    uint32_t payload = read16(l.bytes + 4);
    uint8_t next = l.bytes[6];
    set_addresses(d, l.bytes + 8, l.bytes + 24, 6);
    layer_take(&l, 40);
    if (payload != 0) /* 0: segmentation offload, as in IPv4 */
        layer_limit(&l, payload);
    for (int i = 0; i < MAX_EXTENSIONS; i++) {
        uint32_t len;
        switch (next) {
        case PROTO_HOP_BY_HOP:
        case PROTO_ROUTING:
        case PROTO_DESTINATION:
            len = l.len >= 2 ? ((uint32_t)l.bytes[1] + 1) * 8 : UINT32_MAX;
            break;
        case PROTO_AH:
            len = l.len >= 2 ? ((uint32_t)l.bytes[1] + 2) * 4 : UINT32_MAX;
            break;
        case PROTO_FRAGMENT:
            return decode_fragment6(d, l);
        default:
            return decode_protocol(d, l, next);
        }
        if (len > l.len)
            return skip_packet(d, BOOK_SKIPPED_MALFORMED);
        next = l.bytes[0];
        layer_take(&l, len);
    }
    return skip_packet(d, BOOK_SKIPPED_MALFORMED);
}

bool decode_ip(struct decoder *d, struct layer l)
{
    if (l.len < 1)
        return skip_packet(d, BOOK_SKIPPED_MALFORMED);
    if (l.bytes[0] >> 4 == 4)
        return decode_ipv4(d, l);
    return l.bytes[0] >> 4 == 6 ? decode_ipv6(d, l) : skip_packet(d, BOOK_SKIPPED_LINK);
}
