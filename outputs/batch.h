/* SPDX-License-Identifier: MIT */
/* Records on their way to a descriptor: their bytes in one piece, and where each record ends, so
 * that a write which stops half-way still tells whose record is out and whose is not. Messages put
 * here are settled (delivered or failed) in the books when their bytes are; an output that uses
 * this answers OUTPUT_TAKEN, and keeps no reference, but to its receipt. Owned by one thread. */
#pragma once

#include "lib/base.h"
#include "lib/buf.h"
#include "lib/ledger.h"
#include "lib/msg.h"

struct batch {
    struct books *books;
    struct buf bytes; /* of records, not yet out */
    struct buf marks; /* one struct mark per record, not yet settled */
    uint64_t put; /* bytes that were ever put */
    uint64_t out; /* bytes that ever left */
    /* timestamps of what was put since it was empty; min_ns > max_ns: none */
    int64_t min_ns, max_ns;
};

void batch_init(struct batch *b, struct books *books);
void batch_fini(struct batch *b);

/* Adds the record of msg (borrowed) and returns its length, or -ENOMEM or -ENOBUFS. */
MUST_CHECK int64_t batch_put(struct batch *b, const struct msg *msg);

/* Takes the record that was put last, of that length, out again; nothing may have left since. Its
 * timestamp stays. */
void batch_unput(struct batch *b, size_t len);

static inline size_t batch_len(const struct batch *b)
{
    return b->bytes.len - b->bytes.start;
}

/* The first n bytes are out: settles the records that end there as delivered. */
void batch_out(struct batch *b, size_t n);
/* Records not yet settled. */
size_t batch_n_msgs(const struct batch *b);
/* How many of the next n bytes belong to records that end within them. */
size_t batch_whole(const struct batch *b, size_t n);
/* Gives up all that is left: the records count as fate (failed or abandoned). Returns how many. */
size_t batch_lose(struct batch *b, enum book fate);
