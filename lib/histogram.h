/* SPDX-License-Identifier: MIT */
/* Counts of durations, with a relative error of at most 1/128: enough for percentiles. Any thread
 * may write and read. All zero is empty. */
#pragma once

#include <stdatomic.h>

#include "lib/base.h"

#define HISTOGRAM_SUB 128
#define HISTOGRAM_BUCKETS (58 * HISTOGRAM_SUB)

struct histogram {
    atomic_uint_fast64_t count, max_ns, sum_ns;
    atomic_uint_fast64_t buckets[HISTOGRAM_BUCKETS];
};

/* A negative duration counts as 0. */
void histogram_add(struct histogram *h, int64_t ns);
/* The same for less, where no other thread writes. */
void histogram_add_alone(struct histogram *h, int64_t ns);
uint64_t histogram_count(const struct histogram *h);
int64_t histogram_max_ns(const struct histogram *h);
uint64_t histogram_sum_ns(const struct histogram *h);
/* The duration below or at which a share of share (0..1) lies; 0 when empty. */
int64_t histogram_at_ns(const struct histogram *h, double share);
/* Adds to below[i] how many durations are at most bounds_ns[i], which grow: to within 1/128 of the
 * bound; and to below[n] how many there are. */
void histogram_cumulate(const struct histogram *h, const int64_t *bounds_ns, size_t n,
                        uint64_t *below);
