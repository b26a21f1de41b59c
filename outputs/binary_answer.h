/* SPDX-License-Identifier: MIT */
/* The answer to a payload over a connection of any protocol: what comes back before the next
 * payload goes out. Nobody can tell where it ends, so it has ended when it has been silent for a
 * while. No sockets. Owned by the output's thread. */
#pragma once

#include "lib/base.h"
#include "lib/buf.h"
#include "lib/output.h"

/* Silence that ends an answer which has begun: more than lies between the segments of one, also
 * when the server was just not scheduled. */
#define BINARY_SILENCE_NS (50 * NS_PER_MS)

/* All zero: nothing is awaited. */
struct binary_answer {
    const struct msg *request; /* a reference; NULL: nothing is awaited */
    struct buf bytes;
    bool cut; /* there was more */
    int64_t sent_ns, first_ns, last_ns; /* CLOCK_MONOTONIC; 0: nothing has come */
    int64_t ts_ns; /* CLOCK_REALTIME of its first byte */
};

/* request was sent: its answer is awaited, of which max bytes are kept. Borrows request. */
void binary_answer_await(struct binary_answer *answer, const struct msg *request, size_t max,
                         int64_t now_ns);
/* Bytes that came. */
void binary_answer_add(struct binary_answer *answer, const uint8_t *bytes, size_t n);
/* CLOCK_MONOTONIC: when it ends unless more comes. timeout_ns: of one that has not begun. */
int64_t binary_answer_due_ns(const struct binary_answer *answer, int64_t timeout_ns);
/* It has ended, and is given on, if anything came. Also when nothing is awaited. */
void binary_answer_end(struct binary_answer *answer, struct output *out);
/* It is not given on. Also when nothing is awaited. */
void binary_answer_drop(struct binary_answer *answer);
