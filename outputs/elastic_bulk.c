/* SPDX-License-Identifier: MIT */
#include "outputs/elastic_bulk.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "lib/hash.h"
#include "outputs/elastic_doc.h"

/* A head, escaped, is at most 6 times as long; there are two of them. */
#define TEXT_MAX (BULK_TEXT + 2 * 6 * HTTP_MAX_HEAD + 4 * KIB)

void elastic_bulk_init(struct elastic_bulk *bulk, struct output *out)
{
    memset(bulk, 0, sizeof(*bulk));
    bulk->out = out;
    bulk->run = hash_random_seed();
    buf_init(&bulk->text, TEXT_MAX);
}

/* The document has that fate, and is gone from docs. */
static void settle(struct elastic_bulk *bulk, const struct bulk_doc *doc, enum book fate)
{
    bulk->cost -= msg_cost(doc->msg);
    output_settle(bulk->out, doc->msg, fate);
}

void elastic_bulk_fini(struct elastic_bulk *bulk)
{
    for (size_t i = 0; i < bulk->n; i++)
        settle(bulk, &bulk->docs[i], BOOK_ABANDONED);
    bulk->n = 0;
    buf_fini(&bulk->text);
}

bool elastic_bulk_has_room(const struct elastic_bulk *bulk, const struct msg *msg)
{
    if (bulk->under_way)
        return false;
    return bulk->n == 0 || (bulk->n < BULK_DOCS && buf_span(&bulk->text).len < BULK_TEXT &&
                            bulk->cost + msg_cost(msg) <= BULK_COST);
}

int elastic_bulk_add(struct elastic_bulk *bulk, const struct msg *msg)
{
    char id[40];
    size_t before = bulk->text.len;
    assert(elastic_bulk_has_room(bulk, msg));
    snprintf(id, sizeof(id), "%016" PRIx64 "-%" PRIx64, bulk->run, bulk->number++);
    int r = elastic_doc_write(&bulk->text, msg, id);
    if (r < 0) {
        bulk->text.len = before;
        return r;
    }
    bulk->docs[bulk->n++] = (struct bulk_doc){.msg = msg_ref(msg), .len = bulk->text.len - before};
    bulk->cost += msg_cost(msg);
    return 0;
}

struct span elastic_bulk_begin(struct elastic_bulk *bulk)
{
    assert(!bulk->under_way && bulk->n > 0);
    bulk->under_way = true;
    book_one(bulk->out->books, BOOK_ELASTIC_BULKS);
    return buf_span(&bulk->text);
}

/* Does a document that has this fate stay? Else it is settled. */
static bool stays(struct elastic_bulk *bulk, struct bulk_doc *doc, enum elastic_fate fate)
{
    bool again = fate == ELASTIC_AGAIN && ++doc->tries < BULK_TRIES;
    if (again) {
        book_one(bulk->out->books, BOOK_ELASTIC_RETRIES);
    } else if (fate == ELASTIC_STORED) {
        settle(bulk, doc, BOOK_DELIVERED);
    } else {
        book_one(bulk->out->books,
                 fate == ELASTIC_AGAIN ? BOOK_ELASTIC_GAVE_UP : BOOK_ELASTIC_REFUSED);
        settle(bulk, doc, BOOK_FAILED);
    }
    return again;
}

bool elastic_bulk_answered(struct elastic_bulk *bulk, const enum elastic_fate *fates)
{
    uint8_t *text = bulk->text.data + bulk->text.start;
    size_t kept = 0, from = 0, to = 0;
    assert(bulk->under_way);
    for (size_t i = 0; i < bulk->n; i++) {
        struct bulk_doc doc = bulk->docs[i];
        if (stays(bulk, &doc, fates[i])) {
            memmove(text + to, text + from, doc.len);
            to += doc.len;
            bulk->docs[kept++] = doc;
        }
        from += doc.len;
    }
    bulk->text.len = bulk->text.start + to;
    bulk->n = kept;
    bulk->under_way = false;
    return kept > 0;
}

void elastic_bulk_again(struct elastic_bulk *bulk)
{
    book_add(bulk->out->books, BOOK_ELASTIC_RETRIES, bulk->n);
    bulk->under_way = false;
}

void elastic_bulk_refused(struct elastic_bulk *bulk)
{
    for (size_t i = 0; i < bulk->n; i++)
        (void)stays(bulk, &bulk->docs[i], ELASTIC_REFUSED);
    bulk->text.len = bulk->text.start;
    bulk->n = 0;
    bulk->under_way = false;
}
