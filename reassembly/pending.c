/* SPDX-License-Identifier: MIT */
#include "reassembly/pending.h"

#include <string.h>

#include "lib/mem.h"

#define FIRST_CAP 4
#define MAX_WAITING 4096

/* A ring: n requests from first on. */
struct pending {
    uint32_t first, n, cap;
    struct pending_request *ring;
};

static struct pending_request *at(struct pending *p, uint32_t i)
{
    return &p->ring[(p->first + i) % p->cap];
}

static bool grow(struct pending *p, int64_t *held)
{
    uint32_t cap = p->cap ? p->cap * 2 : FIRST_CAP;
    if (p->n >= MAX_WAITING)
        return false;
    struct pending_request *ring = mem_alloc(MEM_FLOW, cap * sizeof(*ring));
    if (!ring)
        return false;
    for (uint32_t i = 0; i < p->n; i++)
        ring[i] = *at(p, i);
    *held += (int64_t)((cap - p->cap) * sizeof(*ring));
    mem_free(p->ring);
    p->ring = ring;
    p->cap = cap;
    p->first = 0;
    return true;
}

bool pending_start(struct pending **pp, const struct pending_request *begun, int64_t *held)
{
    if (!*pp) {
        *pp = mem_zalloc(MEM_FLOW, sizeof(**pp));
        if (!*pp)
            return false;
        *held += (int64_t)sizeof(**pp);
    }
    struct pending *p = *pp;
    if (p->n == p->cap && !grow(p, held))
        return false;
    p->n++;
    *at(p, p->n - 1) = *begun;
    return true;
}

/* The newest are asked for, as a rule. */
static struct pending_request *find(struct pending *p, uint32_t id)
{
    for (uint32_t i = p->n; i-- > 0;)
        if (at(p, i)->id == id)
            return at(p, i);
    return NULL;
}

static struct msg *take_early(struct pending *p, struct pending_request *request)
{
    struct msg *early = request->early;
    request->early = NULL;
    if (early && request == pending_first(p))
        pending_pop(p);
    return early;
}

struct msg *pending_complete(struct pending *p, const struct pending_request *found)
{
    struct pending_request *request = find(p, found->id);
    if (!request)
        return NULL;
    request->complete = true;
    request->answer = found->answer;
    request->last_ns = found->last_ns;
    request->end = found->end;
    return take_early(p, request);
}

struct msg *pending_lose(struct pending *p, uint32_t id)
{
    struct pending_request *request = find(p, id);
    if (!request)
        return NULL;
    request->lost = true;
    return take_early(p, request);
}

struct pending_request *pending_first(struct pending *p)
{
    return p->n > 0 ? at(p, 0) : NULL;
}

void pending_pop(struct pending *p)
{
    assert(p->n > 0 && !at(p, 0)->early);
    p->first = (p->first + 1) % p->cap;
    p->n--;
}

static bool sent_together(const struct pending_request *a, const struct pending_request *b)
{
    return a->has_ack == b->has_ack && a->ack == b->ack;
}

static bool may_be_its(const struct pending_request *request, uint32_t seq, int64_t ns)
{
    return pending_is_asked(request, seq) && request->first_ns <= ns;
}

bool pending_realign(struct pending *p, uint32_t seq, int64_t ns)
{
    uint32_t n = 0;
    while (n < p->n && may_be_its(at(p, n), seq, ns))
        n++;
    for (; n > 1 && !at(p, 0)->early && !sent_together(at(p, 0), at(p, n - 1)); n--)
        pending_pop(p);
    return n <= 1;
}

void pending_give_up(struct pending *p, uint32_t seq, int64_t ns)
{
    while (p->n > 0 && !at(p, 0)->early && may_be_its(at(p, 0), seq, ns))
        pending_pop(p);
}

size_t pending_free(struct pending *p, int64_t *held)
{
    size_t dropped = 0;
    if (!p)
        return 0;
    for (uint32_t i = 0; i < p->n; i++) {
        struct msg *early = at(p, i)->early;
        if (!early)
            continue;
        dropped++;
        *held -= (int64_t)msg_cost(early);
        msg_unref(early);
    }
    *held -= (int64_t)(sizeof(*p) + p->cap * sizeof(*p->ring));
    mem_free(p->ring);
    mem_free(p);
    return dropped;
}
