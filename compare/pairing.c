/* SPDX-License-Identifier: MIT */
#include "compare/pairing.h"

#include <errno.h>

#include "lib/mem.h"
#include "lib/waiting.h"

#define MET 1 /* note of what waits */

struct pairing {
    struct pairing_config config;
    struct waiting *waiting[ROLES];
};

int pairing_new(struct pairing **pairingp, const struct pairing_config *config)
{
    struct pairing *p = mem_zalloc(MEM_OTHER, sizeof(*p));
    int r = p ? 0 : -ENOMEM;
    for (size_t i = 0; i < ROLES && r == 0; i++)
        r = waiting_new(&p->waiting[i], config->max_msgs, config->max_bytes);
    if (r < 0) {
        pairing_free(p);
        return r;
    }
    p->config = *config;
    *pairingp = p;
    return 0;
}

void pairing_free(struct pairing *pairing)
{
    if (!pairing)
        return;
    for (size_t i = 0; i < ROLES; i++)
        waiting_free(pairing->waiting[i]);
    mem_free(pairing);
}

static bool has(const struct pairing *p, enum pairing_role role, struct span id)
{
    uint64_t note;
    return waiting_has(p->waiting[role], id, &note);
}

static bool is_complete(const struct pairing *p, struct span id)
{
    return has(p, ROLE_REQUEST, id) && has(p, ROLE_RECORDED, id) && has(p, ROLE_ANSWER, id) &&
           (!p->config.with_baseline || has(p, ROLE_BASELINE, id));
}

/* All of that id that is not in the exchange yet. */
static void gather(struct pairing *p, struct exchange *x, struct span id)
{
    for (size_t i = 0; i < ROLES; i++) {
        uint64_t note = 0;
        if (x->msg[i])
            continue;
        x->msg[i] = waiting_take(p->waiting[i], id, &note);
        x->met[i] = note == MET;
    }
}

/* Drops the references; but with several targets what is not one's answer waits for the others'. It
 * came out of the same rooms, so it fits. leaving: the role that is not to go back. */
static void part(struct pairing *p, struct exchange *x, enum pairing_role leaving)
{
    for (size_t i = 0; i < ROLES; i++) {
        if (x->msg[i] && p->config.several && i != ROLE_ANSWER && i != leaving)
            waiting_put(p->waiting[i], x->msg[i], MET);
        msg_unref(x->msg[i]);
    }
}

static void settle_leaver(struct pairing *p, enum pairing_role role, const struct msg *msg,
                          uint64_t note, bool crowded)
{
    struct exchange x = {.crowded = crowded};
    x.msg[role] = msg;
    x.met[role] = note == MET;
    gather(p, &x, msg_id(msg));
    p->config.settle(p->config.arg, &x);
    part(p, &x, role);
}

void pairing_put(struct pairing *pairing, enum pairing_role role, const struct msg *msg)
{
    struct pairing *p = pairing;
    const struct msg *leaver;
    uint64_t note;
    waiting_put(p->waiting[role], msg, 0);
    if (is_complete(p, msg_id(msg))) {
        struct exchange x = {.crowded = false};
        gather(p, &x, msg_id(msg));
        p->config.settle(p->config.arg, &x);
        part(p, &x, ROLE_ANSWER);
    }
    while ((leaver = waiting_overflow(p->waiting[role], &note)))
        settle_leaver(p, role, leaver, note, true);
}

void pairing_flush(struct pairing *pairing)
{
    /* answers first: they take with them what they are compared with */
    static const enum pairing_role order[ROLES] = {ROLE_ANSWER, ROLE_BASELINE, ROLE_RECORDED,
                                                   ROLE_REQUEST};
    for (size_t i = 0; i < ROLES; i++) {
        const struct msg *leaver;
        uint64_t note;
        while ((leaver = waiting_leave(pairing->waiting[order[i]], &note)))
            settle_leaver(pairing, order[i], leaver, note, false);
    }
}
