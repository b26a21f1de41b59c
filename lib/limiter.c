/* SPDX-License-Identifier: MIT */
#include "lib/limiter.h"

#include <errno.h>
#include <math.h>

#include "lib/fates.h"
#include "lib/key_rates.h"
#include "lib/mem.h"

/* Requests whose fate is remembered for their responses. */
#define REMEMBERED 65536
/* While some are turned away, this part of a second's worth may come at once. */
#define BURST_SHARE 0.02

/* A window that slides over the times of those admitted, and a bucket of tokens that makes them
 * come evenly while there are too many. */
struct window {
    int64_t window_ns;
    int64_t refused_ns; /* when one was last turned away; INT64_MIN: never */
    int64_t filled_ns; /* when tokens was computed */
    double tokens, capacity, per_ns;
    uint64_t admitted;
    size_t slots; /* admissions allowed in one window */
    int64_t times[]; /* when the last slots requests were admitted; a ring */
};

struct limiter {
    struct limit limit;
    uint64_t seed;
    double share; /* of the rate; 0: all */
    struct fates *fates; /* of recent requests: 1 admitted, 0 not */
    struct window *window; /* one of these two */
    struct key_rates *keys;
};

static struct window *window_new(double rate)
{
    size_t slots = rate >= 1 ? (size_t)rate : 1;
    struct window *w = mem_zalloc(MEM_OTHER, sizeof(*w) + slots * sizeof(w->times[0]));
    if (!w)
        return NULL;
    w->slots = slots;
    w->window_ns = NS_PER_S + LIMIT_MARGIN_NS;
    if (rate < 1)
        w->window_ns = (int64_t)((double)w->window_ns / rate);
    w->per_ns = (double)slots / (double)w->window_ns;
    w->capacity = fmax(2, (double)slots * BURST_SHARE);
    w->refused_ns = INT64_MIN;
    return w;
}

/* Refills the bucket; it overflows at its capacity. */
static void refill(struct window *w, int64_t now_ns)
{
    w->tokens = fmin(w->capacity, w->tokens + (double)(now_ns - w->filled_ns) * w->per_ns);
    w->filled_ns = now_ns;
}

static bool window_admit(struct window *w, int64_t now_ns)
{
    int64_t *oldest = &w->times[w->admitted % w->slots];
    bool full = w->admitted >= w->slots && now_ns - *oldest < w->window_ns;
    bool crowded = w->refused_ns != INT64_MIN && now_ns - w->refused_ns < w->window_ns;
    refill(w, now_ns);
    if (full || (crowded && w->tokens < 1)) {
        w->refused_ns = now_ns;
        return false;
    }
    w->tokens = fmax(0, w->tokens - 1);
    *oldest = now_ns;
    w->admitted++;
    return true;
}

int limiter_new(struct limiter **limiterp, const struct limit *limit, uint64_t seed)
{
    if (limit->rate == 0) {
        *limiterp = NULL;
        return 0;
    }
    struct limiter *l = mem_zalloc(MEM_OTHER, sizeof(*l));
    if (!l)
        return -ENOMEM;
    l->limit = *limit;
    l->seed = seed;
    int r = fates_new(&l->fates, REMEMBERED);
    if (r == 0 && limit->per.kind != KEY_NONE)
        r = key_rates_new(&l->keys, limit->rate, LIMITER_KEYS);
    else if (r == 0)
        r = (l->window = window_new(limit->rate)) ? 0 : -ENOMEM;
    if (r < 0) {
        limiter_free(l);
        return r;
    }
    *limiterp = l;
    return 0;
}

/* False: no memory, and nothing has changed. */
static bool change_window(struct limiter *limiter, double rate, double share, int64_t now_ns)
{
    struct window *w = window_new(rate * (share > 0 ? share : 1));
    if (!w)
        return false;
    /* what was admitted in this second is not known any more: the first one comes evenly */
    w->refused_ns = w->filled_ns = now_ns;
    mem_free(limiter->window);
    limiter->window = w;
    return true;
}

void limiter_share(struct limiter *limiter, double share, int64_t now_ns)
{
    if (!limiter || !limiter->window || share == limiter->share)
        return;
    if (change_window(limiter, limiter->limit.rate, share, now_ns))
        limiter->share = share; /* else the next message asks again */
}

static bool change_keys(struct limiter *limiter, double rate)
{
    struct key_rates *keys;
    if (key_rates_new(&keys, rate, LIMITER_KEYS) < 0)
        return false;
    key_rates_free(limiter->keys);
    limiter->keys = keys;
    return true;
}

void limiter_set_rate(struct limiter **limiterp, const struct limit *limit, double rate,
                      uint64_t seed, int64_t now_ns)
{
    struct limiter *limiter = *limiterp;
    struct limit wanted = *limit;
    wanted.rate = rate;
    if (rate == (limiter ? limiter->limit.rate : 0))
        return;
    if (rate == 0) {
        limiter_free(limiter);
        *limiterp = NULL;
    } else if (!limiter) {
        int r = limiter_new(limiterp, &wanted, seed);
        (void)r; /* it stays NULL then */
    } else if (limiter->keys ? change_keys(limiter, rate)
                             : change_window(limiter, rate, limiter->share, now_ns)) {
        limiter->limit.rate = rate;
    }
}

void limiter_free(struct limiter *limiter)
{
    if (!limiter)
        return;
    fates_free(limiter->fates);
    key_rates_free(limiter->keys);
    mem_free(limiter->window);
    mem_free(limiter);
}

bool limiter_admit(struct limiter *limiter, const struct msg *msg, int64_t now_ns)
{
    if (!limiter)
        return true;
    /* a response whose request was never asked about is nobody's: it shares no permission */
    if (msg->type != MSG_REQUEST)
        return fates_get(limiter->fates, msg_id(msg)) == 1;
    bool admitted = limiter->keys
                        ? key_rates_admit(limiter->keys,
                                          key_hash(&limiter->limit.per, msg, limiter->seed), now_ns)
                        : window_admit(limiter->window, now_ns);
    fates_put(limiter->fates, msg_id(msg), admitted);
    return admitted;
}
