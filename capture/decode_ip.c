/* SPDX-License-Identifier: MIT */
/* IPv4 (RFC 791), IPv6 (RFC 8200) with its extension headers, fragments of both, and TCP (RFC
 * 9293). Checksums are not looked at: offloading leaves them wrong in what a host captures of
 * itself. */
#include <string.h>

#include "capture/decode_internal.h"

#define IPV4_HEADER 20
#define IPV4_OFFSET_OR_MORE 0x3fff
#define IPV4_MORE 0x2000
#define IPV6_HEADER 40
#define IPV6_OFFSET_OR_MORE 0xfff9
#define TCP_HEADER 20
#define IP_PROTOCOL_TCP 6

struct layer decode_ip(struct walk *w)
{
    uint8_t version = cursor_peek(&w->in) >> 4;
    if (version == 4)
        return layer_of(decode_ipv4);
    if (version == 6)
        return layer_of(decode_ipv6);
    return layer_malformed(w);
}

bool looks_like_ip(struct cursor in)
{
    const uint8_t *h = cursor_take(&in, IPV4_HEADER);
    if (!h)
        return false;
    if (h[0] >> 4 == 4)
        return (h[0] & 15) >= 5 && (load_be16(h + 2) >= IPV4_HEADER || load_be16(h + 2) == 0);
    return h[0] >> 4 == 6 && cursor_left(&in) >= IPV6_HEADER - IPV4_HEADER;
}

/* The rest of the layer is a fragment's bytes: the walk goes on when they complete a datagram. */
static struct layer decode_fragment(struct walk *w, struct fragment *fragment)
{
    if (!cursor_ok(&w->in))
        return LAYER_END;
    fragment->src = w->src;
    fragment->dst = w->dst;
    fragment->family = w->family;
    fragment->scope = w->scope;
    fragment->ts_ns = w->ts_ns;
    fragment->bytes = w->in.at;
    fragment->len = cursor_left(&w->in);
    fragment->cut = w->cut > 0;
    struct datagram *datagram = ipfrag_add(w->decoder->fragments, fragment);
    if (!datagram)
        return layer_skip(w, NOT_SKIPPED);
    datagram->next = w->decoder->datagrams;
    w->decoder->datagrams = datagram;
    w->in = cursor_of(datagram->bytes, datagram->len);
    w->cut = 0;
    return ip_protocol_layer(w, datagram->protocol);
}

static struct layer decode_ipv4_fragment(struct walk *w, const uint8_t *header)
{
    uint16_t place = load_be16(header + 6);
    struct fragment fragment = {
        .id = load_be16(header + 4),
        .offset = (uint32_t)(place & 0x1fff) * 8,
        .more = (place & IPV4_MORE) != 0,
        .protocol = header[9],
    };
    if (load_be16(header + 2) == 0) /* no offload engine makes fragments without a length */
        return layer_malformed(w);
    return decode_fragment(w, &fragment);
}

struct layer decode_ipv4(struct walk *w)
{
    const uint8_t *h = cursor_take(&w->in, IPV4_HEADER);
    if (!h)
        return LAYER_END;
    size_t header_len = (size_t)(h[0] & 15) * 4;
    size_t total = load_be16(h + 2);
    if (h[0] >> 4 != 4 || header_len < IPV4_HEADER)
        return layer_malformed(w);
    if (total >= header_len)
        walk_limit(w, total - IPV4_HEADER);
    else if (total != 0) /* 0: more than 64 KiB, or not yet filled in by the offload engine */
        return layer_malformed(w);
    if (header_len > IPV4_HEADER)
        cursor_skip(&w->in, header_len - IPV4_HEADER);
    w->family = 4;
    w->src = h + 12;
    w->dst = h + 16;
    if (load_be16(h + 6) & IPV4_OFFSET_OR_MORE)
        return decode_ipv4_fragment(w, h);
    return ip_protocol_layer(w, h[9]);
}

struct layer decode_ipv6(struct walk *w)
{
    const uint8_t *h = cursor_take(&w->in, IPV6_HEADER);
    if (!h)
        return LAYER_END;
    if (h[0] >> 4 != 6)
        return layer_malformed(w);
    uint16_t len = load_be16(h + 4);
    if (len != 0) /* 0: as in IPv4 */
        walk_limit(w, len);
    w->family = 6;
    w->src = h + 8;
    w->dst = h + 24;
    return ip_protocol_layer(w, h[6]);
}

/* Hop-by-hop, routing, destination options, mobility, HIP, shim6: RFC 6564's common shape. */
static struct layer decode_ipv6_extension(struct walk *w)
{
    uint8_t next = cursor_u8(&w->in);
    size_t len = ((size_t)cursor_u8(&w->in) + 1) * 8;
    cursor_skip(&w->in, len - 2);
    return w->family == 6 ? ip_protocol_layer(w, next) : layer_unknown(w);
}

static struct layer decode_ipv6_fragment(struct walk *w)
{
    if (w->family != 6)
        return layer_unknown(w);
    struct fragment fragment = {.protocol = cursor_u8(&w->in)};
    cursor_skip(&w->in, 1);
    uint16_t place = cursor_u16(&w->in);
    fragment.id = cursor_u32(&w->in);
    fragment.offset = place & 0xfff8;
    fragment.more = (place & 1) != 0;
    if ((place & IPV6_OFFSET_OR_MORE) == 0) /* a datagram in one piece (RFC 6946) */
        return ip_protocol_layer(w, fragment.protocol);
    return decode_fragment(w, &fragment);
}

/* RFC 4302: the payload is in the clear. */
static struct layer decode_ah(struct walk *w)
{
    uint8_t next = cursor_u8(&w->in);
    size_t len = ((size_t)cursor_u8(&w->in) + 2) * 4;
    cursor_skip(&w->in, len - 2);
    return ip_protocol_layer(w, next);
}

static inline void set_endpoint(struct endpoint *e, uint8_t family, const uint8_t *addr,
                                uint16_t port)
{
    if (likely(family == 4)) {
        memset(e->addr, 0, sizeof(e->addr));
        memcpy(e->addr, addr, 4);
    } else {
        memcpy(e->addr, addr, 16);
    }
    e->port = port;
    e->family = family;
}

/* What the fixed part of the header at h says. */
static inline void set_from_tcp(struct segment *s, const uint8_t *h)
{
    s->seq = load_be32(h + 4);
    s->ack = load_be32(h + 8);
    s->window = load_be16(h + 14);
    s->flags = h[13];
}

static struct layer decode_tcp(struct walk *w)
{
    const uint8_t *h = cursor_take(&w->in, TCP_HEADER);
    if (!h)
        return LAYER_END;
    size_t header_len = (size_t)(h[12] >> 4) * 4;
    size_t left = cursor_left(&w->in), options = header_len - TCP_HEADER;
    if (header_len < TCP_HEADER || options > left + w->cut)
        return layer_malformed(w);
    struct segment *s = w->segment;
    s->wire_len = (uint32_t)(left + w->cut - options);
    if (options > left) /* cut in the options: what there was is told all the same */
        options = left;
    s->payload = w->in.at + options;
    s->len = (uint32_t)(left - options);
    set_endpoint(&s->src, w->family, w->src, load_be16(h));
    set_endpoint(&s->dst, w->family, w->dst, load_be16(h + 2));
    set_from_tcp(s, h);
    s->scope = w->scope;
    s->ts_ns = w->ts_ns;
    w->found = true;
    return LAYER_END;
}

bool decode_plain(const struct packet *packet, size_t offset, struct segment *s)
{
    size_t left = packet->len - offset;
    const uint8_t *ip = packet->bytes + offset, *tcp = ip + IPV4_HEADER;
    if (left < IPV4_HEADER + TCP_HEADER || ip[0] != 0x45 || ip[9] != IP_PROTOCOL_TCP ||
        (load_be16(ip + 6) & IPV4_OFFSET_OR_MORE))
        return false;
    size_t total = load_be16(ip + 2), header_len = (size_t)(tcp[12] >> 4) * 4;
    if (total > left || header_len < TCP_HEADER || total < IPV4_HEADER + header_len)
        return false;
    set_endpoint(&s->src, 4, ip + 12, load_be16(tcp));
    set_endpoint(&s->dst, 4, ip + 16, load_be16(tcp + 2));
    set_from_tcp(s, tcp);
    s->scope = 0;
    s->ts_ns = packet->ts_ns;
    s->payload = tcp + header_len;
    s->len = s->wire_len = (uint32_t)(total - IPV4_HEADER - header_len);
    return true;
}

const struct layer ip_protocols[256] = {
    [0] = {decode_ipv6_extension}, /* hop-by-hop */
    [4] = {decode_ipv4},
    [IP_PROTOCOL_TCP] = {decode_tcp},
    [17] = {decode_udp},
    [41] = {decode_ipv6},
    [43] = {decode_ipv6_extension}, /* routing */
    [44] = {decode_ipv6_fragment},
    [47] = {decode_gre},
    [51] = {decode_ah},
    [60] = {decode_ipv6_extension}, /* destination options */
    [97] = {decode_etherip},
    [115] = {decode_l2tpv3},
    [135] = {decode_ipv6_extension}, /* mobility */
    [137] = {decode_mpls}, /* RFC 4023 */
    [139] = {decode_ipv6_extension}, /* HIP */
    [140] = {decode_ipv6_extension}, /* shim6 */
    [143] = {decode_ethernet}, /* RFC 8986 */
};
