/* SPDX-License-Identifier: MIT */
/* IEEE 802.11 data frames, bare or behind radiotap or PPI headers. Those are little-endian.
 * Encrypted and fragmented frames, and aggregates (A-MSDU), are skipped. */
#include "capture/decode_internal.h"

/* radiotap.org: the first two bits of the present word are TSFT and flags */
#define RADIOTAP_TSFT 0x01u
#define RADIOTAP_FLAGS 0x02u
#define RADIOTAP_MORE_PRESENT 0x80000000u
#define RADIOTAP_DATA_PAD 0x20 /* the 802.11 header is padded to 32 bits */

/* IEEE 802.11, 9.2.4.1 */
#define WLAN_TYPE_MASK 0x0f
#define WLAN_DATA 0x08
#define WLAN_NO_DATA 0x40
#define WLAN_QOS 0x80
#define WLAN_TO_FROM_DS 0x03
#define WLAN_MORE_FRAGMENTS 0x04
#define WLAN_PROTECTED 0x40
#define WLAN_HT_CONTROL 0x80
#define WLAN_QOS_AMSDU 0x80

static struct layer data_frame(struct walk *w, bool is_padded)
{
    const uint8_t *h = cursor_take(&w->in, 24);
    if (!h)
        return LAYER_END;
    if ((h[0] & WLAN_TYPE_MASK) != WLAN_DATA || (h[0] & WLAN_NO_DATA))
        return layer_unknown(w);
    if ((h[1] & (WLAN_PROTECTED | WLAN_MORE_FRAGMENTS)) || (h[22] & 0x0f) != 0)
        return layer_unknown(w);
    size_t header_len = 24;
    if ((h[1] & WLAN_TO_FROM_DS) == WLAN_TO_FROM_DS) {
        cursor_skip(&w->in, 6); /* the fourth address */
        header_len += 6;
    }
    if (h[0] & WLAN_QOS) {
        uint8_t qos = cursor_u8(&w->in);
        size_t rest = h[1] & WLAN_HT_CONTROL ? 5 : 1;
        cursor_skip(&w->in, rest);
        header_len += 1 + rest;
        if (qos & WLAN_QOS_AMSDU)
            return layer_unknown(w);
    }
    if (is_padded)
        cursor_skip(&w->in, -header_len % 4);
    return layer_of(decode_llc);
}

struct layer decode_wlan(struct walk *w)
{
    return data_frame(w, false);
}

static struct layer decode_padded_wlan(struct walk *w)
{
    return data_frame(w, true);
}

struct layer decode_radiotap(struct walk *w)
{
    const uint8_t *start = w->in.at;
    uint8_t version = cursor_u8(&w->in);
    cursor_skip(&w->in, 1);
    uint16_t len = cursor_le16(&w->in);
    if (version != 0 || len < 8)
        return layer_malformed(w);
    struct cursor fields = w->in;
    cursor_skip(&w->in, len - 4u);
    if (!cursor_ok(&w->in))
        return LAYER_END;
    cursor_limit(&fields, len - 4u);
    uint32_t present = cursor_le32(&fields);
    for (uint32_t more = present; more & RADIOTAP_MORE_PRESENT;)
        more = cursor_le32(&fields);
    if (present & RADIOTAP_TSFT) /* 64 bits, aligned */
        cursor_skip(&fields, (size_t)(start - fields.at) % 8 + 8);
    uint8_t flags = present & RADIOTAP_FLAGS ? cursor_u8(&fields) : 0;
    return (struct layer){flags & RADIOTAP_DATA_PAD ? decode_padded_wlan : decode_wlan};
}

struct layer decode_ppi(struct walk *w)
{
    cursor_skip(&w->in, 2);
    uint16_t len = cursor_le16(&w->in);
    uint32_t link_type = cursor_le32(&w->in);
    if (len < 8 || link_type > INT32_MAX)
        return layer_malformed(w);
    cursor_skip(&w->in, len - 8u);
    return link_layer(w, (int)link_type);
}
