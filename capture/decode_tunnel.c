/* SPDX-License-Identifier: MIT */
/* Tunnels over GRE and UDP. A UDP port alone proves nothing: a tunnel is taken for one when its
 * header is valid too; everything else over UDP is skipped as not TCP. */
#include "capture/decode_internal.h"

enum udp_port {
    PORT_L2TP = 1701,
    PORT_GTP_U = 2152,
    PORT_TEREDO = 3544,
    PORT_VXLAN = 4789,
    PORT_VXLAN_GPE = 4790,
    PORT_AYIYA = 5072,
    PORT_GENEVE = 6081,
    PORT_VXLAN_LINUX = 8472,
};

enum scope_kind {
    SCOPE_GRE = 32,
    SCOPE_VXLAN,
    SCOPE_GENEVE,
    SCOPE_GTP,
    SCOPE_TEREDO,
    SCOPE_L2TP,
    SCOPE_AYIYA,
};

/* RFC 2784, 2890; version 1 is PPTP's (RFC 2637). */
bool decode_gre(struct decoder *d, struct layer l)
{
    if (l.len < 4 || !layer_enter(d, &l))
        return skip_packet(d, BOOK_SKIPPED_MALFORMED);
    uint16_t flags = read16(l.bytes), type = read16(l.bytes + 2);
    uint32_t version = flags & 7, key = 0;
    bool has_checksum = flags & 0x8000, has_routing = flags & 0x4000;
    bool has_key = flags & 0x2000, has_seq = flags & 0x1000, has_ack = flags & 0x0080;
    uint32_t len = 4;
    if (has_checksum || (has_routing && version == 0))
        len += 4;
    if (has_key && l.len >= len + 4)
        key = read32(l.bytes + len);
    len += has_key ? 4 : 0;
    len += has_seq ? 4 : 0;
    len += version == 1 && has_ack ? 4 : 0;
    if (version > 1 || (has_routing && version == 0) || !layer_take(&l, len))
        return skip_packet(d, BOOK_SKIPPED_MALFORMED);
    if (version == 1)
        key &= 0xffff; /* the call; the upper half is a length */
    layer_scope(&l, SCOPE_GRE, key);
    /* without a sequence number it is ERSPAN of the first kind: no header of its own */
    if (type == 0x88be && !has_seq)
        return decode_ethernet(d, l);
    return decode_ethertype(d, l, type);
}

/* RFC 7348: flags with the I bit, network identifier. */
static bool decode_vxlan(struct decoder *d, struct layer l)
{
    if (l.len < 8 || !(l.bytes[0] & 0x08))
        return skip_packet(d, BOOK_SKIPPED_NOT_TCP);
    layer_scope(&l, SCOPE_VXLAN, read32(l.bytes + 4) >> 8);
    layer_take(&l, 8);
    return decode_ethernet(d, l);
}

static bool decode_vxlan_gpe(struct decoder *d, struct layer l)
{
    if (l.len < 8 || !(l.bytes[0] & 0x08))
        return skip_packet(d, BOOK_SKIPPED_NOT_TCP);
    uint8_t next = l.bytes[0] & 0x04 ? l.bytes[3] : 3;
    layer_scope(&l, SCOPE_VXLAN, read32(l.bytes + 4) >> 8);
    layer_take(&l, 8);
    switch (next) {
    case 1:
        return decode_ipv4(d, l);
    case 2:
        return decode_ipv6(d, l);
    case 3:
        return decode_ethernet(d, l);
    case 4:
        return decode_ethertype(d, l, 0x894f);
    case 5:
        return decode_ethertype(d, l, 0x8847);
    default:
        return skip_packet(d, BOOK_SKIPPED_NOT_TCP);
    }
}

/* RFC 8926: version, option length in words, type of what follows, network identifier. */
static bool decode_geneve(struct decoder *d, struct layer l)
{
    if (l.len < 8 || l.bytes[0] >> 6 != 0)
        return skip_packet(d, BOOK_SKIPPED_NOT_TCP);
    uint32_t len = 8 + (uint32_t)(l.bytes[0] & 0x3f) * 4;
    uint16_t type = read16(l.bytes + 2);
    layer_scope(&l, SCOPE_GENEVE, read32(l.bytes + 4) >> 8);
    if (!layer_take(&l, len))
        return skip_packet(d, BOOK_SKIPPED_MALFORMED);
    return decode_ethertype(d, l, type);
}

/* 3GPP TS 29.281: version 1, G-PDU; extension headers in words, chained by their last byte. The two
 * directions have tunnel ids of their own, so these are no part of the scope. */
static bool decode_gtp(struct decoder *d, struct layer l)
{
    if (l.len < 8 || l.bytes[0] >> 5 != 1 || l.bytes[1] != 0xff)
        return skip_packet(d, BOOK_SKIPPED_NOT_TCP);
    uint8_t flags = l.bytes[0];
    uint32_t length = read16(l.bytes + 2);
    layer_scope(&l, SCOPE_GTP, 0);
    layer_take(&l, 8);
    layer_limit(&l, length);
    if (flags & 7) {
        if (l.len < 4)
            return skip_packet(d, BOOK_SKIPPED_MALFORMED);
        uint8_t next = flags & 4 ? l.bytes[3] : 0;
        layer_take(&l, 4);
        for (int i = 0; next != 0; i++) {
            uint32_t len = l.len > 0 ? (uint32_t)l.bytes[0] * 4 : 0;
            if (len == 0 || len > l.len || i == MAX_DEPTH)
                return skip_packet(d, BOOK_SKIPPED_MALFORMED);
            next = l.bytes[len - 1];
            layer_take(&l, len);
        }
    }
    return decode_ip(d, l);
}

/* RFC 4380, 5.1.1: authentication and origin indication may come first. */
static bool decode_teredo(struct decoder *d, struct layer l)
{
    if (l.len >= 4 && read16(l.bytes) == 0x0001) {
        uint32_t len = 13 + (uint32_t)l.bytes[2] + l.bytes[3];
        if (!layer_take(&l, len))
            return skip_packet(d, BOOK_SKIPPED_NOT_TCP);
    }
    if (l.len >= 8 && read16(l.bytes) == 0x0000)
        layer_take(&l, 8);
    if (l.len < 40 || l.bytes[0] >> 4 != 6)
        return skip_packet(d, BOOK_SKIPPED_NOT_TCP);
    layer_scope(&l, SCOPE_TEREDO, 0);
    return decode_ipv6(d, l);
}

/* RFC 2661: data messages of version 2; the flags say which fields there are. */
static bool decode_l2tp(struct decoder *d, struct layer l)
{
    if (l.len < 6 || (read16(l.bytes) & 0x800f) != 0x0002)
        return skip_packet(d, BOOK_SKIPPED_NOT_TCP);
    uint16_t flags = read16(l.bytes);
    uint32_t len = 2 + (flags & 0x4000 ? 2u : 0u) + 4 + (flags & 0x0800 ? 4u : 0u);
    if (flags & 0x0200) { /* offset */
        if (l.len < len + 2)
            return skip_packet(d, BOOK_SKIPPED_MALFORMED);
        len += 2 + read16(l.bytes + len);
    }
    layer_scope(&l, SCOPE_L2TP, 0); /* each direction has ids of its own */
    if (!layer_take(&l, len))
        return skip_packet(d, BOOK_SKIPPED_MALFORMED);
    return decode_ppp(d, l);
}

/* draft-massar-v6ops-ayiya: identity and signature of 2^n and 4n bytes, then the packet. */
static bool decode_ayiya(struct decoder *d, struct layer l)
{
    if (l.len < 8)
        return skip_packet(d, BOOK_SKIPPED_NOT_TCP);
    uint32_t len = 8 + (1u << (l.bytes[0] >> 4)) + (uint32_t)(l.bytes[1] >> 4) * 4;
    uint8_t operation = l.bytes[2] & 15, next = l.bytes[3];
    if (operation != 1 || (next != 41 && next != 4) || !layer_take(&l, len))
        return skip_packet(d, BOOK_SKIPPED_NOT_TCP);
    layer_scope(&l, SCOPE_AYIYA, 0);
    return decode_ip(d, l);
}

static decode_f *tunnel_of(uint16_t port)
{
    switch (port) {
    case PORT_VXLAN:
    case PORT_VXLAN_LINUX:
        return decode_vxlan;
    case PORT_VXLAN_GPE:
        return decode_vxlan_gpe;
    case PORT_GENEVE:
        return decode_geneve;
    case PORT_GTP_U:
        return decode_gtp;
    case PORT_TEREDO:
        return decode_teredo;
    case PORT_L2TP:
        return decode_l2tp;
    case PORT_AYIYA:
        return decode_ayiya;
    default:
        return NULL;
    }
}

bool decode_udp(struct decoder *d, struct layer l)
{
    if (l.len < 8)
        return skip_packet(d, BOOK_SKIPPED_NOT_TCP);
    uint32_t length = read16(l.bytes + 4);
    decode_f *tunnel = tunnel_of(read16(l.bytes + 2));
    if (!tunnel) /* answers come from the port */
        tunnel = tunnel_of(read16(l.bytes));
    if (!tunnel)
        return skip_packet(d, BOOK_SKIPPED_NOT_TCP);
    if (length >= 8)
        layer_limit(&l, length);
    if (!layer_take(&l, 8) || !layer_enter(d, &l))
        return skip_packet(d, BOOK_SKIPPED_MALFORMED);
    return tunnel(d, l);
}
