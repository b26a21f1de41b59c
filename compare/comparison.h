/* SPDX-License-Identifier: MIT */
/* What came out of comparing answers: how many pairs, how they differ, and what of that is noise.
 *
 * A pair is an answer that was replayed and what it is held against: the recorded response to the
 * same request, or, when the recording holds no responses, the answer of the baseline
 * (--compare-with). A difference has a location and a kind (compare/difference.h). Noise is what
 * differs between two answers of which nobody expects a difference: recorded and baseline, or, when
 * the baseline is the target itself, its two answers. A location is noise when such pairs differ
 * there at least half as often as the others do. Since that is known at the end only, each figure
 * that depends on it is worked out when it is asked for, from the sets of locations that came
 * together.
 *
 * One thread adds; any may ask. */
#pragma once

#include <jansson.h>

#include "compare/answer_diff.h"
#include "lib/msg.h"

struct comparison;

MUST_CHECK int comparison_new(struct comparison **comparisonp);
/* NULL is fine. */
void comparison_free(struct comparison *comparison);

/* --- adding --- */

struct pair {
    const struct msg *request; /* NULL: not known */
    const struct msg *wanted; /* recorded, or the baseline's answer */
    const struct msg *got; /* replayed */
};

/* Compares, and counts. Returns true when the status changed. */
bool comparison_add(struct comparison *comparison, struct answer_diff *diff,
                    const struct pair *pair);
/* Two answers to one request that should be equal: where they differ is noise. */
void comparison_learn(struct comparison *comparison, struct answer_diff *diff,
                      const struct pair *pair);

/* What was not compared. */
enum comparison_loss {
    LOSS_UNANSWERED = 0, /* recorded responses without an answer */
    LOSS_UNRECORDED = 1, /* answers without a recorded response */
    LOSS_CROWDED =
        2, /* of both: those whose counterpart may have come when there was no room left */
    COMPARISON_LOSSES
};
void comparison_lose(struct comparison *comparison, enum comparison_loss loss);
/* From now on pairs are held against the baseline, as the recording holds no responses. */
void comparison_without_recorded(struct comparison *comparison);

/* Nobody asked for it by name: there is nothing to tell until there is something to compare. */
void comparison_on_offer(struct comparison *comparison);

/* --- asking --- */

/* Is there anything to tell? */
bool comparison_tells(const struct comparison *comparison);

struct comparison_totals {
    uint64_t pairs;
    uint64_t different; /* in more than noise */
    uint64_t only_noise; /* the rest of those that are not equal */
    uint64_t equal;
    uint64_t status_changes; /* pairs */
    uint64_t cut; /* pairs of which only a part could be compared */
    uint64_t learned; /* pairs from which noise is known */
    uint64_t lost[COMPARISON_LOSSES];
    bool without_recorded;
};
struct comparison_totals comparison_totals(const struct comparison *comparison);

/* How many locations are shown, where not all are; the most frequent first, noise last. */
struct shown_location {
    uint64_t count, noise;
    enum difference_kind kind;
    bool is_noise;
    char name[LOCATION_MAX];
};
/* Fills at most max; returns how many there are in all. */
size_t comparison_locations(const struct comparison *comparison, struct shown_location *out,
                            size_t max);

/* All of it; the caller's reference, NULL: no memory. Times are in seconds.
 *
 * {"pairs": 1000, "equal": 900, "only_noise": 90, "different": 10, "different_share": 0.01,
 *  "against": "recorded" | "baseline",
 *  "cut": 0, "learned_from": 1000,                  // pairs that noise was learned from
 *  "recorded_without_answer": 0, "answer_without_recorded": 0, "crowded": 0,
 *  "status_changes": 3,
 *  "statuses": [{"recorded": 200, "replayed": 500, "count": 3}, ...],  // equal ones too; the most
 *                                                   // frequent first; "recorded" is the baseline's
 *                                                   // where that is what is compared with
 *  "statuses_others": 0,                            // pairs beyond the 256 combinations told
 *  "latency": {"recorded": {"count": 990, "p50_s": 0.001, "p90_s": ..., "p95_s": ..., "p99_s": ...,
 *                           "p99.9_s": ..., "max_s": ...},        // of pairs; only "count" when 0
 *              "replayed": {...}},                  // from the request to the answer's first byte
 *  "locations": [                                   // the most frequent first, noise last
 *    {"location": "body:$.items[*].price",          // "status", "header:NAME", "body",
 *                                                   // "body:$...", "(others)"
 *     "kind": "changed" | "type" | "missing" | "added",
 *     "count": 10,                                  // pairs
 *     "share": 0.01,                                // of all pairs
 *     "noise_count": 0, "noise_share": 0.0,         // of those that noise was learned from
 *     "noise": false,
 *     "example": {"id": "...", "request": "GET /a", "recorded": "1", "replayed": "2"}}]}
 *                                                   // may be missing; control bytes are \xNN,
 *                                                   // values are cut at 120 bytes */
json_t *comparison_json(const struct comparison *comparison);
