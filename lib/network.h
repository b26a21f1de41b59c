/* SPDX-License-Identifier: MIT */
/* A range of addresses: "10.0.0.0/8", "2001:db8::/32", or one address alone. */
#pragma once

#include "lib/msg.h"
#include "lib/span.h"

struct network {
    uint8_t addr[16]; /* network order; the first 4 bytes when family is 4 */
    uint8_t family; /* 4 or 6 */
    uint8_t bits; /* length of the prefix */
};

/* False when text is none. Bits beyond the prefix are ignored. An IPv6 address may stand in
 * brackets. */
bool network_parse(struct network *network, struct span text);

/* Does it hold the endpoint's address? Never when that is not known. An IPv4 address mapped into
 * IPv6 (RFC 4291, 2.5.5.2) is the IPv4 address. */
bool network_has(const struct network *network, const struct endpoint *endpoint);
