/* SPDX-License-Identifier: MIT */
#include "reassembly/ipfrag.h"

#include <errno.h>
#include <string.h>

#include "lib/hash.h"
#include "lib/mem.h"

#define BUCKETS 1024
/* Linux's default for both (ipfrag_time, ipfrag_high_thresh is 4 MiB; a capture sees many hosts).
 */
#define MAX_AGE_NS (30 * NS_PER_S)
#define MAX_MEMORY (16u << 20)
#define MAX_PACKET 65535

struct fragment {
    struct fragment *next; /* ordered by offset, without overlap */
    uint32_t offset, len;
    uint8_t bytes[];
};

/* A packet of which fragments have come. */
struct packet_parts {
    struct packet_parts *chain;
    struct packet_parts *older, *younger;
    struct ipfrag_key key;
    int64_t born_ns;
    struct fragment *fragments;
    uint32_t n, held; /* fragments; bytes of memory */
    uint32_t have; /* bytes of payload here */
    uint32_t total; /* of payload, when the last fragment is known; else 0 */
};

struct ipfrag {
    struct books *books;
    uint64_t seed;
    uint32_t held;
    struct packet_parts *buckets[BUCKETS];
    struct packet_parts *oldest, *youngest;
    uint8_t packet[MAX_PACKET];
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

static struct packet_parts **bucket_of(struct ipfrag *f, const struct ipfrag_key *key)
{
    return &f->buckets[hash64(key, sizeof(*key), f->seed) % BUCKETS];
}

static void drop(struct ipfrag *f, struct packet_parts *p)
{
    struct packet_parts **link = bucket_of(f, &p->key);
    while (*link != p)
        link = &(*link)->chain;
    *link = p->chain;
    *(p->older ? &p->older->younger : &f->oldest) = p->younger;
    *(p->younger ? &p->younger->older : &f->youngest) = p->older;
    while (p->fragments) {
        struct fragment *fragment = p->fragments;
        p->fragments = fragment->next;
        mem_free(fragment);
    }
    f->held -= p->held;
    mem_free(p);
}

static void give_up(struct ipfrag *f, struct packet_parts *p)
{
    book_add(f->books, BOOK_FRAGMENTS_LOST, p->n);
    drop(f, p);
}

void ipfrag_free(struct ipfrag *f)
{
    if (!f)
        return;
    while (f->oldest)
        give_up(f, f->oldest);
    mem_free(f);
}

static struct packet_parts *find(struct ipfrag *f, const struct ipfrag_key *key)
{
    struct packet_parts *p = *bucket_of(f, key);
    while (p && memcmp(&p->key, key, sizeof(*key)) != 0)
        p = p->chain;
    return p;
}

static struct packet_parts *add(struct ipfrag *f, const struct ipfrag_key *key, int64_t ts_ns)
{
    struct packet_parts *p = mem_zalloc(MEM_PIECES, sizeof(*p));
    if (!p)
        return NULL;
    struct packet_parts **bucket = bucket_of(f, key);
    p->key = *key;
    p->born_ns = ts_ns;
    p->chain = *bucket;
    *bucket = p;
    p->older = f->youngest;
    *(f->youngest ? &f->youngest->younger : &f->oldest) = p;
    f->youngest = p;
    p->held = sizeof(*p);
    f->held += p->held;
    return p;
}

enum placing {
    PLACED = 0,
    DUPLICATE,
    OVERLAPS,
    NO_MEMORY,
};

static enum placing place(struct ipfrag *f, struct packet_parts *p, uint32_t offset,
                          struct span bytes)
{
    struct fragment **link = &p->fragments;
    uint32_t end = offset + (uint32_t)bytes.len;
    while (*link && (*link)->offset + (*link)->len <= offset)
        link = &(*link)->next;
    struct fragment *at = *link;
    if (at && at->offset == offset && at->len == bytes.len)
        return DUPLICATE;
    if (at && at->offset < end)
        return OVERLAPS;
    struct fragment *fragment = mem_alloc(MEM_PIECES, sizeof(*fragment) + bytes.len);
    if (!fragment)
        return NO_MEMORY;
    *fragment = (struct fragment){.next = at, .offset = offset, .len = (uint32_t)bytes.len};
    memcpy(fragment->bytes, bytes.ptr, bytes.len);
    *link = fragment;
    p->n++;
    p->have += fragment->len;
    p->held += (uint32_t)sizeof(*fragment) + fragment->len;
    f->held += (uint32_t)sizeof(*fragment) + fragment->len;
    return PLACED;
}

/* The fragments lie side by side and add up to the whole. */
static struct span assemble(struct ipfrag *f, struct packet_parts *p)
{
    struct span whole = span_of(f->packet, p->total);
    for (struct fragment *fragment = p->fragments; fragment; fragment = fragment->next)
        memcpy(f->packet + fragment->offset, fragment->bytes, fragment->len);
    drop(f, p);
    return whole;
}

bool ipfrag_add(struct ipfrag *f, const struct ipfrag_key *key, uint32_t offset, bool more,
                struct span bytes, int64_t ts_ns, struct span *packet)
{
    while (f->oldest && (ts_ns - f->oldest->born_ns > MAX_AGE_NS || f->held > MAX_MEMORY))
        give_up(f, f->oldest);
    struct packet_parts *p = find(f, key);
    bool valid = bytes.len > 0 && bytes.len <= MAX_PACKET - offset &&
                 !(more && bytes.len % 8 != 0) && offset <= MAX_PACKET;
    if (!p && valid)
        p = add(f, key, ts_ns);
    uint32_t end = offset + (uint32_t)bytes.len;
    if (!p || !valid) {
        book_one(f->books, BOOK_FRAGMENTS_LOST);
        return false;
    }
    enum placing placing = place(f, p, offset, bytes);
    bool ends_differ =
        (!more && p->total != 0 && p->total != end) || (p->total != 0 && end > p->total);
    if (placing == OVERLAPS || placing == NO_MEMORY || ends_differ) {
        if (placing != PLACED)
            book_one(f->books, BOOK_FRAGMENTS_LOST);
        give_up(f, p);
        return false;
    }
    if (!more)
        p->total = end;
    if (p->total == 0 || p->have != p->total)
        return false;
    *packet = assemble(f, p);
    return true;
}
