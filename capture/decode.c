/* SPDX-License-Identifier: MIT */
#include "capture/decode.h"

#include <errno.h>

#include <pcap/dlt.h>

#include "capture/decode_internal.h"
#include "lib/mem.h"

/* The numbers of files, where DLT_RAW has another value than on this system. */
#define LINKTYPE_RAW 101
#define OPENBSD_RAW 14

static const struct layer links[] = {
    [DLT_NULL] = {decode_null},
    [DLT_EN10MB] = {decode_ethernet},
    [DLT_PPP] = {decode_ppp},
    [12] = {decode_ip}, /* DLT_RAW of most systems */
    [OPENBSD_RAW] = {decode_ip},
    [DLT_PPP_SERIAL] = {decode_ppp},
    [DLT_PPP_ETHER] = {decode_pppoe},
    [LINKTYPE_RAW] = {decode_ip},
    [DLT_C_HDLC] = {decode_chdlc},
    [DLT_IEEE802_11] = {decode_wlan},
    [DLT_LOOP] = {decode_null},
    [DLT_LINUX_SLL] = {decode_sll},
    [DLT_IEEE802_11_RADIO] = {decode_radiotap},
    [DLT_PPI] = {decode_ppi},
    [DLT_MPLS] = {decode_mpls},
    [DLT_IPV4] = {decode_ipv4},
    [DLT_IPV6] = {decode_ipv6},
    [DLT_NFLOG] = {decode_nflog},
    [DLT_LINUX_SLL2] = {decode_sll2},
};

int decoder_new(struct decoder **dp, struct books *books)
{
    struct decoder *d = mem_zalloc(MEM_OTHER, sizeof(*d));
    if (!d)
        return -ENOMEM;
    d->books = books;
    int r = ipfrag_new(&d->fragments, books);
    if (r < 0) {
        mem_free(d);
        return r;
    }
    *dp = d;
    return 0;
}

void decoder_release(struct decoder *d)
{
    while (d->datagrams) {
        struct datagram *next = d->datagrams->next;
        mem_free(d->datagrams);
        d->datagrams = next;
    }
}

void decoder_free(struct decoder *d)
{
    if (!d)
        return;
    decoder_release(d);
    ipfrag_free(d->fragments);
    mem_free(d);
}

void decoder_only(struct decoder *d, const struct networks *networks)
{
    d->networks = networks;
}

bool decoder_knows(int link_type)
{
    return link_type >= 0 && (size_t)link_type < ARRAY_LEN(links) && links[link_type].decode;
}

struct layer link_layer(struct walk *w, int link_type)
{
    if (link_type == DECODE_VXLAN)
        return layer_of(decode_vxlan);
    return decoder_knows(link_type) ? links[link_type] : layer_unknown(w);
}

static bool is_wanted(const struct walk *w)
{
    const struct networks *n = w->decoder->networks;
    if (!n)
        return true;
    return (!n->by_vlan || w->has_vlan) && (w->has_vni ? w->is_wanted_vni : networks_has_no_vni(n));
}

/* Where IPv4 begins right behind a link header without tags; 0: it does not. */
static inline size_t plain_offset(int link_type, const struct packet *packet)
{
    if (link_type == DLT_EN10MB && packet->len >= 14 && load_be16(packet->bytes + 12) == 0x0800)
        return 14;
    if (link_type == DLT_LINUX_SLL2 && packet->len >= 20 && load_be16(packet->bytes) == 0x0800)
        return 20;
    return 0;
}

bool decode_packet(struct decoder *d, int link_type, const struct packet *packet,
                   struct segment *segment)
{
    size_t offset = d->networks ? 0 : plain_offset(link_type, packet);
    if (likely(offset > 0) && likely(decode_plain(packet, offset, segment)))
        return true;
    struct walk w = {
        .in = cursor_of(packet->bytes, packet->len),
        .cut = packet->wire_len > packet->len ? packet->wire_len - packet->len : 0,
        .why = BOOK_SKIPPED_MALFORMED,
        .ts_ns = packet->ts_ns,
        .decoder = d,
        .segment = segment,
    };
    struct layer layer = link_layer(&w, link_type);
    for (int n = 0; layer.decode && cursor_ok(&w.in); n++)
        layer = n < LAYERS_MAX ? layer.decode(&w) : layer_malformed(&w);
    if (w.found && is_wanted(&w))
        return true;
    if (w.found)
        w.why = BOOK_SKIPPED_NETWORK;
    else if (!cursor_ok(&w.in))
        w.why = BOOK_SKIPPED_MALFORMED;
    if (w.why != NOT_SKIPPED)
        book_one(d->books, w.why);
    return false;
}
