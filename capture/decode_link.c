/* SPDX-License-Identifier: MIT */
/* Ethernet and what may lie between it and IP: VLAN tags, LLC/SNAP, MPLS, PPPoE; PPP and Cisco
 * HDLC. */
#include "capture/decode_internal.h"

#define ETHERTYPE_MIN 0x0600 /* below, it is a length (IEEE 802.3, 3.2.6) */
#define MPLS_LABELS_MAX 16
#define PPP_IPV4 0x0021
#define PPP_IPV6 0x0057
#define PPP_MPLS 0x0281

static struct layer decode_vlan(struct walk *w);

static const struct {
    uint16_t type;
    struct layer layer;
} ethertypes[] = {
    {0x0800, {decode_ipv4}},     {0x86dd, {decode_ipv6}},
    {0x8100, {decode_vlan}},     {0x88a8, {decode_vlan}},
    {0x9100, {decode_vlan}},     {0x8847, {decode_mpls}},
    {0x8848, {decode_mpls}},     {0x8864, {decode_pppoe}},
    {0x6558, {decode_ethernet}}, /* transparent Ethernet bridging */
    {0x880b, {decode_ppp}},      {0x88be, {decode_erspan2}},
    {0x22eb, {decode_erspan3}},  {0x894f, {decode_nsh}},
};

static struct layer find_ethertype(uint16_t type)
{
    for (size_t i = 0; i < ARRAY_LEN(ethertypes); i++)
        if (ethertypes[i].type == type)
            return ethertypes[i].layer;
    return LAYER_END;
}

struct layer ethertype_layer(struct walk *w, uint16_t type)
{
    struct layer next = find_ethertype(type);
    return next.decode ? next : layer_unknown(w);
}

bool ethertype_is_known(uint16_t type)
{
    return find_ethertype(type).decode != NULL;
}

bool looks_like_ethernet(struct cursor in)
{
    cursor_skip(&in, 12);
    return ethertype_is_known(cursor_u16(&in));
}

static struct layer type_or_length(struct walk *w, uint16_t type)
{
    if (type >= ETHERTYPE_MIN)
        return ethertype_layer(w, type);
    walk_limit(w, type);
    return layer_of(decode_llc);
}

struct layer decode_ethernet(struct walk *w)
{
    const uint8_t *h = cursor_take(&w->in, 14);
    return h ? type_or_length(w, load_be16(h + 12)) : LAYER_END;
}

static struct layer decode_vlan(struct walk *w)
{
    uint32_t id = cursor_u16(&w->in) & 0xfff;
    walk_vlan(w, id);
    return type_or_length(w, cursor_u16(&w->in));
}

/* IEEE 802.2, with SNAP. */
struct layer decode_llc(struct walk *w)
{
    uint32_t head = cursor_u24(&w->in);
    if (head == 0x060603) /* IP without SNAP */
        return layer_of(decode_ip);
    if (head != 0xaaaa03)
        return layer_unknown(w);
    uint32_t oui = cursor_u24(&w->in);
    uint16_t type = cursor_u16(&w->in);
    if (oui == 0 || oui == 0x0000f8) /* RFC 1042; bridge tunnel encapsulation (802.1H) */
        return ethertype_layer(w, type);
    if (oui == 0x0080c2 && (type == 0x0001 || type == 0x0007)) /* bridged 802.3 (RFC 2684) */
        return layer_of(decode_ethernet);
    return layer_unknown(w);
}

/* RFC 3032. Nothing says what follows the last label: it is guessed as routers do for their hashing
 * (RFC 4928), with a look further down, because an Ethernet address may begin with any bits. */
struct layer decode_mpls(struct walk *w)
{
    uint32_t entry = 0;
    for (int n = 0; (entry & 0x100) == 0; n++) {
        if (n == MPLS_LABELS_MAX)
            return layer_malformed(w);
        entry = cursor_u32(&w->in);
        if (!cursor_ok(&w->in))
            return LAYER_END;
    }
    if (looks_like_ip(w->in))
        return layer_of(decode_ip);
    struct cursor behind_word = w->in;
    cursor_skip(&behind_word, 4);
    if (cursor_peek(&w->in) >> 4 == 0 && looks_like_ethernet(behind_word)) {
        w->in = behind_word; /* the control word of RFC 4448 */
        return layer_of(decode_ethernet);
    }
    if (looks_like_ethernet(w->in))
        return layer_of(decode_ethernet);
    return layer_unknown(w);
}

/* RFC 2516, session stage. */
struct layer decode_pppoe(struct walk *w)
{
    uint16_t head = cursor_u16(&w->in);
    uint16_t session = cursor_u16(&w->in);
    uint16_t len = cursor_u16(&w->in);
    if (head != 0x1100)
        return layer_unknown(w);
    scope_add(w, SCOPE_PPPOE, session);
    walk_limit(w, len);
    return layer_of(decode_ppp);
}

/* RFC 1661 and 1662: address and control may be left out, and a zero byte of the protocol. */
struct layer decode_ppp(struct walk *w)
{
    struct cursor framed = w->in;
    if (cursor_u16(&framed) == 0xff03)
        w->in = framed;
    uint16_t protocol = cursor_u8(&w->in);
    if ((protocol & 1) == 0)
        protocol = (uint16_t)(protocol << 8 | cursor_u8(&w->in));
    if (protocol == PPP_IPV4)
        return layer_of(decode_ipv4);
    if (protocol == PPP_IPV6)
        return layer_of(decode_ipv6);
    if (protocol == PPP_MPLS)
        return layer_of(decode_mpls);
    return layer_unknown(w);
}

/* Cisco's HDLC; PPP in HDLC frames comes under the same link type. */
struct layer decode_chdlc(struct walk *w)
{
    struct cursor in = w->in;
    uint8_t address = cursor_u8(&in);
    uint8_t control = cursor_u8(&in);
    if (address == 0xff && control == 0x03)
        return layer_of(decode_ppp);
    uint16_t type = cursor_u16(&in);
    w->in = in;
    return ethertype_layer(w, type);
}
