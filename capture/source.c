/* SPDX-License-Identifier: MIT */
#include "capture/source.h"

#include <string.h>

#include "lib/clock.h"

int source_open(struct source *s, const struct raw_address *address, const struct sharing *sharing,
                const struct options *options, int stop_fd, struct err *err)
{
    if (address->is_file)
        return source_open_file(s, address, stop_fd, err);
    if (strcmp(options_string(options, "input-raw-engine"), "vxlan") == 0)
        return source_open_vxlan(s, address, options, err);
    return source_open_live(s, address, sharing, options, err);
}

/* Who takes packets of libpcap, one at a time. */
struct taker {
    const struct source *source;
    source_take *take;
    void *user;
};

static void take_one(u_char *user, const struct pcap_pkthdr *header, const u_char *bytes)
{
    const struct taker *taker = (const struct taker *)(const void *)user;
    /* the handle was asked for nanoseconds: they stand where microseconds are named */
    struct packet packet = {.bytes = bytes,
                            .len = header->caplen,
                            .wire_len = header->len,
                            .ts_ns = unlikely(taker->source->own_clock)
                                         ? clock_wall_ns()
                                         : source_time_ns(header->ts.tv_sec, header->ts.tv_usec)};
    taker->take(taker->user, &packet, 1);
}

int source_dispatch(struct source *s, int max, source_take *take, void *user)
{
    struct taker taker = {s, take, user};
    int n = s->records ? records_dispatch(s, max, take, user) : 0;
    if (n != 0)
        return n;
    if (s->vxlan)
        return vxlan_dispatch(s, max, take_one, (u_char *)&taker);
    return s->direct ? direct_dispatch(s, max, take_one, (u_char *)&taker)
                     : pcap_dispatch(s->pcap, max, take_one, (u_char *)&taker);
}
