/* SPDX-License-Identifier: MIT */
/* The documents that an Elasticsearch output holds: their text as one bulk, and the answers that
 * they are made of, until their fate is known. Either it fills, or it is under way as it stands.
 * Bounded in documents, in text and in what the answers cost. Owned by the output's thread. */
#pragma once

#include "lib/base.h"
#include "lib/buf.h"
#include "lib/output.h"
#include "outputs/elastic_answer.h"

#define BULK_DOCS 1000
#define BULK_TEXT (512 * KIB) /* half of what nginx lets pass */
#define BULK_COST (16 * MIB)
/* With a back-off that goes up to 5 s, 20 s. */
#define BULK_TRIES 10

struct elastic_bulk {
    struct output *out; /* messages are settled there. Borrowed */
    struct buf text;
    size_t n;
    struct bulk_doc {
        const struct msg *msg; /* a reference */
        size_t len; /* of its text */
        unsigned tries; /* times that the node could not take it, while it took others */
    } docs[BULK_DOCS];
    size_t cost;
    bool under_way;
    uint64_t run, number; /* make the documents' ids */
};

void elastic_bulk_init(struct elastic_bulk *bulk, struct output *out);
/* Abandons what it holds. */
void elastic_bulk_fini(struct elastic_bulk *bulk);

/* May it take msg now? One alone it always may. */
bool elastic_bulk_has_room(const struct elastic_bulk *bulk, const struct msg *msg);
/* Takes a reference of an answer, for which there is room. Its document has an id of its own, so
 * that one which is sent again, because nobody knows whether it came, is stored once. 0, -ENOBUFS
 * or -ENOMEM: not taken. */
MUST_CHECK int elastic_bulk_add(struct elastic_bulk *bulk, const struct msg *msg);

/* It is under way; the text stays as it is until one of the functions below is called. */
struct span elastic_bulk_begin(struct elastic_bulk *bulk);

/* Every document has its fate: what must be tried again stays, and is all that does. Returns
 * whether there is any such. */
bool elastic_bulk_answered(struct elastic_bulk *bulk, const enum elastic_fate *fates);
/* All of it must be tried again, or is refused. */
void elastic_bulk_again(struct elastic_bulk *bulk);
void elastic_bulk_refused(struct elastic_bulk *bulk);
