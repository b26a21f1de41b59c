/* SPDX-License-Identifier: MIT */
/* The fan-out: from an input's thread into the queues of the outputs, and into the books. */
#include <stdio.h>
#include <string.h>

#include "lib/hash.h"
#include "lib/pipeline_internal.h"

#define ROOM_WAIT_MS 100

/* As many as there is room for. True: all. */
static bool hand_over(struct lane *lane, size_t i)
{
    struct feed *feed = &lane->feeds[i];
    size_t done = feed->n > 0 ? queue_put(lane->exits[i]->queue, feed->msgs, feed->n) : 0;
    feed->n -= (unsigned)done;
    if (feed->n == 0) {
        feed->bytes = 0;
        return true;
    }
    memmove(feed->msgs, feed->msgs + done, feed->n * sizeof(const struct msg *));
    return false;
}

/* Those that found no room have their fate. */
static void drop(struct lane *lane, size_t i, enum book fate)
{
    struct feed *feed = &lane->feeds[i];
    for (unsigned n = 0; n < feed->n; n++) {
        book_one(lane->pages[i], fate);
        if (fate == BOOK_ABANDONED)
            receipt_abandon(feed->msgs[n]->receipt);
        msg_unref(feed->msgs[n]);
    }
    feed->n = 0;
    feed->bytes = 0;
}

/* Hands over what all have, as far as there is room, and wakes them. */
static void feed_all(struct lane *lane)
{
    for (uint32_t fed = lane->fed; fed != 0; fed &= fed - 1) {
        size_t i = (size_t)__builtin_ctz(fed);
        (void)hand_over(lane, i);
        queue_kick(lane->exits[i]->queue);
    }
}

/* While there is no room the others get what they have. */
void lane_empty_feed(struct lane *lane, size_t i)
{
    struct pipeline *pipe = lane->pipe;
    while (!hand_over(lane, i)) {
        if (!lane->waits || lane->exits[i]->ops->documents) {
            drop(lane, i, BOOK_DROPPED);
            return;
        }
        /* the output's thread decides when to give up; here only the end of all waiting counts */
        if (pipeline_gave_up(pipe, lane->leg, INT64_MAX) || exit_lane_is_overdue(lane->exits[i])) {
            drop(lane, i, BOOK_ABANDONED);
            return;
        }
        feed_all(lane);
        queue_wait_room(lane->exits[i]->queue, pipe->give_up_fd, ROOM_WAIT_MS);
    }
}

void lane_kick(struct lane *lane)
{
    for (; lane->fed != 0; lane->fed &= lane->fed - 1) {
        size_t i = (size_t)__builtin_ctz(lane->fed);
        lane_empty_feed(lane, i);
        queue_kick(lane->exits[i]->queue);
    }
}

void lane_kick_sink(struct sink *sink)
{
    lane_kick(container_of(sink, struct lane, sink));
}

/* To an output for which no other thread is needed. */
static void write_at_once(struct lane *lane, size_t i, const struct msg *msg)
{
    const struct exit_lane *exit = lane->exits[i];
    enum output_result r = exit->ops->write(exit->out, msg);
    assert(r == OUTPUT_DONE);
    (void)r;
    book_one(lane->pages[i], BOOK_DELIVERED);
    book_add(lane->pages[i], BOOK_DELIVERED_BYTES, msg->len);
}

static void put_into(struct lane *lane, size_t i, const struct msg *msg)
{
    struct feed *feed = &lane->feeds[i];
    if (lane->exits[i]->at_once && lane->exits[i]->out && msg->due_ns == 0) {
        write_at_once(lane, i, msg);
        return;
    }
    feed->msgs[feed->n++] = msg_ref(msg);
    feed->bytes += msg_cost(msg);
    lane->fed |= UINT32_C(1) << i;
    if (likely(feed->n < feed->max && feed->bytes < feed->max_bytes))
        return;
    bool is_large = feed->bytes >= feed->max_bytes;
    lane_empty_feed(lane, i);
    if (is_large) /* so that it is taken, and its memory comes back, before the cache forgets it */
        queue_kick(lane->exits[i]->queue);
}

/* Further copies of a request ("|x3") are requests of their own: each has an id of its own, made
 * from the first one's. NULL: no memory. */
static struct msg *copy_of(const struct msg *msg, unsigned n)
{
    struct msg *copy = msg_like(msg, msg->len);
    char id[MSG_ID_MAX + 1];
    if (!copy)
        return NULL;
    memcpy(copy->bytes, msg->bytes, msg->len);
    copy->len = msg->len;
    /* the last 8 digits are replaced, so that the connection can still be read from the first */
    int kept = msg->id_len > 8 ? msg->id_len - 8 : 0;
    uint64_t mixed = hash_mix(hash64(msg->id, msg->id_len, 0), n);
    int len = snprintf(id, sizeof(id), "%.*s%08x", kept, msg->id, (unsigned)(mixed & UINT32_MAX));
    bool fits = msg_set_id(copy, span_of(id, (size_t)len));
    assert(fits);
    (void)fits;
    return copy;
}

/* Answers to them go where those to the first one go. */
static void put_copies(struct lane *lane, size_t i, const struct msg *msg, uint64_t fates)
{
    unsigned copies = lane->way->copies[i];
    for (unsigned n = 1; n < copies; n++) {
        struct msg *copy = copy_of(msg, n);
        book_one(lane->pages[i], BOOK_SEEN);
        if (!copy) {
            book_one(lane->pages[i], BOOK_FAILED);
            continue;
        }
        if (lane->way->shares)
            shared_fates_put(lane->pipe, msg_id(copy), fates);
        put_into(lane, i, copy);
        msg_unref(copy);
    }
}

void lane_deliver(struct lane *lane, const struct msg *msg, const struct msg *changed,
                  uint64_t fates, uint32_t skip)
{
    static const enum book books[] = {
        [ROUTE_FILTERED] = BOOK_FILTERED,
        [ROUTE_SAMPLED] = BOOK_SAMPLED,
        [ROUTE_SPLIT] = BOOK_SPLIT,
        [ROUTE_PAUSED] = BOOK_PAUSED,
    };
    bool request = msg->type == MSG_REQUEST;
    for (uint32_t left = ALL_OUTPUTS & ~skip; left != 0; left &= left - 1) {
        size_t i = (size_t)__builtin_ctz(left);
        enum route_fate fate = route_fate_at(fates, i);
        book_one(lane->pages[i], BOOK_SEEN);
        if (fate != ROUTE_TAKEN) {
            book_one(lane->pages[i], books[fate]);
        } else if (lane->exits[i]->ops->requests_only && !request) {
            book_one(lane->pages[i], BOOK_SKIPPED);
        } else if (!changed) {
            book_one(lane->pages[i], BOOK_FAILED);
        } else {
            put_into(lane, i, changed);
            if (unlikely(request && lane->way->copies[i] > 1))
                put_copies(lane, i, changed, fates);
        }
    }
}
