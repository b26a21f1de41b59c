/* SPDX-License-Identifier: MIT */
#include "cmd/ramps.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "cmd/state_file.h"
#include "lib/clock.h"
#include "lib/log.h"
#include "lib/mem.h"

#define TICK_NS (100 * NS_PER_MS)
#define SAVE_NS (60 * NS_PER_S) /* how much of a step's time a kill may cost */

struct ramps {
    struct steer *steer;
    const char *path; /* of the state; "": none */
    unsigned saved; /* as of steer.changes */
    int64_t save_ns, tick_ns; /* when to do it again */
    bool told; /* that it cannot be written */
    struct watch *watches[STEERED_MAX]; /* of the guarded ones */
    struct books *books[STEERED_MAX]; /* of them, for what the guard does */
};

static void save(struct ramps *r, int64_t now_ns)
{
    struct err err;
    bool changed = r->saved != r->steer->changes;
    if (!r->path[0] || (!changed && now_ns < r->save_ns))
        return;
    r->save_ns = now_ns + SAVE_NS;
    if (state_file_write(r->path, r->steer, changed, &err) == 0) {
        r->saved = r->steer->changes;
        r->told = false;
    } else if (!r->told) {
        r->told = true;
        log_warn(NULL, "%s", err.text);
    }
}

static void step_up(struct ramps *r, struct steered *item, int64_t now_ns)
{
    size_t i = (size_t)(item - r->steer->items);
    log_info(NULL, "%s: the ramp goes on to %.10g%%", item->name, ramp_percent(&item->ramp));
    steer_follow_ramp(r->steer, item);
    if (r->watches[i])
        watch_restart(r->watches[i], now_ns);
}

/* The target is not well. */
static void step_back(struct ramps *r, struct steered *item, const char *why)
{
    struct books *books = r->books[item - r->steer->items];
    snprintf(item->why, sizeof(item->why), "%s", why);
    if (item->ramp.n > 0 && ramp_back(&item->ramp)) {
        log_warn(NULL, "%s: --guard %s: the ramp is back at %.10g%%, until refrain ctl resume",
                 item->name, why, ramp_percent(&item->ramp));
        book_one(books, BOOK_GUARD_BACK);
        steer_follow_ramp(r->steer, item);
        return;
    }
    log_warn(NULL, "%s: --guard %s: it is paused, until refrain ctl resume", item->name, why);
    book_one(books, BOOK_GUARD_PAUSED);
    steer_pause(r->steer, item, PAUSED_BY_GUARD);
}

static void tick_item(struct ramps *r, size_t i, int64_t now_ns)
{
    struct steered *item = &r->steer->items[i];
    char why[STEER_WHY_MAX];
    bool running = item->paused == 0;
    if (r->watches[i] && !running)
        watch_restart(r->watches[i], now_ns);
    else if (r->watches[i] && watch_tick(r->watches[i], now_ns, why, sizeof(why))) {
        step_back(r, item, why);
        watch_restart(r->watches[i], now_ns);
        running = item->paused == 0;
    }
    if (item->ramp.n > 0 && ramp_tick(&item->ramp, running, now_ns))
        step_up(r, item, now_ns);
}

int64_t ramps_tick(struct ramps *r, int64_t now_ns)
{
    if (!r)
        return INT64_MAX;
    if (now_ns < r->tick_ns)
        return r->tick_ns;
    for (size_t i = 0; i < r->steer->n; i++)
        tick_item(r, i, now_ns);
    save(r, now_ns);
    r->tick_ns = now_ns + TICK_NS;
    return r->tick_ns;
}

static int watch_all(struct ramps *r, struct err *err)
{
    for (size_t i = 0; i < r->steer->n; i++) {
        struct steered *item = &r->steer->items[i];
        if (item->guard.n == 0)
            continue;
        r->watches[i] = watch_new(&item->guard, item->account);
        r->books[i] = account_page(item->account);
        if (!r->watches[i] || !r->books[i])
            return err_sys(err, ENOMEM, "--guard");
    }
    return 0;
}

int ramps_open(struct ramps **rampsp, struct steer *steer, const struct options *options,
               struct err *err)
{
    if (!steer->turns)
        return 0;
    struct ramps *r = mem_zalloc(MEM_OTHER, sizeof(*r));
    if (!r)
        return err_sys(err, ENOMEM, "start");
    r->steer = steer;
    r->path = options_string(options, "state");
    int rc = watch_all(r, err);
    if (rc == 0 && r->path[0])
        rc = state_file_read(r->path, steer, err);
    if (rc < 0) {
        r->path = ""; /* what could not be read is not replaced */
        ramps_close(r);
        return rc;
    }
    r->saved = steer->changes - 1;
    *rampsp = r;
    return 0;
}

void ramps_close(struct ramps *r)
{
    if (!r)
        return;
    r->save_ns = 0;
    save(r, clock_mono_ns());
    for (size_t i = 0; i < STEERED_MAX; i++)
        watch_free(r->watches[i]);
    mem_free(r);
}
