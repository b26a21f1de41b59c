/* SPDX-License-Identifier: MIT */
/* Inside the decoder (capture/decode.h). A packet is walked layer by layer: each layer's function
 * takes its header from the cursor and returns the function of the next layer, so that there is no
 * recursion however often tunnels are nested. A function that read beyond the end may return
 * anything: the walk then ends as malformed. Nothing is believed to be TCP before decode_tcp. */
#pragma once

#include "capture/decode.h"
#include "lib/cursor.h"
#include "lib/hash.h"
#include "reassembly/ipfrag.h"

/* Headers of one packet, tunnels included: eight tunnels with VLAN tags and extension headers. More
 * is malformed. */
#define LAYERS_MAX 48

/* why is this when nothing was skipped: the bytes wait for more fragments */
#define NOT_SKIPPED BOOKS

struct decoder {
    struct books *books;
    struct ipfrag *fragments;
    const struct networks *networks; /* NULL: all */
    struct datagram *datagrams; /* reassembled since decoder_release() */
};

struct walk;

struct layer {
    struct layer (*decode)(struct walk *w); /* NULL: the walk has ended */
};
#define LAYER_END ((struct layer){.decode = NULL})

static inline struct layer layer_of(struct layer (*decode)(struct walk *w))
{
    return (struct layer){.decode = decode};
}

struct walk {
    struct cursor in; /* what is left of the layer, as captured */
    uint32_t cut; /* bytes of the layer that were on the wire behind in */
    enum book why; /* what to count when the walk ends without a segment */
    uint64_t scope;
    int64_t ts_ns;
    struct decoder *decoder;
    struct segment *segment; /* set when found */
    const uint8_t *src, *dst; /* addresses of the innermost IP header */
    uint8_t family; /* 4 or 6; 0: no IP header yet */
    bool found;
    bool has_vlan; /* one that is wanted */
    bool has_vni, is_wanted_vni; /* of the outermost VXLAN */
};

/* The layer says that it is n bytes long from here: what follows is padding, or of other layers;
 * what is missing was cut off when it was captured. */
static inline void walk_limit(struct walk *w, size_t n)
{
    size_t left = cursor_left(&w->in);
    w->cut = n > left ? (uint32_t)(n - left) : 0;
    cursor_limit(&w->in, n);
}

static inline struct layer layer_skip(struct walk *w, enum book why)
{
    w->why = why;
    return LAYER_END;
}

static inline struct layer layer_malformed(struct walk *w)
{
    return layer_skip(w, BOOK_SKIPPED_MALFORMED);
}

/* Something that is not decoded. */
static inline struct layer layer_unknown(struct walk *w)
{
    return layer_skip(w, w->family == 0 ? BOOK_SKIPPED_LINK : BOOK_SKIPPED_NOT_TCP);
}

/* What ids are told apart by in a scope. Only ids that both directions of a connection share are
 * mixed in: MPLS labels, TEIDs, L2TP sessions and PPTP call ids differ by direction, and would part
 * a connection's requests from its responses. */
enum scope_kind {
    SCOPE_VLAN = 1,
    SCOPE_PPPOE,
    SCOPE_VXLAN,
    SCOPE_GENEVE,
    SCOPE_GRE,
};

static inline void scope_add(struct walk *w, enum scope_kind kind, uint32_t id)
{
    uint64_t mixed = hash_mix(w->scope, (uint64_t)kind << 32 | id);
    w->scope = mixed ? mixed : 1;
}

/* The packet is in that VLAN, or VXLAN network. */
static inline void walk_vlan(struct walk *w, uint32_t id)
{
    const struct networks *networks = w->decoder->networks;
    if (id != 0) /* 0: a priority without a VLAN */
        scope_add(w, SCOPE_VLAN, id);
    w->has_vlan |= networks && networks_has_vlan(networks, id);
}

static inline void walk_vni(struct walk *w, uint32_t vni)
{
    const struct networks *networks = w->decoder->networks;
    scope_add(w, SCOPE_VXLAN, vni);
    if (networks && !w->has_vni)
        w->is_wanted_vni = networks_has_vni(networks, vni);
    w->has_vni = true;
}

/* By table. Each may answer LAYER_END, with why set. */
struct layer link_layer(struct walk *w, int link_type); /* decode.c */
struct layer ethertype_layer(struct walk *w, uint16_t type); /* decode_link.c */

extern const struct layer ip_protocols[256]; /* decode_ip.c */

static inline struct layer ip_protocol_layer(struct walk *w, uint8_t protocol)
{
    struct layer next = ip_protocols[protocol];
    if (unlikely(!next.decode))
        w->why = BOOK_SKIPPED_NOT_TCP;
    return next;
}

/* Is type one of those that ethertype_layer() knows? */
bool ethertype_is_known(uint16_t type);
/* Do the bytes look like an Ethernet frame, or like an IP packet? For carriers that do not say. */
bool looks_like_ethernet(struct cursor in);
bool looks_like_ip(struct cursor in);

/* decode_link.c */
struct layer decode_ethernet(struct walk *w);
struct layer decode_llc(struct walk *w);
struct layer decode_mpls(struct walk *w);
struct layer decode_ppp(struct walk *w);
struct layer decode_pppoe(struct walk *w);
struct layer decode_chdlc(struct walk *w);

/* decode_cooked.c */
struct layer decode_null(struct walk *w);
struct layer decode_sll(struct walk *w);
struct layer decode_sll2(struct walk *w);
struct layer decode_nflog(struct walk *w);

/* decode_wlan.c */
struct layer decode_radiotap(struct walk *w);
struct layer decode_wlan(struct walk *w);
struct layer decode_ppi(struct walk *w);

/* decode_ip.c */
struct layer decode_ip(struct walk *w); /* by the version in its first bits */
struct layer decode_ipv4(struct walk *w);
struct layer decode_ipv6(struct walk *w);
/* The common case, without a walk: whole IPv4 without options at offset <= packet->len, TCP in it.
 * False: it is something else, and must be walked. */
bool decode_plain(const struct packet *packet, size_t offset, struct segment *segment);

/* decode_tunnel.c: tunnels right on IP, and NSH */
struct layer decode_gre(struct walk *w);
struct layer decode_erspan2(struct walk *w);
struct layer decode_erspan3(struct walk *w);
struct layer decode_etherip(struct walk *w);
struct layer decode_l2tpv3(struct walk *w);
struct layer decode_nsh(struct walk *w);
/* What VXLAN-GPE and NSH carry, by their common numbers (RFC 8300, 2.2). */
struct layer next_protocol_layer(struct walk *w, uint8_t protocol);

/* decode_udp.c */
struct layer decode_vxlan(struct walk *w);
struct layer decode_udp(struct walk *w);
