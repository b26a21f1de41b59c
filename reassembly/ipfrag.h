/* SPDX-License-Identifier: MIT */
/* IP fragments back to packets (RFC 791, 3.2; RFC 8200, 4.5). As Linux does, a packet of which two
 * fragments overlap is dropped whole (RFC 5722), but for exact duplicates. Bounded in memory and in
 * packet time; what is given up is counted. Owned by one thread. */
#pragma once

#include "lib/base.h"
#include "lib/ledger.h"
#include "lib/span.h"

/* What fragments of one packet have in common. All bytes are compared: zero the struct first. */
struct ipfrag_key {
    uint8_t src[16], dst[16];
    uint64_t scope;
    uint32_t id;
    uint8_t protocol;
    uint8_t family;
    uint8_t pad[2];
};

struct ipfrag;

MUST_CHECK int ipfrag_new(struct ipfrag **fp, struct books *books);
void ipfrag_free(struct ipfrag *f);

/* Adds a fragment; offset in bytes, more: it is not the last. True when the packet is whole now:
 * *packet is valid until the next call. */
bool ipfrag_add(struct ipfrag *f, const struct ipfrag_key *key, uint32_t offset, bool more,
                struct span bytes, int64_t ts_ns, struct span *packet);
