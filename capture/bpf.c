/* SPDX-License-Identifier: MIT */
#include "capture/bpf.h"

#include <stdio.h>

/* The packet is not as long as its headers. Most have data then; some have a length of 0, because
 * the card is yet to cut them up. tcp[] is IPv4 only, so IPv6 is counted from its own header. */
#define HAS_DATA_4                                                                                 \
    "tcp[tcpflags] & (tcp-syn|tcp-fin|tcp-rst) != 0 or "                                           \
    "ip[2:2] - ((ip[0] & 0xf) << 2) - ((tcp[12] & 0xf0) >> 2) != 0"
#define HAS_DATA_6 "(ip6 and (ip6[53] & 7 != 0 or ip6[4:2] - ((ip6[52] & 0xf0) >> 2) != 0))"
#define FRAGMENT_4 "(ip proto 6 and ip[6:2] & 0x1fff != 0)"
/* hop-by-hop options (not those of ICMPv6), routing header, fragment, destination options (RFC
 * 8200, 4.1) */
#define EXTENDED_6 "(ip6 proto 0 and ip6[40] != 58) or ip6 proto 43 or ip6 proto 44 or ip6 proto 60"

static void write_core(FILE *f, const struct bpf_wish *wish)
{
    const char *direction = wish->responses ? "" : "dst ";
    if (wish->n_ports == 0) {
        fputs("tcp or " EXTENDED_6, f);
        return;
    }
    fputs(wish->responses ? "" : "(", f);
    for (size_t i = 0; i < wish->n_ports; i++)
        fprintf(f, "%stcp %sport %u", i ? " or " : "(", direction, wish->ports[i]);
    fputs(wish->responses ? ")" : ") and (" HAS_DATA_4 " or " HAS_DATA_6 "))", f);
    fputs(" or " FRAGMENT_4 " or " EXTENDED_6, f);
}

static void write_filter(FILE *f, const struct bpf_wish *wish)
{
    const char *direction = wish->responses ? "" : "dst ";
    fputs("(", f);
    write_core(f, wish);
    fputs(")", f);
    for (size_t i = 0; i < wish->n_hosts; i++)
        fprintf(f, "%s%shost %s", i ? " or " : " and (", direction, wish->hosts[i]);
    fputs(wish->n_hosts > 0 ? ")" : "", f);
}

bool bpf_text(char *out, size_t size, const struct bpf_wish *wish)
{
    FILE *f = fmemopen(out, size, "w");
    if (!f)
        return false;
    if (wish->loopback)
        fprintf(f, "not (outbound and ifindex %u) and (", wish->loopback);
    write_filter(f, wish);
    for (unsigned i = 0; i < wish->tags; i++) {
        fputs(" or (vlan and (", f); /* all that follows it is read behind the tag */
        write_filter(f, wish);
    }
    for (unsigned i = 0; i < wish->tags; i++)
        fputs("))", f);
    fputs(wish->loopback ? ")" : "", f);
    long len = ftell(f);
    /* fmemopen writes the terminating zero when there is room for it */
    return fclose(f) == 0 && len >= 0 && (size_t)len < size - 1;
}
