/* SPDX-License-Identifier: MIT */
#include "reassembly/pieces.h"

#include <bsd/sys/tree.h>
#include <string.h>

#include "lib/mem.h"
#include "reassembly/stream.h"

/* Linux joins as many to one as have room in the fragments of a buffer (MAX_SKB_FRAGS). */
#define MAX_JOINED 17

struct piece {
    struct piece *next; /* of the same run */
    int64_t ts_ns;
    uint32_t seq;
    uint32_t len; /* bytes here */
    uint32_t wire_len; /* bytes on the wire */
    uint32_t ack;
    uint8_t flags; /* enum tcp_flag */
    uint8_t bytes[];
};

struct run {
    RB_ENTRY(run) entry;
    uint32_t seq, end;
    uint32_t n_joined; /* pieces behind the first */
    struct piece *first, *last;
};

RB_HEAD(tree, run);

static int by_seq(const struct run *a, const struct run *b)
{
    return seq_before(a->seq, b->seq) ? -1 : seq_before(b->seq, a->seq);
}

/* Insertion finds its place itself, so not all of this is used. */
RB_GENERATE_INTERNAL(tree, run, entry, by_seq, __attribute__((unused)) static)

static uint32_t piece_cost(const struct piece *piece)
{
    return (uint32_t)sizeof(*piece) + piece->len;
}

/* Takes a run out of the tree. */
static void unlink_run(struct pieces *p, struct run *run)
{
    struct tree tree = {p->root};
    RB_REMOVE(tree, &tree, run);
    p->root = tree.rbh_root;
}

/* Frees a run that is not in the tree, after each() has seen its segments (NULL: nobody). */
static uint32_t let_go(struct pieces *p, struct run *run,
                       void (*each)(void *arg, const struct segment *segment), void *arg)
{
    uint32_t freed = sizeof(*run);
    for (struct piece *piece = run->first, *next; piece; piece = next) {
        struct segment seg = {.seq = piece->seq, .payload = piece->bytes, .len = piece->len};
        seg.wire_len = piece->wire_len;
        seg.ts_ns = piece->ts_ns;
        seg.ack = piece->ack;
        seg.flags = piece->flags;
        next = piece->next;
        if (each)
            each(arg, &seg);
        freed += piece_cost(piece);
        p->len -= piece->len;
        p->n--;
        mem_free(piece);
    }
    mem_free(run);
    return freed;
}

/* --- where a segment goes --- */

enum place {
    PLACE_NEW, /* a run of its own, below parent */
    PLACE_JOIN, /* at the end of run */
    PLACE_REPLACE, /* instead of run */
    PLACE_COVERED, /* nowhere */
};

struct found {
    enum place place;
    struct run *run; /* parent, for PLACE_NEW; NULL: the tree is empty */
    bool right; /* of parent */
};

static bool can_join(const struct run *run, uint32_t seq)
{
    return run->end == seq && run->n_joined < MAX_JOINED;
}

static struct found find_place(const struct pieces *p, uint32_t seq, uint32_t end)
{
    struct tree tree = {p->root};
    struct run *last = RB_MAX(tree, &tree);
    struct found found = {.place = PLACE_NEW, .run = last, .right = true};
    if (last && can_join(last, seq))
        return (struct found){.place = PLACE_JOIN, .run = last};
    if (last && !seq_before(seq, last->end))
        return found;
    for (struct run *run = p->root; run;) {
        found = (struct found){.place = PLACE_NEW, .run = run, .right = !seq_before(seq, run->seq)};
        if (!found.right) {
            run = RB_LEFT(run, entry);
            continue;
        }
        if (seq_before(seq, run->end)) {
            if (!seq_before(run->end, end))
                return (struct found){.place = PLACE_COVERED, .run = run};
            if (seq == run->seq)
                return (struct found){.place = PLACE_REPLACE, .run = run};
        } else if (can_join(run, seq)) {
            return (struct found){.place = PLACE_JOIN, .run = run};
        }
        run = RB_RIGHT(run, entry);
    }
    return found;
}

static void insert_below(struct pieces *p, struct run *run, const struct found *found)
{
    struct tree tree = {p->root};
    RB_SET(run, found->run, entry);
    if (!found->run)
        tree.rbh_root = run;
    else if (found->right)
        RB_RIGHT(found->run, entry) = run;
    else
        RB_LEFT(found->run, entry) = run;
    tree_RB_INSERT_COLOR(&tree, run);
    p->root = tree.rbh_root;
}

/* Puts run where old stands, colour and all. */
static void insert_instead(struct pieces *p, struct run *run, struct run *old)
{
    run->entry = old->entry;
    struct run *parent = RB_PARENT(old, entry);
    if (!parent)
        p->root = run;
    else if (RB_LEFT(parent, entry) == old)
        RB_LEFT(parent, entry) = run;
    else
        RB_RIGHT(parent, entry) = run;
    if (RB_LEFT(run, entry))
        RB_PARENT(RB_LEFT(run, entry), entry) = run;
    if (RB_RIGHT(run, entry))
        RB_PARENT(RB_RIGHT(run, entry), entry) = run;
}

/* Removes the runs behind run that it covers. */
static uint32_t drop_covered(struct pieces *p, struct run *run)
{
    uint32_t freed = 0;
    struct run *next;
    while ((next = RB_NEXT(tree, NULL, run)) && !seq_before(run->end, next->end)) {
        unlink_run(p, next);
        freed += let_go(p, next, NULL, NULL);
    }
    return freed;
}

/* --- for users --- */

static struct piece *piece_of(const struct segment *segment)
{
    struct piece *piece = mem_alloc(MEM_PIECES, sizeof(*piece) + segment->len);
    if (!piece)
        return NULL;
    *piece = (struct piece){.ts_ns = segment->ts_ns, .seq = segment->seq, .len = segment->len};
    piece->wire_len = segment->wire_len;
    piece->ack = segment->ack;
    piece->flags = segment->flags;
    memcpy(piece->bytes, segment->payload, segment->len);
    return piece;
}

static struct run *run_of(struct piece *piece, uint32_t end)
{
    struct run *run = piece ? mem_zalloc(MEM_PIECES, sizeof(*run)) : NULL;
    if (!run) {
        mem_free(piece);
        return NULL;
    }
    run->seq = piece->seq;
    run->end = end;
    run->first = run->last = piece;
    return run;
}

static void join(struct run *run, struct piece *piece, uint32_t end)
{
    run->last->next = piece;
    run->last = piece;
    run->end = end;
    run->n_joined++;
}

struct pieces_result pieces_add(struct pieces *p, const struct segment *segment)
{
    struct pieces_result result = {0};
    uint32_t end = segment->seq + segment->wire_len;
    struct found found = find_place(p, segment->seq, end);
    if (found.place == PLACE_COVERED) {
        result.duplicate = segment->wire_len;
        return result;
    }
    struct piece *piece = piece_of(segment);
    struct run *run = found.place == PLACE_JOIN ? NULL : run_of(piece, end);
    if (!piece || (!run && found.place != PLACE_JOIN)) {
        result.no_memory = true;
        return result;
    }
    p->len += piece->len;
    p->n++;
    result.held = (int32_t)piece_cost(piece) + (run ? (int32_t)sizeof(*run) : 0);
    if (!run) {
        join(found.run, piece, end);
        return result;
    }
    if (found.place == PLACE_REPLACE) {
        insert_instead(p, run, found.run);
        result.held -= (int32_t)let_go(p, found.run, NULL, NULL);
    } else {
        insert_below(p, run, &found);
    }
    result.held -= (int32_t)drop_covered(p, run);
    return result;
}

static struct run *first_run(const struct pieces *p)
{
    struct tree tree = {p->root};
    return RB_MIN(tree, &tree);
}

uint32_t pieces_first_seq(const struct pieces *p)
{
    return first_run(p)->seq;
}

int64_t pieces_first_ns(const struct pieces *p)
{
    return first_run(p)->first->ts_ns;
}

uint32_t pieces_take_first(struct pieces *p, void (*each)(void *arg, const struct segment *segment),
                           void *arg)
{
    struct run *run = first_run(p);
    unlink_run(p, run);
    return let_go(p, run, each, arg);
}

uint32_t pieces_clear(struct pieces *p)
{
    uint32_t freed = 0;
    while (p->root)
        freed += pieces_take_first(p, NULL, NULL);
    return freed;
}
