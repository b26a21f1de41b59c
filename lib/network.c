/* SPDX-License-Identifier: MIT */
#include "lib/network.h"

#include <arpa/inet.h>
#include <string.h>

/* One to three digits, at most max. */
static bool parse_bits(struct span text, unsigned max, uint8_t *bits)
{
    unsigned n = 0;
    if (text.len == 0 || text.len > 3)
        return false;
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] < '0' || text.ptr[i] > '9')
            return false;
        n = n * 10 + (unsigned)(text.ptr[i] - '0');
    }
    *bits = (uint8_t)n;
    return n <= max;
}

static bool parse_address(struct network *network, struct span text)
{
    char copy[INET6_ADDRSTRLEN];
    if (text.len >= 2 && text.ptr[0] == '[' && text.ptr[text.len - 1] == ']')
        text = span_of(text.ptr + 1, text.len - 2);
    if (text.len == 0 || text.len >= sizeof(copy))
        return false;
    memcpy(copy, text.ptr, text.len);
    copy[text.len] = '\0';
    network->family = memchr(text.ptr, ':', text.len) ? 6 : 4;
    return inet_pton(network->family == 6 ? AF_INET6 : AF_INET, copy, network->addr) == 1;
}

bool network_parse(struct network *network, struct span text)
{
    struct network found = {.family = 0};
    const uint8_t *slash = text.len > 0 ? memchr(text.ptr, '/', text.len) : NULL;
    size_t len = slash ? (size_t)(slash - text.ptr) : text.len;
    if (!parse_address(&found, span_of(text.ptr, len)))
        return false;
    uint8_t longest = found.family == 4 ? 32 : 128;
    found.bits = longest;
    if (slash && !parse_bits(span_from(text, len + 1), longest, &found.bits))
        return false;
    *network = found;
    return true;
}

bool network_has(const struct network *network, const struct endpoint *endpoint)
{
    static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
    const uint8_t *addr = endpoint->addr;
    uint8_t family = endpoint->family;
    if (family == 6 && network->family == 4 && memcmp(addr, mapped, sizeof(mapped)) == 0) {
        addr += sizeof(mapped);
        family = 4;
    }
    if (family != network->family)
        return false;
    size_t whole = network->bits / 8, rest = network->bits % 8;
    if (memcmp(addr, network->addr, whole) != 0)
        return false;
    return rest == 0 || ((addr[whole] ^ network->addr[whole]) >> (8 - rest)) == 0;
}
