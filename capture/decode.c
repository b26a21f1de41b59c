/* SPDX-License-Identifier: MIT */
#include "capture/decode.h"

#include <errno.h>

#include "capture/decode_internal.h"
#include "lib/hash.h"
#include "lib/mem.h"

int decoder_new(struct decoder **dp, struct books *books)
{
    struct decoder *d = mem_zalloc(MEM_OTHER, sizeof(*d));
    if (!d)
        return -ENOMEM;
    d->books = books;
    int r = ipfrag_new(&d->fragments, books);
    if (r < 0) {
        mem_free(d);
        return r;
    }
    *dp = d;
    return 0;
}

void decoder_free(struct decoder *d)
{
    if (!d)
        return;
    ipfrag_free(d->fragments);
    mem_free(d);
}

void layer_scope(struct layer *l, uint32_t kind, uint32_t id)
{
    l->scope = hash_mix(l->scope, (uint64_t)kind << 32 | id);
}

bool layer_enter(struct decoder *d, struct layer *l)
{
    if (++l->depth <= MAX_DEPTH)
        return true;
    return skip_packet(d, BOOK_SKIPPED_MALFORMED);
}

bool skip_packet(struct decoder *d, enum book why)
{
    book_one(d->books, why);
    return false;
}
