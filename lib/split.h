/* SPDX-License-Identifier: MIT */
/* --split-output: each request goes to one of several outputs.
 *
 * By turns: the shares follow the weights, and after n requests each output is within one request
 * of its share. By key: weighted rendezvous hashing, so that the same value always goes to the same
 * output, on every host, and another output takes over just its share of the values. */
#pragma once

#include "lib/key.h"
#include "lib/msg.h"

#define SPLIT_MAX 64 /* outputs */

struct split {
    struct key by; /* KEY_NONE: by turns */
    uint64_t seed;
    size_t n;
    struct split_part {
        size_t output; /* what split_choose() answers */
        double weight; /* 0: gets nothing */
        uint64_t name; /* hash of its name: what keeps its values with it */
        double credit; /* by turns: how far it is behind its share, in requests */
    } parts[SPLIT_MAX];
};

/* by is copied. */
void split_init(struct split *split, const struct key *by, uint64_t seed);
/* At most SPLIT_MAX times. name: of the output; the order of adding does not matter by key. */
void split_add(struct split *split, size_t output, double weight, const char *name);
/* Another weight for that output from now on; 0: it gets nothing. */
void split_set_weight(struct split *split, size_t output, double weight);
/* The output for this request, among those whose bit is set in candidates; SPLIT_MAX when none of
 * the split is. Borrows msg. One thread. */
size_t split_choose(struct split *split, const struct msg *msg, uint64_t candidates);
/* The share of part i, 0..1. */
double split_share(const struct split *split, size_t i);
