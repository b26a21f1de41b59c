/* SPDX-License-Identifier: MIT */
#include "lib/queue.h"

#include <ck_ring.h>
#include <errno.h>
#include <poll.h>
#include <stdatomic.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "lib/mem.h"

/* Room is announced to waiting producers when the queue is half empty, not at each message: a file
 * input and its output would otherwise switch threads once per message. */
struct queue {
    ck_ring_t ring;
    ck_ring_buffer_t *slots;
    size_t max_msgs, max_bytes;
    int work_fd, room_fd; /* eventfds */
    char line[64]; /* what both sides write lies apart from what they only read */
    atomic_size_t msgs;
    atomic_size_t bytes;
    atomic_bool sleeping; /* the consumer sleeps, or is about to */
    atomic_bool want_room; /* a producer waits, or is about to */
    atomic_bool closed;
};

/* The counters are changed before putting and after taking, so they order the two sides by
 * themselves (tests/tsan.supp says why that matters). */
static bool ring_put(struct queue *q, const struct msg *msg)
{
    return ck_ring_enqueue_mpmc(&q->ring, q->slots, msg);
}

static const struct msg *ring_take(struct queue *q)
{
    const struct msg *msg = NULL;
    return ck_ring_dequeue_mpmc(&q->ring, q->slots, &msg) ? msg : NULL;
}

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
    while (slots <= max_msgs) /* a ck_ring of n slots holds n - 1 */
        slots *= 2;
    struct queue *q = mem_zalloc(MEM_OTHER, sizeof(*q));
    if (!q)
        return -ENOMEM;
    q->max_msgs = max_msgs;
    q->max_bytes = max_bytes;
    q->slots = mem_zalloc(MEM_OTHER, slots * sizeof(*q->slots));
    q->work_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    q->room_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (!q->slots || q->work_fd == -1 || q->room_fd == -1) {
        queue_free(q);
        return -ENOMEM;
    }
    ck_ring_init(&q->ring, (unsigned)slots);
    *queuep = q;
    return 0;
}

void queue_free(struct queue *q)
{
    if (!q)
        return;
    if (q->slots)
        for (const struct msg *msg = ring_take(q); msg; msg = ring_take(q))
            msg_unref(msg);
    mem_free(q->slots);
    if (q->work_fd > 0)
        close(q->work_fd);
    if (q->room_fd > 0)
        close(q->room_fd);
    mem_free(q);
}

bool queue_try_put(struct queue *q, const struct msg *msg)
{
    size_t cost = msg_cost(msg);
    size_t msgs = atomic_fetch_add(&q->msgs, 1);
    size_t bytes = atomic_fetch_add(&q->bytes, cost);
    bool fits = msgs < q->max_msgs && (msgs == 0 || bytes + cost <= q->max_bytes);
    if (!fits || !ring_put(q, msg)) {
        atomic_fetch_sub(&q->bytes, cost);
        atomic_fetch_sub(&q->msgs, 1);
        return false;
    }
    return true;
}

void queue_kick(struct queue *q)
{
    /* msgs was raised before: a consumer that armed without seeing it is seen sleeping here */
    if (atomic_load(&q->sleeping) && atomic_exchange(&q->sleeping, false))
        signal_fd(q->work_fd);
}

static bool has_room(const struct queue *q)
{
    return atomic_load(&q->msgs) <= q->max_msgs / 2 && atomic_load(&q->bytes) <= q->max_bytes / 2;
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

const struct msg *queue_take(struct queue *q)
{
    const struct msg *msg = ring_take(q);
    if (!msg)
        return NULL;
    atomic_fetch_sub(&q->msgs, 1);
    atomic_fetch_sub(&q->bytes, msg_cost(msg));
    if (atomic_load(&q->want_room) && has_room(q) && atomic_exchange(&q->want_room, false))
        signal_fd(q->room_fd);
    return msg;
}

bool queue_arm(struct queue *q)
{
    atomic_store(&q->sleeping, true);
    if (atomic_load(&q->msgs) == 0 && !atomic_load(&q->closed))
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
    return atomic_load(&q->closed) && atomic_load(&q->msgs) == 0;
}

void queue_wake(struct queue *q)
{
    signal_fd(q->work_fd);
}

size_t queue_msgs(const struct queue *q)
{
    return atomic_load(&q->msgs);
}

size_t queue_bytes(const struct queue *q)
{
    return atomic_load(&q->bytes);
}
