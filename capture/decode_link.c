/* SPDX-License-Identifier: MIT */
/* Link layers and tags: what stands before the IP header. The link types are those of libpcap
 * (pcap-linktype(7)); its numbers for saved files are the same but for RAW. */
#include <pcap/dlt.h>

#include "capture/decode_internal.h"

enum scope_kind {
    SCOPE_VLAN = 1,
    SCOPE_PPPOE = 2,
};

enum ethertype {
    TYPE_IPV4 = 0x0800,
    TYPE_IPV6 = 0x86dd,
    TYPE_VLAN = 0x8100,
    TYPE_QINQ = 0x88a8,
    TYPE_QINQ_OLD = 0x9100,
    TYPE_MPLS = 0x8847,
    TYPE_MPLS_MULTICAST = 0x8848,
    TYPE_PPPOE = 0x8864,
    TYPE_TEB = 0x6558, /* Ethernet in a tunnel */
    TYPE_ERSPAN2 = 0x88be,
    TYPE_ERSPAN3 = 0x22eb,
    TYPE_PPP = 0x880b,
    TYPE_NSH = 0x894f,
};

/* Above this an EtherType, up to it the length of an IEEE 802.3 frame. */
#define MAX_8023_LEN 1500

/* IEEE 802.2 with SNAP: AA AA 03, organization, EtherType. */
static bool decode_llc(struct decoder *d, struct layer l)
{
    if (l.len < 8 || l.bytes[0] != 0xaa || l.bytes[1] != 0xaa)
        return skip_packet(d, BOOK_SKIPPED_LINK);
    uint16_t type = read16(l.bytes + 6);
    layer_take(&l, 8);
    return decode_ethertype(d, l, type);
}

static bool decode_vlan(struct decoder *d, struct layer l)
{
    if (l.len < 4 || !layer_enter(d, &l))
        return skip_packet(d, BOOK_SKIPPED_MALFORMED);
    uint16_t type = read16(l.bytes + 2);
    layer_scope(&l, SCOPE_VLAN, read16(l.bytes) & 0xfff);
    layer_take(&l, 4);
    return decode_ethertype(d, l, type);
}

/* Labels say where a packet goes, not whose it is: they are no part of the scope. Behind the last
 * comes IP, or an Ethernet pseudowire with (RFC 4448) or without a control word. */
static bool decode_mpls(struct decoder *d, struct layer l)
{
    bool bottom = false;
    for (int labels = 0; !bottom; labels++) {
        if (l.len < 4 || labels == MAX_DEPTH)
            return skip_packet(d, BOOK_SKIPPED_MALFORMED);
        bottom = l.bytes[2] & 1;
        layer_take(&l, 4);
    }
    if (l.len < 1 || !layer_enter(d, &l))
        return skip_packet(d, BOOK_SKIPPED_MALFORMED);
    if (l.bytes[0] >> 4 == 4 || l.bytes[0] >> 4 == 6)
        return decode_ip(d, l);
    if (l.bytes[0] >> 4 == 0 && !layer_take(&l, 4))
        return skip_packet(d, BOOK_SKIPPED_MALFORMED);
    return decode_ethernet(d, l);
}

bool decode_ppp(struct decoder *d, struct layer l)
{
    if (l.len >= 2 && l.bytes[0] == 0xff && l.bytes[1] == 0x03)
        layer_take(&l, 2); /* address and control (RFC 1662) */
    uint16_t protocol;
    if (l.len >= 1 && (l.bytes[0] & 1)) { /* compressed to one byte */
        protocol = l.bytes[0];
        layer_take(&l, 1);
    } else if (l.len >= 2) {
        protocol = read16(l.bytes);
        layer_take(&l, 2);
    } else {
        return skip_packet(d, BOOK_SKIPPED_MALFORMED);
    }
    if (protocol == 0x0021)
        return decode_ipv4(d, l);
    if (protocol == 0x0057)
        return decode_ipv6(d, l);
    if (protocol == 0x0281)
        return decode_mpls(d, l);
    return skip_packet(d, BOOK_SKIPPED_LINK);
}

/* RFC 2516: version and type, code, session, length. */
static bool decode_pppoe(struct decoder *d, struct layer l)
{
    if (l.len < 6 || l.bytes[0] != 0x11 || !layer_enter(d, &l))
        return skip_packet(d, BOOK_SKIPPED_MALFORMED);
    uint32_t length = read16(l.bytes + 4);
    layer_scope(&l, SCOPE_PPPOE, read16(l.bytes + 2));
    layer_take(&l, 6);
    layer_limit(&l, length);
    return decode_ppp(d, l);
}

/* ERSPAN (draft-foschiano-erspan): version 1 of the header is 8 bytes; version 2 is 12, and 8 more
 * when its last bit says so. */
static bool decode_erspan(struct decoder *d, struct layer l)
{
    if (l.len < 12 || !layer_enter(d, &l))
        return skip_packet(d, BOOK_SKIPPED_MALFORMED);
    uint32_t version = l.bytes[0] >> 4;
    uint32_t len = version == 2 ? (l.bytes[11] & 1 ? 20 : 12) : 8;
    if (!layer_take(&l, len))
        return skip_packet(d, BOOK_SKIPPED_MALFORMED);
    return decode_ethernet(d, l);
}

/* RFC 8300: the base header tells the length in words, and what follows. */
static bool decode_nsh(struct decoder *d, struct layer l)
{
    if (l.len < 8 || !layer_enter(d, &l))
        return skip_packet(d, BOOK_SKIPPED_MALFORMED);
    uint32_t len = (uint32_t)(l.bytes[1] & 0x3f) * 4;
    uint8_t next = l.bytes[3];
    if (len < 8 || !layer_take(&l, len))
        return skip_packet(d, BOOK_SKIPPED_MALFORMED);
    if (next == 1)
        return decode_ipv4(d, l);
    if (next == 2)
        return decode_ipv6(d, l);
    return next == 3 ? decode_ethernet(d, l) : skip_packet(d, BOOK_SKIPPED_LINK);
}

bool decode_ethertype(struct decoder *d, struct layer l, uint16_t type)
{
    switch (type) {
    case TYPE_IPV4:
        return decode_ipv4(d, l);
    case TYPE_IPV6:
        return decode_ipv6(d, l);
    case TYPE_VLAN:
    case TYPE_QINQ:
    case TYPE_QINQ_OLD:
        return decode_vlan(d, l);
    case TYPE_MPLS:
    case TYPE_MPLS_MULTICAST:
        return decode_mpls(d, l);
    case TYPE_PPPOE:
        return decode_pppoe(d, l);
    case TYPE_TEB:
        return decode_ethernet(d, l);
    case TYPE_ERSPAN2:
    case TYPE_ERSPAN3:
        return decode_erspan(d, l);
    case TYPE_PPP:
        return decode_ppp(d, l);
    case TYPE_NSH:
        return decode_nsh(d, l);
    default:
        break;
    }
    if (type > MAX_8023_LEN)
        return skip_packet(d, BOOK_SKIPPED_LINK);
    layer_limit(&l, type);
    return decode_llc(d, l);
}

bool decode_ethernet(struct decoder *d, struct layer l)
{
    if (l.len < 14 || !layer_enter(d, &l))
        return skip_packet(d, BOOK_SKIPPED_MALFORMED);
    uint16_t type = read16(l.bytes + 12);
    layer_take(&l, 14);
    return decode_ethertype(d, l, type);
}

static bool decode_sll(struct decoder *d, struct layer l)
{
    if (l.len < 16)
        return skip_packet(d, BOOK_SKIPPED_MALFORMED);
    uint16_t type = read16(l.bytes + 14);
    layer_take(&l, 16);
    return decode_ethertype(d, l, type);
}

static bool decode_sll2(struct decoder *d, struct layer l)
{
    if (l.len < 20)
        return skip_packet(d, BOOK_SKIPPED_MALFORMED);
    uint16_t type = read16(l.bytes);
    layer_take(&l, 20);
    return decode_ethertype(d, l, type);
}

/* An address family in the byte order of the machine that captured; the version of what follows is
 * the same on all of them. */
static bool decode_null(struct decoder *d, struct layer l)
{
    if (!layer_take(&l, 4))
        return skip_packet(d, BOOK_SKIPPED_MALFORMED);
    return decode_ip(d, l);
}

static bool decode_chdlc(struct decoder *d, struct layer l)
{
    if (l.len < 4)
        return skip_packet(d, BOOK_SKIPPED_MALFORMED);
    uint16_t type = read16(l.bytes + 2);
    layer_take(&l, 4);
    return decode_ethertype(d, l, type);
}

/* TLVs of the capturing machine's byte order behind a header of four bytes; type 9 is the packet.
 */
static bool decode_nflog(struct decoder *d, struct layer l)
{
    if (!layer_take(&l, 4))
        return skip_packet(d, BOOK_SKIPPED_MALFORMED);
    while (l.len >= 4) {
        uint16_t size, type;
        memcpy(&size, l.bytes, 2);
        memcpy(&type, l.bytes + 2, 2);
        if (size < 4)
            break;
        if ((type & 0x7fff) == 9) {
            layer_limit(&l, size);
            layer_take(&l, 4);
            return decode_ip(d, l);
        }
        if (!layer_take(&l, (uint32_t)(size + 3) & ~3u))
            break;
    }
    return skip_packet(d, BOOK_SKIPPED_LINK);
}

/* IEEE 802.11 data frames that are not encrypted: the header's length depends on its flags. */
static bool decode_80211(struct decoder *d, struct layer l)
{
    if (l.len < 24)
        return skip_packet(d, BOOK_SKIPPED_MALFORMED);
    uint8_t control = l.bytes[0], flags = l.bytes[1];
    bool data = (control & 0x0c) == 0x08, empty = control & 0x40, protected = flags & 0x40;
    if (!data || empty || protected)
        return skip_packet(d, BOOK_SKIPPED_LINK);
    uint32_t len = 24;
    if ((flags & 3) == 3) /* to and from the distribution system: a fourth address */
        len += 6;
    if (control & 0x80) /* quality of service, and with it maybe HT control */
        len += flags & 0x80 ? 6 : 2;
    if (!layer_take(&l, len))
        return skip_packet(d, BOOK_SKIPPED_MALFORMED);
    return decode_llc(d, l);
}

static uint16_t read16_little(const uint8_t *p)
{
    return (uint16_t)(p[1] << 8 | p[0]);
}

/* Radiotap's presence words say where the flags are: the fourth of them tells of padding and of a
 * checksum at the end. */
static bool decode_radiotap(struct decoder *d, struct layer l)
{
    if (l.len < 8 || l.bytes[0] != 0)
        return skip_packet(d, BOOK_SKIPPED_MALFORMED);
    uint32_t len = read16_little(l.bytes + 2), offset = 4;
    uint32_t present = read16_little(l.bytes + 4);
    do
        offset += 4;
    while (offset + 4 <= l.len && offset < len && (l.bytes[offset - 1] & 0x80));
    if (present & 1) /* a timer of 8 bytes, aligned */
        offset = ((offset + 7) & ~7u) + 8;
    bool has_checksum = (present & 2) && offset < len && offset < l.len && (l.bytes[offset] & 0x10);
    if (!layer_take(&l, len))
        return skip_packet(d, BOOK_SKIPPED_MALFORMED);
    if (has_checksum && l.wire_len >= 4)
        layer_limit(&l, l.wire_len - 4);
    return decode_80211(d, l);
}

/* Per-packet information: its length, then the link type. Both little-endian. */
static bool decode_ppi(struct decoder *d, struct layer l)
{
    if (l.len < 8)
        return skip_packet(d, BOOK_SKIPPED_MALFORMED);
    uint32_t len = read16_little(l.bytes + 2), type = read16_little(l.bytes + 4);
    if (len < 8 || !layer_take(&l, len))
        return skip_packet(d, BOOK_SKIPPED_MALFORMED);
    if (type == DLT_EN10MB)
        return decode_ethernet(d, l);
    return type == DLT_IEEE802_11 ? decode_80211(d, l) : skip_packet(d, BOOK_SKIPPED_LINK);
}

/* LINKTYPE_ numbers of files, where they differ from DLT_ here. */
#define LINKTYPE_RAW_OLD 14
#define LINKTYPE_RAW 101

static decode_f *decoder_of(int link_type)
{
    switch (link_type) {
    case DLT_EN10MB:
        return decode_ethernet;
    case DLT_LINUX_SLL:
        return decode_sll;
    case DLT_LINUX_SLL2:
        return decode_sll2;
    case DLT_NULL:
    case DLT_LOOP:
        return decode_null;
    case DLT_RAW:
    case LINKTYPE_RAW_OLD:
    case LINKTYPE_RAW:
    case DLT_IPV4:
    case DLT_IPV6:
        return decode_ip;
    case DLT_C_HDLC:
        return decode_chdlc;
    case DLT_PPP:
    case DLT_PPP_SERIAL:
        return decode_ppp;
    case DLT_NFLOG:
        return decode_nflog;
    case DLT_IEEE802_11:
        return decode_80211;
    case DLT_IEEE802_11_RADIO:
        return decode_radiotap;
    case DLT_PPI:
        return decode_ppi;
    default:
        return NULL;
    }
}

bool decoder_knows(int link_type)
{
    return decoder_of(link_type) != NULL;
}

bool decode_packet(struct decoder *d, int link_type, const struct packet *packet,
                   struct segment *segment)
{
    decode_f *decode = decoder_of(link_type);
    struct layer l = {.bytes = packet->bytes, .len = packet->len, .wire_len = packet->wire_len};
    if (l.wire_len < l.len)
        l.wire_len = l.len; /* a file may claim anything */
    d->segment = segment;
    d->ts_ns = packet->ts_ns;
    return decode ? decode(d, l) : skip_packet(d, BOOK_SKIPPED_LINK);
}
