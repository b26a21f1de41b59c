/* SPDX-License-Identifier: MIT */
/* What refrain stat counts: in constant memory, however long the recording is. Owned by one
 * thread. */
#pragma once

#include "lib/histogram.h"
#include "lib/msg.h"

/* How often each of many words came: the first SUMS_WORDS different ones; what is beyond is one
 * sum. */
#define SUMS_WORDS 4096
#define SUMS_WORD_MAX 256 /* longer ones are cut */

struct word_count {
    char *word; /* SUMS_WORD_MAX at most, not terminated */
    size_t len;
    uint64_t n;
};

struct words {
    struct word_count *slots; /* a hash table */
    size_t n;
    uint64_t others; /* those that found no place */
};

struct sums {
    uint64_t requests, responses, replayed, other_types;
    uint64_t not_http, without_time;
    uint64_t request_bytes, response_bytes; /* of payload; of all but requests */
    int64_t first_ns, last_ns; /* INT64_MAX, INT64_MIN: no record has a time */
    uint64_t peak; /* most requests in one second */
    int64_t peak_s; /* that second, since the epoch */
    struct words methods, hosts;
    uint64_t statuses[1000];
    struct histogram request_sizes, response_sizes; /* bytes in place of ns */
    struct histogram latencies; /* of recorded responses */
    struct second {
        int64_t s;
        uint64_t n;
    } seconds[256]; /* the latest, so that records may be out of order by so much */
};

/* NULL: no memory. */
MUST_CHECK struct sums *sums_new(void);
void sums_free(struct sums *sums);
/* 0 or -ENOMEM; borrows msg. */
MUST_CHECK int sums_add(struct sums *sums, const struct msg *msg);

/* The most frequent first, in the order of the words among equals; room for SUMS_WORDS. Returns how
 * many they are. */
size_t words_sorted(const struct words *words, const struct word_count **out);
