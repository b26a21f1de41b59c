/* SPDX-License-Identifier: MIT */
/* Headers that a capturing system makes up: Linux cooked (SLL, SLL2), BSD loopback, netfilter's
 * log. Their layout is that of pcap-linktype(7). */
#include "capture/decode_internal.h"

#define SLL_802_2 0x0004 /* LINUX_SLL_P_802_2: LLC follows */
#define NFLOG_PAYLOAD 9
#define NFLOG_TYPE_MAX 0xff

static struct layer cooked_protocol(struct walk *w, uint16_t protocol)
{
    return protocol == SLL_802_2 ? layer_of(decode_llc) : ethertype_layer(w, protocol);
}

struct layer decode_sll(struct walk *w)
{
    const uint8_t *h = cursor_take(&w->in, 16);
    return h ? cooked_protocol(w, load_be16(h + 14)) : LAYER_END;
}

struct layer decode_sll2(struct walk *w)
{
    const uint8_t *h = cursor_take(&w->in, 20);
    return h ? cooked_protocol(w, load_be16(h)) : LAYER_END;
}

/* By address family: 2 is IPv4 everywhere; IPv6 is 10 on Linux, 23 on Windows, 24 on NetBSD and
 * OpenBSD, 28 on FreeBSD, 30 on macOS. */
static struct layer family_layer(struct walk *w, uint32_t family)
{
    switch (family) {
    case 2:
        return layer_of(decode_ipv4);
    case 10:
    case 23:
    case 24:
    case 28:
    case 30:
        return layer_of(decode_ipv6);
    default:
        return layer_unknown(w);
    }
}

/* NULL in the byte order of the capturing machine, LOOP in network order. */
struct layer decode_null(struct walk *w)
{
    uint32_t family = cursor_u32(&w->in);
    if (family > 0xffff)
        family = __builtin_bswap32(family);
    return family_layer(w, family);
}

/* A list of type-length-value, whose numbers are in the byte order of the machine that captured:
 * types are small, which tells the order. */
struct layer decode_nflog(struct walk *w)
{
    uint8_t family = cursor_u8(&w->in);
    uint8_t version = cursor_u8(&w->in);
    cursor_skip(&w->in, 2);
    if (version != 0)
        return layer_malformed(w);
    struct cursor order = w->in;
    cursor_skip(&order, 2);
    bool is_big = cursor_le16(&order) > NFLOG_TYPE_MAX;
    while (cursor_ok(&w->in)) {
        uint16_t len = is_big ? cursor_u16(&w->in) : cursor_le16(&w->in);
        uint16_t type = is_big ? cursor_u16(&w->in) : cursor_le16(&w->in);
        if (!cursor_ok(&w->in) || len < 4)
            return layer_malformed(w);
        if (type == NFLOG_PAYLOAD) {
            walk_limit(w, len - 4u);
            return family_layer(w, family);
        }
        cursor_skip(&w->in, (len + 3u) / 4 * 4 - 4);
    }
    return LAYER_END;
}
