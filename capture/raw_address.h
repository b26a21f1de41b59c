/* SPDX-License-Identifier: MIT */
/* The value of --input-raw: "[HOST]:PORT[,PORT…]", or with --input-raw-engine pcap_file
 * "FILE[:PORT…]". */
#pragma once

#include "lib/base.h"
#include "lib/err.h"

#define RAW_PORTS_MAX 64

struct raw_address {
    char host[256]; /* interface, address or ""; of a file its path, or "-" */
    uint16_t ports[RAW_PORTS_MAX];
    size_t n_ports; /* 0: all */
};

MUST_CHECK int raw_address_parse(struct raw_address *address, const char *text, struct err *err);
MUST_CHECK int raw_address_parse_file(struct raw_address *address, const char *text,
                                      struct err *err);
