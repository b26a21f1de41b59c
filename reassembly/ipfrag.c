/* SPDX-License-Identifier: MIT */
#include "reassembly/ipfrag.h"

#include <errno.h>
#include <string.h>

#include "lib/hash.h"
#include "lib/mem.h"

#define N_BUCKETS 16384 /* a chain of 4 when IPFRAG_MAX_PIECES datagrams wait */
#define MAX_DATAGRAM 65535
#define BLOCK_COST 32 /* of the allocator, per block: malloc's part and lib/mem.h's */

struct key {
    uint8_t src[16], dst[16];
    uint64_t scope;
    uint32_t id;
    uint8_t family;
    uint8_t protocol; /* IPv4 only: RFC 8200 leaves it out */
    uint8_t zero[2];
};
static_assert(sizeof(struct key) == 48, "no hidden bytes: keys are compared by memcmp");

struct piece {
    struct piece *next; /* by offset; pieces never overlap */
    uint32_t begin, end;
    uint32_t run_end; /* of a run's first piece: where the run ends */
    bool starts_run; /* a run is what came piece after piece, each at the other's end */
    uint8_t bytes[];
};

/* A datagram in the making. */
struct waiting {
    struct waiting *chain;
    struct waiting *older, *younger;
    struct key key;
    uint32_t bucket;
    struct piece *first, *last;
    struct piece *last_run; /* the first piece of the run that last belongs to */
    int64_t born_ns;
    uint32_t have; /* bytes in pieces */
    uint32_t len; /* the highest end seen; the datagram's, when has_last */
    uint32_t n_pieces;
    bool has_last;
    uint8_t protocol;
};

struct ipfrag {
    struct waiting **buckets; /* N_BUCKETS; NULL before the first fragment */
    struct waiting *oldest, *youngest;
    struct books *books;
    uint64_t seed;
    uint64_t bytes; /* all that waits, with the allocator's share */
    uint32_t n_pieces;
};

enum insertion {
    INSERTED = 0,
    INSERT_DUPLICATE,
    INSERT_OVERLAP,
    INSERT_NO_MEMORY,
};

int ipfrag_new(struct ipfrag **fp, struct books *books)
{
    struct ipfrag *f = mem_zalloc(MEM_PIECES, sizeof(*f));
    if (!f)
        return -ENOMEM;
    f->books = books;
    f->seed = hash_random_seed();
    *fp = f;
    return 0;
}

static uint64_t piece_cost(const struct piece *p)
{
    return sizeof(*p) + BLOCK_COST + (p->end - p->begin);
}

static void unlink_waiting(struct ipfrag *f, struct waiting *w)
{
    struct waiting **at = &f->buckets[w->bucket];
    while (*at != w)
        at = &(*at)->chain;
    *at = w->chain;
    if (w->older)
        w->older->younger = w->younger;
    else
        f->oldest = w->younger;
    if (w->younger)
        w->younger->older = w->older;
    else
        f->youngest = w->older;
}

static void forget(struct ipfrag *f, struct waiting *w)
{
    unlink_waiting(f, w);
    for (struct piece *p = w->first; p;) {
        struct piece *next = p->next;
        f->bytes -= piece_cost(p);
        mem_free(p);
        p = next;
    }
    f->n_pieces -= w->n_pieces;
    f->bytes -= sizeof(*w) + BLOCK_COST;
    mem_free(w);
}

static void give_up(struct ipfrag *f, struct waiting *w)
{
    book_add(f->books, BOOK_FRAGMENTS_LOST, w->n_pieces);
    forget(f, w);
}

void ipfrag_free(struct ipfrag *f)
{
    if (!f)
        return;
    while (f->oldest)
        give_up(f, f->oldest);
    assert(f->bytes == 0 && f->n_pieces == 0);
    mem_free(f->buckets);
    mem_free(f);
}

/* Timestamps are foreign: their difference may not fit. */
static bool is_older_than(int64_t then_ns, int64_t now_ns, int64_t age_ns)
{
    return now_ns > then_ns && (uint64_t)now_ns - (uint64_t)then_ns > (uint64_t)age_ns;
}

static void make_room(struct ipfrag *f, const struct fragment *fragment)
{
    uint64_t cost = sizeof(struct waiting) + sizeof(struct piece) + 2 * BLOCK_COST + fragment->len;
    while (f->oldest && (f->bytes + cost > IPFRAG_MAX_BYTES || f->n_pieces >= IPFRAG_MAX_PIECES ||
                         is_older_than(f->oldest->born_ns, fragment->ts_ns, IPFRAG_TIMEOUT_NS)))
        give_up(f, f->oldest);
}

static struct key key_of(const struct fragment *fragment)
{
    struct key key = {
        .scope = fragment->scope,
        .id = fragment->id,
        .family = fragment->family,
        .protocol = fragment->family == 4 ? fragment->protocol : 0,
    };
    size_t len = fragment->family == 4 ? 4 : 16;
    memcpy(key.src, fragment->src, len);
    memcpy(key.dst, fragment->dst, len);
    return key;
}

/* Finds or makes; NULL: no memory. */
static struct waiting *waiting_of(struct ipfrag *f, const struct fragment *fragment)
{
    struct key key = key_of(fragment);
    if (!f->buckets)
        f->buckets = mem_zalloc(MEM_PIECES, N_BUCKETS * sizeof(struct waiting *));
    if (!f->buckets)
        return NULL;
    uint32_t bucket = (uint32_t)(hash64(&key, sizeof(key), f->seed) % N_BUCKETS);
    for (struct waiting *w = f->buckets[bucket]; w; w = w->chain)
        if (memcmp(&w->key, &key, sizeof(key)) == 0)
            return w;
    struct waiting *w = mem_zalloc(MEM_PIECES, sizeof(*w));
    if (!w)
        return NULL;
    w->key = key;
    w->bucket = bucket;
    w->born_ns = fragment->ts_ns;
    w->chain = f->buckets[bucket];
    f->buckets[bucket] = w;
    w->older = f->youngest;
    if (w->older)
        w->older->younger = w;
    else
        f->oldest = w;
    f->youngest = w;
    f->bytes += sizeof(*w) + BLOCK_COST;
    return w;
}

/* Where a piece [begin, end) goes that does not reach beyond the last one: *at is the link to put
 * it in, in front of a run. */
static enum insertion find_place(struct waiting *w, uint32_t begin, uint32_t end,
                                 struct piece ***at)
{
    struct piece **link = &w->first;
    for (; *link; link = &(*link)->next) {
        const struct piece *p = *link;
        if (!p->starts_run || begin >= p->run_end)
            continue;
        if (end <= p->begin)
            break;
        return begin >= p->begin && end <= p->run_end ? INSERT_DUPLICATE : INSERT_OVERLAP;
    }
    *at = link;
    return INSERTED;
}

static enum insertion insert(struct ipfrag *f, struct waiting *w, const struct fragment *fragment,
                             uint32_t end)
{
    uint32_t begin = fragment->offset;
    struct piece **at = w->last ? &w->last->next : &w->first;
    bool at_end = !w->last || w->last->end < end;
    if (at_end && w->last && begin < w->last->end)
        return INSERT_OVERLAP;
    enum insertion found = at_end ? INSERTED : find_place(w, begin, end, &at);
    if (found != INSERTED)
        return found;
    struct piece *p = mem_alloc(MEM_PIECES, sizeof(*p) + (end - begin));
    if (!p)
        return INSERT_NO_MEMORY;
    memcpy(p->bytes, fragment->bytes, end - begin);
    p->begin = begin;
    p->end = p->run_end = end;
    p->starts_run = !(at_end && w->last && w->last->end == begin);
    p->next = *at;
    *at = p;
    if (at_end) {
        if (p->starts_run)
            w->last_run = p;
        w->last_run->run_end = end;
        w->last = p;
    }
    w->have += end - begin;
    w->n_pieces++;
    f->n_pieces++;
    f->bytes += piece_cost(p);
    return INSERTED;
}

/* Notes where the fragment ends; false when that contradicts what was seen before. */
static bool note_end(struct waiting *w, const struct fragment *fragment, uint32_t end)
{
    if (end == fragment->offset)
        return false;
    if (!fragment->more) {
        if (end < w->len || (w->has_last && end != w->len))
            return false;
        w->has_last = true;
    } else if (end > w->len && w->has_last) {
        return false;
    }
    if (end > w->len)
        w->len = end;
    return true;
}

static struct datagram *assemble(struct ipfrag *f, struct waiting *w)
{
    struct datagram *d = mem_alloc(MEM_PIECES, sizeof(*d) + w->len);
    if (!d) {
        give_up(f, w);
        return NULL;
    }
    d->next = NULL;
    d->len = w->len;
    d->protocol = w->protocol;
    for (const struct piece *p = w->first; p; p = p->next)
        memcpy(d->bytes + p->begin, p->bytes, p->end - p->begin);
    forget(f, w);
    return d;
}

/* The end of its bytes in the datagram; 0: it cannot be used. */
static uint32_t usable_end(const struct fragment *fragment)
{
    if (fragment->cut || fragment->len > MAX_DATAGRAM)
        return 0;
    uint32_t end = fragment->offset + (uint32_t)fragment->len;
    if (fragment->more && end % 8 != 0) {
        if (fragment->family == 6) /* RFC 8200, 4.5 */
            return 0;
        end -= end % 8; /* as Linux does */
    }
    return end <= MAX_DATAGRAM ? end : 0;
}

struct datagram *ipfrag_add(struct ipfrag *f, const struct fragment *fragment)
{
    assert(fragment->family == 4 || fragment->family == 6);
    book_one(f->books, BOOK_FRAGMENTS);
    uint32_t end = usable_end(fragment);
    struct waiting *w = NULL;
    if (end > 0) {
        make_room(f, fragment);
        w = waiting_of(f, fragment);
    }
    if (!w) {
        book_one(f->books, BOOK_FRAGMENTS_LOST);
        return NULL;
    }
    enum insertion done = INSERT_OVERLAP;
    if (note_end(w, fragment, end) && w->n_pieces < IPFRAG_MAX_PER_DATAGRAM)
        done = insert(f, w, fragment, end);
    if (done == INSERT_DUPLICATE)
        return NULL;
    if (done != INSERTED) {
        book_one(f->books, BOOK_FRAGMENTS_LOST);
        give_up(f, w);
        return NULL;
    }
    if (fragment->offset == 0)
        w->protocol = fragment->protocol;
    if (!w->has_last || w->have != w->len)
        return NULL;
    return assemble(f, w);
}
