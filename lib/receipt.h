/* SPDX-License-Identifier: MIT */
/* How an input learns that the outputs are done with a message, when it must tell somebody else
 * (Kafka: which offsets may be committed). The input hangs a receipt on the message; everything
 * that is made of the message (rewritten, copied, batched for a file) holds the same receipt, and
 * lets go when it has found its fate. The input asks now and then: there is no call back into it,
 * and no thread ever waits.
 *
 * What an output gave up at the end (abandoned) did not go out: the receipt remembers that. A
 * message that failed, was dropped or filtered has found its fate; it is in the books. */
#pragma once

#include <stdatomic.h>

#include "lib/base.h"

/* The first member of the input's own struct, which comes from lib/mem.h and is freed with the last
 * reference. */
struct receipt {
    atomic_uint refs; /* the input's, and one for each message or batch that holds it */
    atomic_bool abandoned;
};

/* One reference: the caller's. */
void receipt_init(struct receipt *receipt);
/* Any thread. NULL is fine. */
struct receipt *receipt_ref(struct receipt *receipt);
void receipt_unref(struct receipt *receipt);
/* Any thread; NULL is fine: a message that holds it did not go out, and will not. */
void receipt_abandon(struct receipt *receipt);

/* Is the caller's reference the last one? Then it stays so. */
bool receipt_is_settled(const struct receipt *receipt);
/* Of one that is settled. */
bool receipt_is_abandoned(const struct receipt *receipt);
