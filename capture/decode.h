/* SPDX-License-Identifier: MIT */
/* From a packet as libpcap hands it out to a TCP segment: link layers, VLAN tags, tunnels, IPv4 and
 * IPv6 with options, extension headers and fragments. Hostile bytes: every read is bounded. Owned
 * by one thread. */
#pragma once

#include "capture/networks.h"
#include "lib/base.h"
#include "lib/ledger.h"
#include "reassembly/segment.h"

struct packet {
    const uint8_t *bytes; /* borrowed */
    uint32_t len; /* bytes captured */
    uint32_t wire_len; /* bytes on the wire */
    int64_t ts_ns;
};

struct decoder;

/* Counts what it skips in books (borrowed). */
MUST_CHECK int decoder_new(struct decoder **dp, struct books *books);
void decoder_free(struct decoder *d);
/* Only packets of these networks (borrowed; NULL: all); the others are counted. */
void decoder_only(struct decoder *d, const struct networks *networks);

/* Beside the DLTs: what a VXLAN datagram carries, its own header first (RFC 7348). */
#define DECODE_VXLAN (-1)

/* Is this link type (DLT_*, pcap-linktype(7)) one that can be decoded? */
bool decoder_knows(int link_type);

/* True when packet holds a TCP segment, whole or completed by it from fragments: *segment is set;
 * its payload points into the packet, or into the decoder until decoder_release(). */
bool decode_packet(struct decoder *d, int link_type, const struct packet *packet,
                   struct segment *segment);
/* Lets go what decode_packet() has put together. */
void decoder_release(struct decoder *d);
