/* SPDX-License-Identifier: MIT */
#include "lib/receipt.h"

#include "lib/mem.h"

void receipt_init(struct receipt *receipt)
{
    atomic_init(&receipt->refs, 1);
    atomic_init(&receipt->abandoned, false);
}

struct receipt *receipt_ref(struct receipt *receipt)
{
    if (receipt)
        atomic_fetch_add_explicit(&receipt->refs, 1, memory_order_relaxed);
    return receipt;
}

void receipt_unref(struct receipt *receipt)
{
    if (receipt && atomic_fetch_sub_explicit(&receipt->refs, 1, memory_order_acq_rel) == 1)
        mem_free(receipt);
}

void receipt_abandon(struct receipt *receipt)
{
    if (receipt)
        atomic_store_explicit(&receipt->abandoned, true, memory_order_relaxed);
}

bool receipt_is_settled(const struct receipt *receipt)
{
    return atomic_load_explicit(&receipt->refs, memory_order_acquire) == 1;
}

bool receipt_is_abandoned(const struct receipt *receipt)
{
    return atomic_load_explicit(&receipt->abandoned, memory_order_relaxed);
}
