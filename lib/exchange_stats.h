/* SPDX-License-Identifier: MIT */
/* How the exchanges of one output went: over time, by status code and by route. Beside the ledger,
 * and only when a report was asked for. Written by the output's threads; read when they have ended.
 * All memory is bounded, whatever the targets are: about 20 MB with EXCHANGE_ROUTES routes.
 *
 * Time is cut into at most EXCHANGE_SLOTS slots of one width, which begins at 100 ms and doubles
 * whenever they do not suffice. What was wanted counts when it was due, what happened when it
 * happened. */
#pragma once

#include <pthread.h>

#include "lib/histogram.h"
#include "lib/msg.h"
#include "lib/route_template.h"

#define EXCHANGE_SLOTS 300
#define EXCHANGE_ROUTES 300 /* those that come after them are one: route 0 */
#define EXCHANGE_STATUSES 1000
#define EXCHANGE_INDEX 1024 /* a power of two, more than twice the routes */

struct exchange_slot {
    uint64_t wanted, sent, answered, failed;
    uint64_t status_4xx, status_5xx; /* of those answered */
    int64_t latency_sum_ns, latency_max_ns;
};

struct exchange_route {
    struct route_text name; /* empty: of all that have no route of their own */
    uint64_t requests; /* with a fate: answered, or failed */
    uint64_t failed;
    uint64_t classes[6]; /* answers by the first digit of their status; [0]: beyond 1 to 5 */
    struct histogram *latency; /* of the answers */
};

struct exchange_stats {
    int64_t start_ns; /* CLOCK_MONOTONIC: of slot 0 */
    int64_t width_ns;
    size_t n_slots; /* used; 0: nothing has happened */
    struct exchange_slot slots[EXCHANGE_SLOTS];
    uint64_t statuses[EXCHANGE_STATUSES]; /* [0]: beyond 999 */
    size_t n_routes; /* at least 1 */
    struct exchange_route routes[EXCHANGE_ROUTES + 1];
    /* --- inside --- */
    pthread_mutex_t lock; /* of writers */
    uint64_t seed;
    uint16_t index[EXCHANGE_INDEX]; /* into routes; 0: free */
};

MUST_CHECK int exchange_stats_new(struct exchange_stats **statsp);
void exchange_stats_free(struct exchange_stats *stats); /* NULL is fine */

/* The output has taken a request; due_ns: when it was due, 0: now. */
void exchange_wanted(struct exchange_stats *stats, int64_t due_ns, int64_t now_ns);
void exchange_sent(struct exchange_stats *stats, int64_t now_ns);
/* An answer came, be it the last one to its request or a redirect that is followed. */
void exchange_status(struct exchange_stats *stats, uint16_t status);
/* That is settled: answered, or failed. */
void exchange_answered(struct exchange_stats *stats, const struct msg *request, uint16_t status,
                       int64_t latency_ns, int64_t now_ns);
void exchange_failed(struct exchange_stats *stats, const struct msg *request, int64_t now_ns);
