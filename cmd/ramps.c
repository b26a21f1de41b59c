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
    struct {
        struct watch *watch; /* NULL: nothing guards it */
        unsigned guarded; /* as of the item, when it was made */
    } watches[STEERED_MAX]; /* as the items */
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

/* What guards the item in that place now. */
static struct watch *watch_of(struct ramps *r, const struct steered *item)
{
    size_t i = (size_t)(item - r->steer->items);
    bool guarded = item->used && !item->leaves && item->guard.n > 0;
    if (r->watches[i].watch && (!guarded || r->watches[i].guarded != item->guarded)) {
        watch_free(r->watches[i].watch);
        r->watches[i].watch = NULL;
    }
    if (guarded && !r->watches[i].watch)
        r->watches[i].watch = watch_new(&item->guard, item->account);
    r->watches[i].guarded = item->guarded;
    return r->watches[i].watch;
}

static void step_up(struct ramps *r, struct steered *item, int64_t now_ns)
{
    struct watch *watch = watch_of(r, item);
    log_info(NULL, "%s: the ramp goes on to %.10g%%", item->name, ramp_percent(&item->ramp));
    steer_follow_ramp(r->steer, item);
    if (watch)
        watch_restart(watch, now_ns);
}

static void count(const struct steered *item, enum book book)
{
    if (item->books)
        book_one(item->books, book);
}

/* The target is not well. */
static void step_back(struct ramps *r, struct steered *item, const char *why)
{
    snprintf(item->why, sizeof(item->why), "%s", why);
    if (item->ramp.n > 0 && ramp_back(&item->ramp)) {
        log_warn(NULL, "%s: --guard %s: the ramp is back at %.10g%%, until refrain ctl resume",
                 item->name, why, ramp_percent(&item->ramp));
        count(item, BOOK_GUARD_BACK);
        steer_follow_ramp(r->steer, item);
        return;
    }
    log_warn(NULL, "%s: --guard %s: it is paused, until refrain ctl resume", item->name, why);
    count(item, BOOK_GUARD_PAUSED);
    steer_pause(r->steer, item, PAUSED_BY_GUARD);
}

static void tick_item(struct ramps *r, struct steered *item, int64_t now_ns)
{
    struct watch *watch = watch_of(r, item);
    char why[STEER_WHY_MAX];
    bool running = item->paused == 0;
    if (watch && !running)
        watch_restart(watch, now_ns);
    else if (watch && watch_tick(watch, now_ns, why, sizeof(why))) {
        step_back(r, item, why);
        watch_restart(watch, now_ns);
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
    for (struct steered *item = steer_next(r->steer, NULL); item; item = steer_next(r->steer, item))
        tick_item(r, item, now_ns);
    save(r, now_ns);
    r->tick_ns = now_ns + TICK_NS;
    return r->tick_ns;
}

static int watch_all(struct ramps *r, struct err *err)
{
    for (struct steered *item = steer_next(r->steer, NULL); item; item = steer_next(r->steer, item))
        if (item->guard.n > 0 && !watch_of(r, item))
            return err_sys(err, ENOMEM, "--guard");
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
        watch_free(r->watches[i].watch);
    mem_free(r);
}
