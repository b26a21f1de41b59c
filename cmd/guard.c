/* SPDX-License-Identifier: MIT */
#include "cmd/guard.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "lib/mem.h"
#include "lib/options_table.h"
#include "lib/units.h"

#define ALL "guard"
#define WINDOW "guard-window"
#define OWN "to-guard"
#define OWN_WINDOW "to-guard-window"

/* What an account had come to at one moment. */
struct slice {
    uint64_t counts[GUARD_MAX];
    uint64_t settled;
    struct histogram latency;
};

struct watch {
    const struct guard *guard;
    const struct account *account;
    int64_t due_ns; /* of the next slice; 0: at once */
    size_t n; /* slices so far */
    struct slice slices[GUARD_SLICES]; /* a ring */
    struct histogram within; /* of the window: room to compute in */
};

/* --- reading --- */

static int add(struct guard *guard, const char *option, const char *text, size_t len,
               struct err *err)
{
    if (guard->n == GUARD_MAX)
        return err_usage(err, "--%s: more than %d assertions", option, GUARD_MAX);
    char *copy = guard->assertions[guard->n].text;
    struct assertion *is = &guard->assertions[guard->n].is;
    if (len >= sizeof(guard->assertions[0].text))
        return err_usage(err, "--%s \"%s\": too long", option, text);
    memcpy(copy, text, len);
    copy[len] = '\0';
    int r = assertion_parse(is, option, copy, err);
    if (r < 0)
        return r;
    if (is->metric->at_end)
        return err_usage(err, "--%s \"%s\": %s can only be judged at the end (--fail-on)", option,
                         copy, is->metric->name);
    guard->n++;
    return 0;
}

static int add_all(struct guard *guard, const char *option, const char *text, struct err *err)
{
    int r = 0;
    while (*text && r == 0) {
        size_t len = strcspn(text, ",");
        r = add(guard, option, text, len, err);
        text += len + (text[len] == ',');
    }
    return r;
}

static int check_window(const struct guard *guard, const char *option, struct err *err)
{
    return guard->window_ns < NS_PER_S ? err_usage(err, "--%s: at least 1s", option) : 0;
}

/* What was bound to that output instead, if anything was. */
static int read_own(struct guard *guard, const struct options *options, const char *output,
                    size_t nth, struct err *err)
{
    const char *text = options_bound_nth(options, OWN, output, nth, 0);
    const char *window = options_bound_nth(options, OWN_WINDOW, output, nth, 0);
    int r = 0;
    if (text)
        guard->n = 0;
    for (size_t i = 1; r == 0 && text; i++) {
        r = add_all(guard, OWN, text, err);
        text = options_bound_nth(options, OWN, output, nth, i);
    }
    if (r < 0 || !window)
        return r;
    const char *expected = units_parse_duration(window, &guard->window_ns);
    if (expected)
        return err_usage(err, "--" OWN_WINDOW " \"%s\": expected %s", window, expected);
    if (guard->n == 0)
        return err_usage(err, "--" OWN_WINDOW " \"%s\": nothing guards this output (--" OWN ")",
                         window);
    return check_window(guard, OWN_WINDOW, err);
}

int guard_read(struct guard *guard, const struct options *options, const char *output, size_t nth,
               struct err *err)
{
    *guard = (struct guard){.window_ns = options_duration_ns(options, WINDOW)};
    int r = check_window(guard, WINDOW, err);
    if (r == 0)
        r = add_all(guard, ALL, options_string(options, ALL), err);
    return r == 0 && output ? read_own(guard, options, output, nth, err) : r;
}

/* --- watching --- */

struct watch *watch_new(const struct guard *guard, const struct account *account)
{
    struct watch *w = mem_zalloc(MEM_OTHER, sizeof(*w));
    if (w) {
        w->guard = guard;
        w->account = account;
    }
    return w;
}

void watch_free(struct watch *watch)
{
    mem_free(watch);
}

static void take(const struct watch *w, struct slice *slice)
{
    const struct histogram *h = account_latency(w->account);
    for (size_t i = 0; i < w->guard->n; i++) {
        const struct metric *metric = w->guard->assertions[i].is.metric;
        slice->counts[i] = metric->count ? metric->count(w->account) : 0;
    }
    slice->settled = assertion_settled(w->account);
    atomic_store(&slice->latency.count, atomic_load(&h->count));
    for (size_t i = 0; i < HISTOGRAM_BUCKETS; i++)
        atomic_store_explicit(&slice->latency.buckets[i],
                              atomic_load_explicit(&h->buckets[i], memory_order_relaxed),
                              memory_order_relaxed);
}

void watch_restart(struct watch *w, int64_t now_ns)
{
    w->n = 0;
    take(w, &w->slices[w->n++]);
    w->due_ns = now_ns + w->guard->window_ns / GUARD_SLICES;
}

/* The answers between then and now. */
static const struct histogram *latency_since(struct watch *w, const struct slice *then)
{
    const struct histogram *now = account_latency(w->account);
    uint64_t count = 0;
    for (size_t i = 0; i < HISTOGRAM_BUCKETS; i++) {
        uint64_t n = atomic_load_explicit(&now->buckets[i], memory_order_relaxed) -
                     atomic_load_explicit(&then->latency.buckets[i], memory_order_relaxed);
        atomic_store_explicit(&w->within.buckets[i], n, memory_order_relaxed);
        count += n;
    }
    atomic_store(&w->within.count, count);
    atomic_store(&w->within.max_ns, atomic_load(&now->max_ns));
    return &w->within;
}

static bool is_broken(struct watch *w, size_t i, const struct slice *then, char *why, size_t size)
{
    const struct assertion *is = &w->guard->assertions[i].is;
    const char *text = w->guard->assertions[i].text, *name = is->metric->name;
    double window_s = (double)w->guard->window_ns / (double)NS_PER_S;
    if (!is->metric->count) {
        const struct histogram *h = latency_since(w, then);
        int64_t ns = histogram_at_ns(h, is->metric->share);
        if (histogram_count(h) < GUARD_LEAST || !assertion_breaks(is, (double)ns))
            return false;
        snprintf(why, size, "%s: %s is %.3f ms within %.4g s", text, name, (double)ns / 1e6,
                 window_s);
        return true;
    }
    uint64_t n = is->metric->count(w->account) - then->counts[i];
    uint64_t all = assertion_settled(w->account) - then->settled;
    double share = all > 0 ? (double)n / (double)all : 0;
    if ((is->is_share && all < GUARD_LEAST) ||
        !assertion_breaks(is, is->is_share ? share : (double)n))
        return false;
    snprintf(why, size, "%s: %s are %" PRIu64 " of %" PRIu64 " (%.2f%%) within %.4g s", text, name,
             n, all, share * 100, window_s);
    return true;
}

bool watch_tick(struct watch *w, int64_t now_ns, char *why, size_t size)
{
    if (w->due_ns == 0)
        watch_restart(w, now_ns);
    if (now_ns < w->due_ns)
        return false;
    w->due_ns = now_ns + w->guard->window_ns / GUARD_SLICES;
    const struct slice *oldest = &w->slices[w->n < GUARD_SLICES ? 0 : w->n % GUARD_SLICES];
    for (size_t i = 0; i < w->guard->n; i++)
        if (is_broken(w, i, oldest, why, size))
            return true;
    take(w, &w->slices[w->n++ % GUARD_SLICES]);
    return false;
}
