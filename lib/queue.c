/* SPDX-License-Identifier: MIT */
#include "lib/queue.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "lib/mem.h"

#define CACHE_LINE 64
/* Bytes of a message: most are not much longer, and of those that are the cache sees a row. */
#define FETCH_AHEAD 768

/* A ring of which producers own the tail, one at a time, and the consumer the head: each side
 * writes only its own line, and reads the other's once a batch. put and taken count messages, and
 * only go up; the slot of number n is n & mask.
 *
 * Room is announced to waiting producers when the queue is half empty, not at each message: a file
 * input and its output would otherwise switch threads once per message. */
struct queue {
    const struct msg **slots;
    size_t mask, max_msgs, max_bytes;
    int work_fd, room_fd; /* eventfds */
    char apart1[CACHE_LINE];
    /* the producers' */
    pthread_mutex_t lock; /* taken once a batch */
    atomic_size_t put, put_bytes;
    char apart2[CACHE_LINE];
    /* the consumer's */
    atomic_size_t taken, taken_bytes;
    size_t known; /* put, when it last looked */
    char apart3[CACHE_LINE];
    /* what both look at often, and seldom write */
    atomic_bool sleeping; /* the consumer sleeps, or is about to */
    atomic_bool want_room; /* a producer waits, or is about to */
    atomic_bool closed;
};

static void signal_fd(int fd)
{
    uint64_t one = 1;
    ssize_t n = write(fd, &one, sizeof(one));
    (void)n; /* EAGAIN: it is readable already */
}

static void drain_fd(int fd)
{
    uint64_t count;
    ssize_t n = read(fd, &count, sizeof(count));
    (void)n;
}

int queue_new(struct queue **queuep, size_t max_msgs, size_t max_bytes)
{
    size_t slots = 4;
    while (slots < max_msgs)
        slots *= 2;
    struct queue *q = mem_zalloc(MEM_OTHER, sizeof(*q));
    if (!q)
        return -ENOMEM;
    pthread_mutex_init(&q->lock, NULL);
    q->mask = slots - 1;
    q->max_msgs = max_msgs;
    q->max_bytes = max_bytes;
    q->slots = mem_alloc(MEM_OTHER, slots * sizeof(const struct msg *));
    q->work_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    q->room_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (!q->slots || q->work_fd == -1 || q->room_fd == -1) {
        queue_free(q);
        return -ENOMEM;
    }
    *queuep = q;
    return 0;
}

void queue_free(struct queue *q)
{
    if (!q)
        return;
    if (q->slots)
        for (const struct msg *msg = queue_take(q); msg; msg = queue_take(q))
            msg_unref(msg);
    mem_free(q->slots);
    if (q->work_fd > 0)
        close(q->work_fd);
    if (q->room_fd > 0)
        close(q->room_fd);
    pthread_mutex_destroy(&q->lock);
    mem_free(q);
}

size_t queue_put(struct queue *q, const struct msg *const *msgs, size_t n)
{
    size_t done = 0;
    pthread_mutex_lock(&q->lock);
    size_t put = atomic_load_explicit(&q->put, memory_order_relaxed);
    size_t bytes = atomic_load_explicit(&q->put_bytes, memory_order_relaxed);
    size_t used = put - atomic_load_explicit(&q->taken, memory_order_acquire);
    size_t used_bytes = bytes - atomic_load_explicit(&q->taken_bytes, memory_order_relaxed);
    for (; done < n && used < q->max_msgs; done++, used++) {
        size_t cost = msg_cost(msgs[done]);
        if (used > 0 && used_bytes + cost > q->max_bytes)
            break;
        q->slots[(put + done) & q->mask] = msgs[done];
        used_bytes += cost;
        bytes += cost;
    }
    atomic_store_explicit(&q->put_bytes, bytes, memory_order_relaxed);
    atomic_store(&q->put, put + done); /* in one order with sleeping: see queue_kick() */
    pthread_mutex_unlock(&q->lock);
    return done;
}

void queue_kick(struct queue *q)
{
    /* put was raised before: a consumer that armed without seeing it is seen sleeping here */
    if (atomic_load(&q->sleeping) && atomic_exchange(&q->sleeping, false))
        signal_fd(q->work_fd);
}

/* In this order, so that what is taken meanwhile makes it too many, and never negative. */
static size_t msgs_in(const struct queue *q)
{
    size_t taken = atomic_load(&q->taken);
    return atomic_load(&q->put) - taken;
}

static size_t bytes_in(const struct queue *q)
{
    size_t taken = atomic_load(&q->taken_bytes);
    return atomic_load(&q->put_bytes) - taken;
}

static bool has_room(const struct queue *q)
{
    return msgs_in(q) <= q->max_msgs / 2 && bytes_in(q) <= q->max_bytes / 2;
}

void queue_wait_room(struct queue *q, int cancel_fd, int timeout_ms)
{
    atomic_store(&q->want_room, true);
    if (has_room(q))
        return;
    struct pollfd fds[] = {{.fd = q->room_fd, .events = POLLIN},
                           {.fd = cancel_fd, .events = POLLIN}};
    poll(fds, ARRAY_LEN(fds), timeout_ms);
    if (fds[0].revents)
        drain_fd(q->room_fd);
}

static void tell_room(struct queue *q)
{
    if (atomic_load(&q->want_room) && has_room(q) && atomic_exchange(&q->want_room, false))
        signal_fd(q->room_fd);
}

/* Messages lie in the cache of the thread that made them: while one is worked on, those behind it
 * come. Of the one after it the beginning, so that the next call knows where its payload lies. */
static void fetch_ahead(const struct queue *q, size_t taken)
{
    size_t left = q->known - taken;
    if (left > 2)
        __builtin_prefetch(q->slots[(taken + 2) & q->mask]);
    if (left < 2)
        return;
    const char *next = (const char *)q->slots[(taken + 1) & q->mask];
    for (size_t at = CACHE_LINE; at < FETCH_AHEAD; at += CACHE_LINE)
        __builtin_prefetch(next + at);
}

const struct msg *queue_take(struct queue *q)
{
    size_t taken = atomic_load_explicit(&q->taken, memory_order_relaxed);
    if (taken == q->known) {
        q->known = atomic_load_explicit(&q->put, memory_order_acquire);
        if (taken == q->known)
            return NULL;
    }
    const struct msg *msg = q->slots[taken & q->mask];
    fetch_ahead(q, taken);
    size_t bytes = atomic_load_explicit(&q->taken_bytes, memory_order_relaxed) + msg_cost(msg);
    atomic_store_explicit(&q->taken_bytes, bytes, memory_order_relaxed);
    atomic_store_explicit(&q->taken, taken + 1, memory_order_release);
    /* who asks for room just now is seen by the next call, or by queue_arm() */
    if (unlikely(atomic_load_explicit(&q->want_room, memory_order_relaxed)))
        tell_room(q);
    return msg;
}

bool queue_arm(struct queue *q)
{
    size_t taken = atomic_load_explicit(&q->taken, memory_order_relaxed);
    atomic_store(&q->taken, taken); /* in one order with want_room */
    tell_room(q);
    atomic_store(&q->sleeping, true);
    if (msgs_in(q) == 0 && !atomic_load(&q->closed))
        return true;
    atomic_store(&q->sleeping, false);
    return false;
}

void queue_disarm(struct queue *q)
{
    atomic_store(&q->sleeping, false);
    drain_fd(q->work_fd);
}

int queue_fd(const struct queue *q)
{
    return q->work_fd;
}

void queue_close(struct queue *q)
{
    atomic_store(&q->closed, true);
    signal_fd(q->work_fd);
}

bool queue_is_done(struct queue *q)
{
    return unlikely(atomic_load_explicit(&q->closed, memory_order_acquire)) && msgs_in(q) == 0;
}

void queue_wake(struct queue *q)
{
    signal_fd(q->work_fd);
}

size_t queue_msgs(const struct queue *q)
{
    return msgs_in(q);
}

size_t queue_bytes(const struct queue *q)
{
    return bytes_in(q);
}
