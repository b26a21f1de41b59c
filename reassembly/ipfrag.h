/* SPDX-License-Identifier: MIT */
/* Fragments of IPv4 (RFC 791) and IPv6 (RFC 8200, 4.5) in, whole datagrams out.
 *
 * Overlaps are treated as Linux treats them since 4.20 (RFC 5722): a fragment that lies wholly
 * inside bytes which came in one run is a duplicate and ignored; any other overlap gives up the
 * whole datagram. The same for ends that contradict each other.
 *
 * Bounded: at most IPFRAG_MAX_BYTES and IPFRAG_MAX_PIECES are kept, the oldest datagram goes first;
 * one that is not whole IPFRAG_TIMEOUT_NS of packet time after its first piece is given up, as is
 * one in more than IPFRAG_MAX_PER_DATAGRAM pieces. Owned by one thread. */
#pragma once

#include "lib/base.h"
#include "lib/ledger.h"

#define IPFRAG_MAX_BYTES (32 * MIB)
#define IPFRAG_MAX_PIECES (64 * 1024)
/* 65,535 bytes in pieces of 256: half of what any link on the way must carry (RFC 791) */
#define IPFRAG_MAX_PER_DATAGRAM 256
#define IPFRAG_TIMEOUT_NS (30 * NS_PER_S) /* Linux's ipfrag_time */

struct fragment {
    const uint8_t *src, *dst; /* addresses, of 4 or 16 bytes */
    uint64_t scope; /* of struct segment */
    int64_t ts_ns;
    uint32_t id;
    uint32_t offset; /* in bytes */
    const uint8_t *bytes; /* borrowed */
    size_t len; /* bytes captured */
    bool cut; /* there were more on the wire: it can complete nothing */
    bool more;
    uint8_t family; /* 4 or 6 */
    uint8_t protocol; /* of the payload: protocol, or next header of the fragment header */
};

/* The payload of a whole datagram, in one block from lib/mem.h. */
struct datagram {
    struct datagram *next; /* for its owner's use */
    uint32_t len;
    uint8_t protocol; /* what the first fragment said */
    uint8_t bytes[];
};

struct ipfrag;

/* Counts in books (borrowed, also by ipfrag_free()). 0 or -ENOMEM. */
MUST_CHECK int ipfrag_new(struct ipfrag **fp, struct books *books);
/* What is still incomplete is counted as lost. */
void ipfrag_free(struct ipfrag *f);

/* The datagram that this fragment completes, which is the caller's; NULL: none yet, or given up,
 * which is counted. */
struct datagram *ipfrag_add(struct ipfrag *f, const struct fragment *fragment);
