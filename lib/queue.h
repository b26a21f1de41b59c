/* SPDX-License-Identifier: MIT */
/* The queue in front of each output: many inputs put, one output takes. Bounded in messages and in
 * bytes. Taking is lock-free, and costs the two sides a cache line in common only once a batch;
 * eventfds wake whoever sleeps. */
#pragma once

#include "lib/base.h"
#include "lib/msg.h"

struct queue;

/* A single message larger than max_bytes is taken when the queue is empty, so that nothing is
 * stuck.
 */
MUST_CHECK int queue_new(struct queue **queuep, size_t max_msgs, size_t max_bytes);
/* Drops what is left. */
void queue_free(struct queue *q);

/* Takes the first of n messages, as many as there is room for, in their order; returns how many.
 * Those left stay the caller's. Does not wake the consumer, so that a batch costs one wake-up: call
 * queue_kick() after it. Costs a lock: put batches. Any thread. */
MUST_CHECK size_t queue_put(struct queue *q, const struct msg *const *msgs, size_t n);
/* Wakes the consumer if it sleeps. Any thread. */
void queue_kick(struct queue *q);
/* Waits until there may be room, cancel_fd is readable, or timeout_ms have passed. Any thread. */
void queue_wait_room(struct queue *q, int cancel_fd, int timeout_ms);

/* A reference for the caller, or NULL: empty. Consumer only. */
const struct msg *queue_take(struct queue *q);

/* The consumer's sleep: queue_arm() says that it will sleep on queue_fd(); if it returns false
 * there is work already, and it must not. queue_disarm() when it wakes. */
bool queue_arm(struct queue *q);
void queue_disarm(struct queue *q);
int queue_fd(const struct queue *q);

/* No more will be put: wakes the consumer. Any thread. */
void queue_close(struct queue *q);
/* Closed and empty. Consumer only. */
bool queue_is_done(struct queue *q);
/* Wakes the consumer without a message, so that it looks at its flags. Any thread; async-signal
 * safe. */
void queue_wake(struct queue *q);

size_t queue_msgs(const struct queue *q);
size_t queue_bytes(const struct queue *q);
