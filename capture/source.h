/* SPDX-License-Identifier: MIT */
/* Where packets come from: a device, or a capture file. Owned by one thread after it is open. */
#pragma once

#include <pcap/pcap.h>

#include "capture/raw_address.h"
#include "lib/err.h"
#include "lib/ledger.h"
#include "lib/options.h"

struct source {
    pcap_t *pcap;
    int link_type;
    int fd; /* to poll for packets; -1: a file */
    int delay_ms; /* the kernel hands packets over at most this much later */
    char name[256]; /* device or file */
    char filter[8192]; /* in force; "": none */
    void *file; /* what source_pcap.c keeps */
};

/* All ports of address, as it was parsed. err: STATUS_PERMISSION when CAP_NET_RAW is missing. */
MUST_CHECK int source_open_live(struct source *s, const struct raw_address *address,
                                const struct options *options, struct err *err);
MUST_CHECK int source_open_file(struct source *s, const struct raw_address *address,
                                const struct options *options, struct err *err);
void source_close(struct source *s);

/* Compiles text and sets it; names text and position in err. */
MUST_CHECK int source_set_filter(struct source *s, const char *text, struct err *err);
