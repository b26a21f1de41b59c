/* SPDX-License-Identifier: MIT */
/* --progress: how far the replay of a recording is. On a terminal one line that is written anew,
 * below what is logged; else a line every 10 seconds. Main thread. */
#pragma once

#include "lib/ledger.h"
#include "lib/options.h"

#define PROGRESS_SAMPLES 16

/* What there is to tell. */
struct progress_figures {
    double done; /* share of the recordings; < 0: nobody knows */
    uint64_t requests; /* with a fate, at the output that is told of */
    uint64_t errors; /* of these: failed, lost or answered with 5xx */
    double rate; /* requests a second, lately */
    int64_t lateness_ns; /* p99 so far; < 0: none */
    int64_t left_ns; /* until all is played; < 0: nobody knows */
};

struct progress_sample {
    int64_t at_ns;
    uint64_t requests, bytes;
};

struct progress {
    const struct account *input, *output; /* NULL: there is nothing to tell */
    const struct playing *playing;
    bool live;
    int64_t every_ns, next_ns; /* INT64_MAX: never */
    size_t n_samples; /* taken; the last ones are kept */
    struct progress_sample samples[PROGRESS_SAMPLES];
};

/* All accounts have been made. */
void progress_begin(struct progress *p, const struct ledger *ledger, const struct options *options);
/* Tells it when it is time. Returns when it will be: CLOCK_MONOTONIC, INT64_MAX: never. */
int64_t progress_tick(struct progress *p, int64_t now_ns);
/* Takes the line away. */
void progress_end(struct progress *p);

/* The figures as one line of at most width columns, of which the last parts are left out when they
 * do not fit; returns its length. size > 0. */
size_t progress_text(char *out, size_t size, const struct progress_figures *f, size_t width);
