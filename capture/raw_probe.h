/* SPDX-License-Identifier: MIT */
/* What --input-raw would read, without reading it: for refrain doctor. */
#pragma once

#include "capture/bpf.h"
#include "capture/raw_address.h"
#include "lib/err.h"
#include "lib/options.h"

struct raw_probe {
    struct raw_address address;
    char name[256]; /* device or file */
    char link_type[32];
    char filter[BPF_TEXT_MAX]; /* in force; "": none */
    bool decoded; /* the link type is known */
};

/* Opens what address, a value of --input-raw, names, as a run with these options would, and closes
 * it again. probe is set on success only; err as for the run. Main thread. */
MUST_CHECK int raw_probe(struct raw_probe *probe, const char *address,
                         const struct options *options, struct err *err);
