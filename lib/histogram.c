/* SPDX-License-Identifier: MIT */
#include "lib/histogram.h"

/* Values below HISTOGRAM_SUB have a bucket each; above, each power of two is cut into
 * HISTOGRAM_SUB parts. */
#define SUB_BITS 7
static_assert(1 << SUB_BITS == HISTOGRAM_SUB, "one power of two");

static size_t bucket_of(uint64_t v)
{
    if (v < HISTOGRAM_SUB)
        return (size_t)v;
    unsigned exponent = 63u - (unsigned)__builtin_clzll(v);
    return (exponent - SUB_BITS + 1) * HISTOGRAM_SUB +
           (size_t)((v >> (exponent - SUB_BITS)) & (HISTOGRAM_SUB - 1));
}

/* The largest value that falls into a bucket. */
static uint64_t upper_of(size_t bucket)
{
    if (bucket < HISTOGRAM_SUB)
        return bucket;
    unsigned shift = (unsigned)(bucket / HISTOGRAM_SUB) - 1;
    uint64_t sub = bucket % HISTOGRAM_SUB + HISTOGRAM_SUB;
    return ((sub + 1) << shift) - 1;
}

void histogram_add(struct histogram *h, int64_t ns)
{
    uint64_t v = ns > 0 ? (uint64_t)ns : 0;
    uint64_t max = atomic_load_explicit(&h->max_ns, memory_order_relaxed);
    atomic_fetch_add_explicit(&h->buckets[bucket_of(v)], 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&h->count, 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&h->sum_ns, v, memory_order_relaxed);
    while (v > max && !atomic_compare_exchange_weak_explicit(
                          &h->max_ns, &max, v, memory_order_relaxed, memory_order_relaxed))
        continue;
}

static void increase(atomic_uint_fast64_t *figure, uint64_t n)
{
    uint64_t old = atomic_load_explicit(figure, memory_order_relaxed);
    atomic_store_explicit(figure, old + n, memory_order_relaxed);
}

void histogram_add_alone(struct histogram *h, int64_t ns)
{
    uint64_t v = ns > 0 ? (uint64_t)ns : 0;
    increase(&h->buckets[bucket_of(v)], 1);
    increase(&h->count, 1);
    increase(&h->sum_ns, v);
    if (v > atomic_load_explicit(&h->max_ns, memory_order_relaxed))
        atomic_store_explicit(&h->max_ns, v, memory_order_relaxed);
}

uint64_t histogram_count(const struct histogram *h)
{
    return atomic_load_explicit(&h->count, memory_order_relaxed);
}

int64_t histogram_max_ns(const struct histogram *h)
{
    return (int64_t)atomic_load_explicit(&h->max_ns, memory_order_relaxed);
}

uint64_t histogram_sum_ns(const struct histogram *h)
{
    return atomic_load_explicit(&h->sum_ns, memory_order_relaxed);
}

int64_t histogram_at_ns(const struct histogram *h, double share)
{
    uint64_t count = histogram_count(h);
    double wanted = share * (double)count;
    uint64_t sum = 0;
    int64_t max = histogram_max_ns(h);
    for (size_t i = 0; i < HISTOGRAM_BUCKETS && count > 0; i++) {
        sum += atomic_load_explicit(&h->buckets[i], memory_order_relaxed);
        if ((double)sum >= wanted && sum > 0) {
            int64_t upper = (int64_t)upper_of(i);
            return upper < max ? upper : max;
        }
    }
    return max;
}

void histogram_cumulate(const struct histogram *h, const int64_t *bounds_ns, size_t n,
                        uint64_t *below)
{
    uint64_t sum = 0;
    size_t at = 0;
    for (size_t i = 0; i < HISTOGRAM_BUCKETS; i++) {
        for (; at < n && upper_of(i) > (uint64_t)bounds_ns[at]; at++)
            below[at] += sum;
        sum += atomic_load_explicit(&h->buckets[i], memory_order_relaxed);
    }
    below[n] += sum;
}
