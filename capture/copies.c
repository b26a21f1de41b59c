/* SPDX-License-Identifier: MIT */
#include "capture/copies.h"

#include "lib/hash.h"
#include "lib/mem.h"

/* As far back as deflate copies from (RFC 1951, section 2). */
#define REACH (32 * KIB)
/* More records than fit there: a header line and a separator are longer than 32 bytes. */
#define REMEMBERED 1024

struct copies {
    size_t n; /* so many were added */
    uint64_t names[REMEMBERED], places[REMEMBERED]; /* number n is at n % REMEMBERED */
};

struct copies *copies_new(void)
{
    return mem_zalloc(MEM_IO, sizeof(struct copies));
}

void copies_free(struct copies *c)
{
    mem_free(c);
}

/* Different records of one recording differ in this. */
static uint64_t name_of(const struct msg *msg)
{
    uint64_t name = hash64(msg->id, msg->id_len, msg->type);
    return hash_mix(hash_mix(name, (uint64_t)msg->ts_ns),
                    hash_mix(msg->len, (uint64_t)msg->latency_ns));
}

bool copies_has(struct copies *c, const struct msg *msg, uint64_t at)
{
    uint64_t name = name_of(msg);
    bool found = false;
    for (size_t i = 1; i <= c->n && i <= REMEMBERED && !found; i++) {
        size_t slot = (c->n - i) % REMEMBERED;
        if (c->places[slot] + REACH < at)
            break;
        found = c->names[slot] == name;
    }
    c->names[c->n % REMEMBERED] = name;
    c->places[c->n++ % REMEMBERED] = at;
    return found;
}
