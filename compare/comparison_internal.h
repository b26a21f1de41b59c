/* SPDX-License-Identifier: MIT */
/* Shared by the files of struct comparison; nobody else includes this. */
#pragma once

#include <pthread.h>

#include "compare/comparison.h"
#include "compare/locations.h"
#include "lib/histogram.h"

#define STATUSES_MAX 256

/* A status that was recorded, and the one that was replayed. */
struct status_change {
    uint16_t from, to;
    uint64_t count;
};

struct comparison {
    pthread_mutex_t lock; /* of all but the histograms, which need none */
    uint64_t pairs, differing, status_changes, cut, learned;
    uint64_t
        early; /* pairs beyond the sets that are told apart, held to differ in more than noise */
    uint64_t lost[COMPARISON_LOSSES];
    bool without_recorded, on_offer;
    struct locations *locations;
    size_t n_statuses;
    struct status_change statuses[STATUSES_MAX];
    uint64_t statuses_others;
    struct histogram latency[2]; /* recorded, replayed; of pairs */
};

/* The lock must be held. */
bool comparison_is_noise(const struct comparison *comparison, const struct location *location);
/* All locations that have a count, in the order that they are shown in: indexes, as many as
 * returned. The lock must be held. */
size_t comparison_order(const struct comparison *comparison, size_t order[LOCATIONS_MAX + 1]);
/* The lock of what is otherwise const. */
void comparison_lock(const struct comparison *comparison);
void comparison_unlock(const struct comparison *comparison);
