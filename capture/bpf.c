/* SPDX-License-Identifier: MIT */
#include "capture/bpf.h"

#include <stdio.h>

/* IPv4 only, as tcp[] is: the length of the payload is not 0; a total length of 0 is a packet that
 * the card will cut up. IPv6 is let through as it is. */
#define HAS_DATA                                                                                   \
    "(tcp[tcpflags] & (tcp-syn|tcp-fin|tcp-rst) != 0 or ip[2:2] = 0 or "                           \
    "ip[2:2] - ((ip[0] & 0xf) << 2) - ((tcp[12] & 0xf0) >> 2) != 0 or ip6)"
#define FRAGMENT "(ip proto 6 and ip[6:2] & 0x1fff != 0) or ip6 proto 44"

static void write_core(FILE *f, const struct bpf_wish *wish)
{
    const char *direction = wish->responses ? "" : "dst ";
    if (wish->n_ports == 0)
        fputs("tcp", f);
    for (size_t i = 0; i < wish->n_ports; i++)
        fprintf(f, "%stcp %sport %u", i ? " or " : "(", direction, wish->ports[i]);
    if (wish->n_ports > 0)
        fputs(")", f);
    if (wish->n_ports > 0 && !wish->responses)
        fputs(" and " HAS_DATA, f);
}

static void write_filter(FILE *f, const struct bpf_wish *wish)
{
    if (wish->hosts[0])
        fputs("(", f);
    fputs("(", f);
    write_core(f, wish);
    fputs(")", f);
    if (wish->n_ports > 0)
        fputs(" or " FRAGMENT, f);
    if (!wish->hosts[0])
        return;
    const char *direction = wish->responses ? "" : "dst ";
    fprintf(f, ") and (%shost %s", direction, wish->hosts[0]);
    if (wish->hosts[1])
        fprintf(f, " or %shost %s", direction, wish->hosts[1]);
    fputs(")", f);
}

bool bpf_text(char *out, size_t size, const struct bpf_wish *wish)
{
    FILE *f = fmemopen(out, size, "w");
    if (!f)
        return false;
    write_filter(f, wish);
    if (wish->tags) {
        fputs(" or (vlan and (", f);
        write_filter(f, wish);
        fputs("))", f);
    }
    long len = ftell(f);
    /* fmemopen writes the terminating zero when there is room for it */
    return fclose(f) == 0 && len >= 0 && (size_t)len < size - 1;
}
