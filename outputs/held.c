/* SPDX-License-Identifier: MIT */
#include "outputs/held.h"

void held_init(struct held *h, struct output *out)
{
    h->out = out;
    h->head = h->n = 0;
    h->cost = 0;
}

bool held_has_room(const struct held *h, const struct msg *msg)
{
    return h->n == 0 || (h->n < HELD_MSGS && h->cost + msg_cost(msg) <= HELD_COST);
}

void held_put(struct held *h, const struct msg *msg, uint64_t mark)
{
    assert(held_has_room(h, msg));
    h->ring[(h->head + h->n) % HELD_MSGS] = (struct held_msg){.msg = msg_ref(msg), .mark = mark};
    h->n++;
    h->cost += msg_cost(msg);
}

struct held_msg *held_nth(struct held *h, size_t i)
{
    assert(i < h->n);
    return &h->ring[(h->head + i) % HELD_MSGS];
}

void held_pop(struct held *h, enum book fate)
{
    const struct msg *msg = held_nth(h, 0)->msg;
    h->head = (h->head + 1) % HELD_MSGS;
    h->n--;
    h->cost -= msg_cost(msg);
    output_settle(h->out, msg, fate);
}

void held_pop_all(struct held *h, enum book fate)
{
    while (h->n > 0)
        held_pop(h, fate);
}
