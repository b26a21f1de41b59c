/* SPDX-License-Identifier: MIT */
/* What --metrics-address and --metrics-file look at: the ledger's accounts with the names that
 * refrain ctl calls them by, and what else the figures are made from. Nothing is counted here. It
 * is read in any thread, under a lock that only reloads of --config take beside it: counters, dials
 * and queues are atomic, and what only the main thread knows (pauses, ramps) that one publishes
 * here with every turn of its loop. */
#pragma once

#include <pthread.h>
#include <stdatomic.h>

#include "cmd/steer.h"
#include "lib/options.h"
#include "lib/shed.h"

/* One account: of what is there, not of outputs that were removed. */
struct shown {
    enum account_kind kind;
    const struct account *account;
    const struct steered *item; /* of this, its dials and what never changes; NULL: it is none */
    char name[STEER_NAME_MAX]; /* no two of a kind are the same */
    /* published */
    atomic_uint paused; /* enum pause_reason */
    atomic_size_t step; /* of the ramp */
    atomic_bool held; /* the ramp is */
};

/* Borrowed, all of it. */
struct view_of {
    const struct pipeline *pipe;
    const struct ledger *ledger;
    const struct options *options;
    const struct steer *steer;
    const struct shed *shed; /* NULL: no limit */
};

struct view {
    struct view_of of;
    pthread_mutex_t lock; /* of what is shown, and what it points to: while it is read or changes */
    int64_t start_wall_ns;
    atomic_bool running; /* the pipeline's threads are there */
    atomic_int_fast64_t turned_ns; /* CLOCK_MONOTONIC: when the main loop last did */
    bool keeps_time; /* an input replays in time */
    size_t n;
    struct shown *shown;
};

/* NULL: no memory. Main thread. */
MUST_CHECK struct view *view_new(const struct view_of *of);
/* Around what the main thread does when outputs come or go: nobody looks meanwhile, and then at
 * what is there then. NULL is fine. */
void view_hold(struct view *view);
void view_release(struct view *view);
void view_free(struct view *view); /* NULL is fine */

/* The main loop turns: publishes what it knows. */
void view_turn(struct view *view, int64_t now_ns);

/* It captures or replays: it runs, is not draining, and neither all inputs nor all outputs are
 * paused. With the lock held. */
bool view_is_ready(const struct view *view);
/* The main loop has turned within VIEW_ALIVE_NS. */
#define VIEW_TURN_NS NS_PER_S /* it does so often, if nothing happens */
#define VIEW_ALIVE_NS (10 * NS_PER_S)
bool view_is_alive(const struct view *view, int64_t now_ns);
