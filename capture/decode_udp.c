/* SPDX-License-Identifier: MIT */
/* UDP, for the tunnels that it carries. Anything may use their ports, so each must also look like
 * what it should be; what does not is ordinary UDP, and not malformed. */
#include "capture/decode_internal.h"

#define VXLAN_HAS_VNI 0x08
#define GPE_VERSION 0x30
#define GPE_HAS_NEXT 0x04
#define GTP_G_PDU 255
#define L2TP_CONTROL 0x8000
#define L2TP_LENGTH 0x4000
#define L2TP_SEQUENCE 0x0800
#define L2TP_OFFSET 0x0200
#define L2TP_VERSION 0x000f
#define TEREDO_ORIGIN 0x0000
#define TEREDO_AUTH 0x0001

/* The header was in in, complete and valid: the walk goes on behind it. */
static bool accept(struct walk *w, const struct cursor *in)
{
    if (!cursor_ok(in))
        return false;
    w->in = *in;
    return true;
}

/* RFC 7348: the other bits are to be ignored. */
struct layer decode_vxlan(struct walk *w)
{
    struct cursor in = w->in;
    uint8_t flags = cursor_u8(&in);
    cursor_skip(&in, 3);
    uint32_t vni = cursor_u24(&in);
    cursor_skip(&in, 1);
    if ((flags & VXLAN_HAS_VNI) == 0 || !looks_like_ethernet(in) || !accept(w, &in))
        return layer_unknown(w);
    walk_vni(w, vni);
    return layer_of(decode_ethernet);
}

/* draft-ietf-nvo3-vxlan-gpe: version 0. */
static struct layer decode_vxlan_gpe(struct walk *w)
{
    struct cursor in = w->in;
    uint8_t flags = cursor_u8(&in);
    cursor_skip(&in, 2);
    uint8_t next = cursor_u8(&in);
    uint32_t vni = cursor_u24(&in);
    cursor_skip(&in, 1);
    bool is_valid = (flags & VXLAN_HAS_VNI) && (flags & GPE_VERSION) == 0;
    if (!is_valid || !accept(w, &in))
        return layer_unknown(w);
    walk_vni(w, vni);
    return flags & GPE_HAS_NEXT ? next_protocol_layer(w, next) : layer_of(decode_ethernet);
}

/* RFC 8926. */
static struct layer decode_geneve(struct walk *w)
{
    struct cursor in = w->in;
    uint8_t head = cursor_u8(&in);
    cursor_skip(&in, 1);
    uint16_t type = cursor_u16(&in);
    uint32_t vni = cursor_u24(&in);
    cursor_skip(&in, 1 + (head & 0x3fu) * 4);
    if (head >> 6 != 0 || !ethertype_is_known(type) || !accept(w, &in))
        return layer_unknown(w);
    scope_add(w, SCOPE_GENEVE, vni);
    return ethertype_layer(w, type);
}

/* 3GPP TS 29.281, 5. */
static struct layer decode_gtp(struct walk *w)
{
    struct cursor in = w->in;
    uint8_t flags = cursor_u8(&in);
    uint8_t type = cursor_u8(&in);
    uint16_t len = cursor_u16(&in);
    cursor_skip(&in, 4); /* TEID */
    cursor_limit(&in, len);
    if (flags & 0x07) {
        cursor_skip(&in, 3);
        uint8_t next = cursor_u8(&in);
        while ((flags & 0x04) && next != 0 && cursor_ok(&in)) {
            size_t words = cursor_u8(&in);
            if (words == 0)
                return layer_unknown(w);
            cursor_skip(&in, words * 4 - 2);
            next = cursor_u8(&in);
        }
    }
    if (flags >> 4 != 3 || type != GTP_G_PDU || !looks_like_ip(in) || !accept(w, &in))
        return layer_unknown(w);
    return layer_of(decode_ip);
}

/* RFC 4380, 5.1.1: at most one of each indication. */
static struct layer decode_teredo(struct walk *w)
{
    struct cursor in = w->in;
    for (int n = 0; n < 2 && cursor_left(&in) > 0 && cursor_peek(&in) == 0; n++) {
        uint16_t kind = cursor_u16(&in);
        if (kind == TEREDO_AUTH) {
            size_t id_len = cursor_u8(&in);
            size_t value_len = cursor_u8(&in);
            cursor_skip(&in, id_len + value_len + 9); /* and nonce, confirmation */
        } else if (kind == TEREDO_ORIGIN) {
            cursor_skip(&in, 6);
        } else {
            return layer_unknown(w);
        }
    }
    if (!looks_like_ip(in) || cursor_peek(&in) >> 4 != 6 || !accept(w, &in))
        return layer_unknown(w);
    return layer_of(decode_ipv6);
}

/* RFC 2661, 3.1; with version 3, RFC 3931, 4.1.2.1. */
static struct layer decode_l2tp(struct walk *w)
{
    struct cursor in = w->in;
    uint16_t flags = cursor_u16(&in);
    if (flags & L2TP_CONTROL)
        return layer_unknown(w);
    if ((flags & L2TP_VERSION) == 3) {
        cursor_skip(&in, 2);
        return accept(w, &in) ? layer_of(decode_l2tpv3) : layer_unknown(w);
    }
    if (flags & L2TP_LENGTH) {
        uint16_t len = cursor_u16(&in);
        cursor_limit(&in, len < 4 ? 0 : len - 4u);
    }
    cursor_skip(&in, 4); /* tunnel, session */
    if (flags & L2TP_SEQUENCE)
        cursor_skip(&in, 4);
    if (flags & L2TP_OFFSET)
        cursor_skip(&in, cursor_u16(&in));
    if ((flags & L2TP_VERSION) != 2 || !accept(w, &in))
        return layer_unknown(w);
    return layer_of(decode_ppp);
}

/* draft-massar-v6ops-ayiya. */
static struct layer decode_ayiya(struct walk *w)
{
    struct cursor in = w->in;
    uint8_t id = cursor_u8(&in);
    uint8_t signature = cursor_u8(&in);
    uint8_t operation = cursor_u8(&in) & 0x0f;
    uint8_t next = cursor_u8(&in);
    cursor_skip(&in, 4); /* epoch */
    cursor_skip(&in, (size_t)1 << (id >> 4));
    cursor_skip(&in, (signature >> 4) * 4u);
    bool is_forward = operation == 1 || operation == 2; /* 2: echo and forward */
    if (!is_forward || (next != 4 && next != 41) || !looks_like_ip(in) || !accept(w, &in))
        return layer_unknown(w);
    return ip_protocol_layer(w, next);
}

/* Where the answers come from the port too, from is set. */
static const struct {
    uint16_t port;
    bool from;
    struct layer layer;
} tunnels[] = {
    {4789, false, {decode_vxlan}},     {8472, false, {decode_vxlan}}, /* Linux's default */
    {4790, false, {decode_vxlan_gpe}}, {6081, false, {decode_geneve}}, {2152, true, {decode_gtp}},
    {3544, true, {decode_teredo}},     {1701, true, {decode_l2tp}},    {5072, true, {decode_ayiya}},
};

static struct layer tunnel_of(uint16_t src, uint16_t dst)
{
    for (size_t i = 0; i < ARRAY_LEN(tunnels); i++)
        if (tunnels[i].port == dst || (tunnels[i].from && tunnels[i].port == src))
            return tunnels[i].layer;
    return LAYER_END;
}

struct layer decode_udp(struct walk *w)
{
    uint16_t src = cursor_u16(&w->in);
    uint16_t dst = cursor_u16(&w->in);
    uint16_t len = cursor_u16(&w->in);
    cursor_skip(&w->in, 2);
    if (len >= 8)
        walk_limit(w, len - 8u);
    else if (len != 0) /* 0: more than 64 KiB, as with IP */
        return layer_malformed(w);
    struct layer next = tunnel_of(src, dst);
    return next.decode ? next : layer_unknown(w);
}
