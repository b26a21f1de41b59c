/* SPDX-License-Identifier: MIT */
#include "outputs/http_lanes.h"

#include <errno.h>
#include <sys/queue.h>

#include "lib/mem.h"

struct held {
    const struct msg *msg;
    STAILQ_ENTRY(held) link; /* in its lane, or free */
};
STAILQ_HEAD(held_list, held);

struct http_lane {
    uint64_t conn;
    struct held_list held;
    struct http_lane *chain; /* next in its bucket */
    bool out;
    unsigned tries, hops; /* of its first message */
    TAILQ_ENTRY(http_lane) link; /* ready, or free */
};
TAILQ_HEAD(lane_list, http_lane);

struct http_lanes {
    size_t n_held, n_ready;
    bool paused;
    struct held_list free_held;
    struct lane_list free_lanes, ready;
    struct held *all_held;
    struct http_lane *all_lanes;
    struct http_lane **buckets;
    uint64_t mask;
};

int http_lanes_new(struct http_lanes **lanesp, size_t max)
{
    assert(max > 0);
    struct http_lanes *lanes = mem_zalloc(MEM_IO, sizeof(*lanes));
    if (!lanes)
        return -ENOMEM;
    size_t n_buckets = 1;
    while (n_buckets < max)
        n_buckets *= 2;
    lanes->mask = n_buckets - 1;
    lanes->all_held = mem_zalloc(MEM_IO, max * sizeof(*lanes->all_held));
    lanes->all_lanes = mem_zalloc(MEM_IO, max * sizeof(*lanes->all_lanes));
    lanes->buckets = mem_zalloc(MEM_IO, n_buckets * sizeof(struct http_lane *));
    if (!lanes->all_held || !lanes->all_lanes || !lanes->buckets) {
        http_lanes_free(lanes);
        return -ENOMEM;
    }
    STAILQ_INIT(&lanes->free_held);
    TAILQ_INIT(&lanes->free_lanes);
    TAILQ_INIT(&lanes->ready);
    for (size_t i = 0; i < max; i++) {
        STAILQ_INSERT_TAIL(&lanes->free_held, &lanes->all_held[i], link);
        TAILQ_INSERT_TAIL(&lanes->free_lanes, &lanes->all_lanes[i], link);
    }
    *lanesp = lanes;
    return 0;
}

void http_lanes_free(struct http_lanes *lanes)
{
    if (!lanes)
        return;
    assert(lanes->n_held == 0);
    mem_free(lanes->all_held);
    mem_free(lanes->all_lanes);
    mem_free(lanes->buckets);
    mem_free(lanes);
}

static void make_ready(struct http_lanes *lanes, struct http_lane *lane, bool front)
{
    if (front)
        TAILQ_INSERT_HEAD(&lanes->ready, lane, link);
    else
        TAILQ_INSERT_TAIL(&lanes->ready, lane, link);
    lane->out = false;
    lanes->n_ready++;
}

/* The lane of conn, made when there is none: there are as many as messages. */
static struct http_lane *lane_of(struct http_lanes *lanes, uint64_t conn)
{
    struct http_lane **bucket = &lanes->buckets[conn & lanes->mask];
    for (struct http_lane *lane = *bucket; lane; lane = lane->chain)
        if (lane->conn == conn)
            return lane;
    struct http_lane *lane = TAILQ_FIRST(&lanes->free_lanes);
    TAILQ_REMOVE(&lanes->free_lanes, lane, link);
    lane->conn = conn;
    lane->tries = lane->hops = 0;
    STAILQ_INIT(&lane->held);
    lane->chain = *bucket;
    *bucket = lane;
    make_ready(lanes, lane, false);
    return lane;
}

bool http_lanes_put(struct http_lanes *lanes, const struct msg *msg)
{
    struct held *held = STAILQ_FIRST(&lanes->free_held);
    if (!held)
        return false;
    STAILQ_REMOVE_HEAD(&lanes->free_held, link);
    struct http_lane *lane = lane_of(lanes, msg->conn);
    held->msg = msg_ref(msg);
    STAILQ_INSERT_TAIL(&lane->held, held, link);
    lanes->n_held++;
    return true;
}

size_t http_lanes_held(const struct http_lanes *lanes)
{
    return lanes->n_held;
}

size_t http_lanes_ready(const struct http_lanes *lanes)
{
    return lanes->paused ? 0 : lanes->n_ready;
}

void http_lanes_pause(struct http_lanes *lanes, bool paused)
{
    lanes->paused = paused;
}

struct http_lane *http_lanes_next(struct http_lanes *lanes)
{
    struct http_lane *lane = TAILQ_FIRST(&lanes->ready);
    if (!lane)
        return NULL;
    TAILQ_REMOVE(&lanes->ready, lane, link);
    lane->out = true;
    lanes->n_ready--;
    return lane;
}

struct http_lane *http_lanes_first(const struct http_lanes *lanes)
{
    return TAILQ_FIRST(&lanes->ready);
}

uint64_t http_lane_conn(const struct http_lane *lane)
{
    return lane->conn;
}

unsigned http_lane_try(struct http_lane *lane)
{
    return ++lane->tries;
}

unsigned http_lane_hops(const struct http_lane *lane)
{
    return lane->hops;
}

void http_lane_replace(struct http_lane *lane, const struct msg *msg)
{
    struct held *held = STAILQ_FIRST(&lane->held);
    msg_unref(held->msg);
    held->msg = msg;
    lane->hops++;
    lane->tries = 0;
}

const struct msg *http_lane_msg(const struct http_lane *lane)
{
    assert(!STAILQ_EMPTY(&lane->held));
    return STAILQ_FIRST(&lane->held)->msg;
}

const struct msg *http_lane_pop(struct http_lanes *lanes, struct http_lane *lane)
{
    assert(lane->out && !STAILQ_EMPTY(&lane->held));
    struct held *held = STAILQ_FIRST(&lane->held);
    STAILQ_REMOVE_HEAD(&lane->held, link);
    STAILQ_INSERT_HEAD(&lanes->free_held, held, link);
    lanes->n_held--;
    lane->tries = lane->hops = 0;
    return held->msg;
}

void http_lanes_back(struct http_lanes *lanes, struct http_lane *lane, bool front)
{
    assert(lane->out);
    if (!STAILQ_EMPTY(&lane->held)) {
        make_ready(lanes, lane, front);
        return;
    }
    struct http_lane **at = &lanes->buckets[lane->conn & lanes->mask];
    while (*at != lane)
        at = &(*at)->chain;
    *at = lane->chain;
    TAILQ_INSERT_HEAD(&lanes->free_lanes, lane, link);
}
