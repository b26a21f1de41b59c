/* SPDX-License-Identifier: MIT */
/* Packets for tests, put together from a line of text: the layers from the outside in, as
 * "eth:0800 ip4:06 tcp". Numbers are hexadecimal.
 *
 *     eth:TYPE      Ethernet II                    8023          Ethernet with a length
 *     ip4:PROTOCOL  IPv4, 20 bytes                 ip4o:PROTOCOL IPv4 with 12 bytes of options
 *     ip6:NEXT      IPv6                           udp:PORT      UDP from 50000 to PORT
 *     tcp           TCP from 40000 to 8080 with PACKET_PAYLOAD
 *     tcpo          the same with 12 bytes of options
 *     len:ADD       16 bits: what follows and ADD  x:BYTES       these bytes
 *
 * The innermost IP header has the addresses 10.0.0.1, 10.0.0.2 or fd00::1, fd00::2; outer ones have
 * others. */
#pragma once

#include "lib/base.h"

#define PACKET_PAYLOAD "GET /a HTTP/1.1\r\nHost: b\r\n\r\n"
#define PACKET_PAYLOAD_LEN (sizeof(PACKET_PAYLOAD) - 1)
#define PACKET_SEQ 0xfffffff0u
#define PACKET_ACK 0x01020304u

struct pkt {
    uint8_t room[8192];
    size_t start; /* the packet is room[start, sizeof(room)) */
    int n_ip; /* IP headers so far */
};

/* Fails the test when layers is not understood. */
void pkt_build(struct pkt *p, const char *layers);
/* Empty, to be built from the inside. */
void pkt_init(struct pkt *p);
void pkt_prepend(struct pkt *p, const void *bytes, size_t len);
/* Puts the layers in front of what is there. */
void pkt_wrap(struct pkt *p, const char *layers);

static inline const uint8_t *pkt_bytes(const struct pkt *p)
{
    return p->room + p->start;
}

static inline size_t pkt_len(const struct pkt *p)
{
    return sizeof(p->room) - p->start;
}
