/* SPDX-License-Identifier: MIT */
/* The value of --input-raw: "[HOST]:PORT[,PORT…]", or for a capture file "FILE[:PORT…]". It is a
 * file with --input-raw-engine pcap_file, and by its name alone when that ends in .pcap or .pcapng
 * (.gz), or is "-": standard input. */
#pragma once

#include "lib/base.h"
#include "lib/err.h"

#define RAW_PORTS_MAX 64
/* Bytes of the kernel's buffer, when --input-raw-buffer-size gives none. */
#define RAW_DEFAULT_BUFFER (32 << 20)

struct raw_address {
    bool is_file;
    char host[256]; /* interface, address or ""; of a file its path, or "-" */
    uint16_t ports[RAW_PORTS_MAX];
    size_t n_ports; /* 0: all */
};

/* Looks at the file system only: a colon may belong to the name of a file that exists. *address is
 * set on success only. */
MUST_CHECK int raw_address_parse(struct raw_address *address, const char *text, bool file_engine,
                                 struct err *err);
