/* SPDX-License-Identifier: MIT */
/* The text of the kernel's filter (pcap-filter(7)): what cannot matter stays outside. */
#pragma once

#include "lib/base.h"

struct bpf_wish {
    const uint16_t *ports; /* none: all */
    size_t n_ports;
    const char *hosts[2]; /* addresses, of which one must match; NULL: any */
    bool responses; /* both directions */
    bool tags; /* also behind a VLAN tag: on devices that show them */
};

#define BPF_TEXT_MAX 8192

/* Never asks for the addresses of an interface: traffic to virtual addresses, through bridges and
 * mirror ports is wanted too. Without responses only what carries data, or begins or ends a
 * connection, is let through. Later IP fragments have no ports and are always let through.
 * False when out is too small. */
bool bpf_text(char *out, size_t size, const struct bpf_wish *wish);
