/* SPDX-License-Identifier: MIT */
/* The text of the kernel's filter (pcap-filter(7)): what cannot matter stays outside. */
#pragma once

#include "lib/base.h"

#define BPF_HOSTS_MAX 8
#define BPF_HOST_LEN 48

struct bpf_wish {
    const uint16_t *ports; /* none: all */
    size_t n_ports;
    char hosts[BPF_HOSTS_MAX][BPF_HOST_LEN]; /* addresses, of which one must match */
    size_t n_hosts; /* 0: any */
    bool responses; /* both directions */
    unsigned tags; /* look behind so many VLAN tags too: only link types that show them */
    unsigned loopback; /* index of the device on which each packet is seen twice, with link types
                          that name devices; 0: none */
};

#define BPF_TEXT_MAX 8192

/* Never asks for the addresses of an interface: traffic to virtual addresses, through bridges and
 * mirror ports is wanted too. Without responses only what carries data, or begins or ends a
 * connection, is let through. Later IP fragments have no ports, and IPv6 extension headers may
 * stand before them: both are always let through. False when out is too small. */
bool bpf_text(char *out, size_t size, const struct bpf_wish *wish);
