/* SPDX-License-Identifier: MIT */
/* Tunnels right on IP: GRE with ERSPAN, EtherIP, L2TPv3; and NSH. */
#include "capture/decode_internal.h"

/* GRE's flags: RFC 2784 and 2890; ACK only in version 1 (RFC 2637) */
#define GRE_CHECKSUM 0x8000
#define GRE_ROUTING 0x4000
#define GRE_KEY 0x2000
#define GRE_SEQUENCE 0x1000
#define GRE_ACK 0x0080
#define GRE_VERSION 0x0007
#define GRE_ERSPAN 0x88be
#define GRE_PPP 0x880b

/* PPTP's variant: the key holds the payload's length and the call. */
static struct layer decode_gre1(struct walk *w, uint16_t flags, uint16_t protocol)
{
    if ((flags & GRE_KEY) == 0 || protocol != GRE_PPP)
        return layer_unknown(w);
    uint16_t len = cursor_u16(&w->in);
    cursor_skip(&w->in, 2);
    if ((flags & GRE_SEQUENCE) == 0) /* an acknowledgement, without payload */
        return layer_unknown(w);
    cursor_skip(&w->in, flags & GRE_ACK ? 8 : 4);
    walk_limit(w, len);
    return layer_of(decode_ppp);
}

struct layer decode_gre(struct walk *w)
{
    uint16_t flags = cursor_u16(&w->in);
    uint16_t protocol = cursor_u16(&w->in);
    if ((flags & GRE_VERSION) == 1)
        return decode_gre1(w, flags, protocol);
    if ((flags & (GRE_VERSION | GRE_ROUTING)) != 0)
        return layer_unknown(w);
    if (flags & GRE_CHECKSUM)
        cursor_skip(&w->in, 4);
    if (flags & GRE_KEY)
        scope_add(w, SCOPE_GRE, cursor_u32(&w->in));
    if (flags & GRE_SEQUENCE)
        cursor_skip(&w->in, 4);
    else if (protocol == GRE_ERSPAN) /* type I has no header of its own */
        return layer_of(decode_ethernet);
    return ethertype_layer(w, protocol);
}

/* draft-foschiano-erspan: the mirrored frame's VLAN is here when its tag was taken off. The session
 * says who mirrored it, which is nothing about the frame. */
static struct layer erspan_vlan(struct walk *w, uint16_t head)
{
    if ((head & 0xfff) != 0)
        walk_vlan(w, head & 0xfff);
    return layer_of(decode_ethernet);
}

struct layer decode_erspan2(struct walk *w)
{
    uint16_t head = cursor_u16(&w->in);
    cursor_skip(&w->in, 6);
    return head >> 12 == 1 ? erspan_vlan(w, head) : layer_unknown(w);
}

struct layer decode_erspan3(struct walk *w)
{
    uint16_t head = cursor_u16(&w->in);
    cursor_skip(&w->in, 8);
    uint16_t tail = cursor_u16(&w->in);
    if (tail & 1) /* a platform specific subheader */
        cursor_skip(&w->in, 8);
    if (head >> 12 != 2)
        return layer_unknown(w);
    struct layer next = erspan_vlan(w, head);
    return (tail >> 10 & 0x1f) == 2 ? layer_of(decode_ip) : next; /* frame type */
}

/* RFC 3378. */
struct layer decode_etherip(struct walk *w)
{
    uint16_t head = cursor_u16(&w->in);
    return head == 0x3000 ? layer_of(decode_ethernet) : layer_unknown(w);
}

/* RFC 3931, 4.1.1. How long cookie and sublayer are was agreed in the control connection. */
struct layer decode_l2tpv3(struct walk *w)
{
    if (cursor_u32(&w->in) == 0) /* control */
        return layer_unknown(w);
    struct cursor in = w->in;
    for (int n = 0; n <= 3 && cursor_ok(&in); n++, cursor_skip(&in, 4)) {
        if (looks_like_ethernet(in)) {
            w->in = in;
            return layer_of(decode_ethernet);
        }
    }
    return layer_unknown(w);
}

struct layer next_protocol_layer(struct walk *w, uint8_t protocol)
{
    switch (protocol) {
    case 1:
        return layer_of(decode_ipv4);
    case 2:
        return layer_of(decode_ipv6);
    case 3:
        return layer_of(decode_ethernet);
    case 4:
        return layer_of(decode_nsh);
    case 5:
        return layer_of(decode_mpls);
    default:
        return layer_unknown(w);
    }
}

/* RFC 8300. */
struct layer decode_nsh(struct walk *w)
{
    uint16_t head = cursor_u16(&w->in);
    cursor_skip(&w->in, 1);
    uint8_t next = cursor_u8(&w->in);
    size_t words = head & 0x3f;
    if (head >> 14 != 0 || words < 2)
        return layer_malformed(w);
    cursor_skip(&w->in, words * 4 - 4);
    return next_protocol_layer(w, next);
}
