/* SPDX-License-Identifier: MIT */
#include "outputs/http_worker.h"

#include <errno.h>
#include <pthread.h>

#include "lib/clock.h"
#include "lib/mem.h"
#include "lib/queue.h"
#include "outputs/http2_pool.h"

/* What may wait between the output's thread and this one, at most: enough to go on with while the
 * other wakes up. It is part of what the worker may hold; the pool holds the rest. */
#define QUEUE_MSGS 256
#define QUEUE_BYTES ((size_t)8 * MIB)
/* As the pipeline does it. */
#define POLL_EVERY 32
#define BUSY_POLL_MS 50
#define IDLE_POLL_MS 1000

struct http_worker {
    struct http_pool *pool; /* HTTP/1.1, or */
    struct http2_pool *pool2; /* HTTP/2 */
    /* --- with a thread of its own --- */
    struct queue *queue; /* NULL: it has none */
    const struct output *front; /* the output; what follows stands for it */
    struct output out;
    uint64_t taken; /* requests; counted by the output's thread */
    pthread_t thread;
    bool running;
    atomic_bool quit;
    atomic_int pause; /* enum output_pause: what is wanted */
    enum output_pause paused; /* and what is so, in its thread */
};

static size_t queue_share(const struct http_worker_config *config)
{
    size_t half = config->pool.work.max_held / 2;
    return half < 1 ? 1 : half < QUEUE_MSGS ? half : QUEUE_MSGS;
}

static int new_pool(struct http_worker *w, const struct http_worker_config *config)
{
    struct http_pool_config pool = config->pool;
    if (config->books) {
        if (pool.work.max_held > 1)
            pool.work.max_held -= queue_share(config);
        w->front = pool.work.out;
        w->out = (struct output){.ops = w->front->ops, .books = config->books};
        pool.work.out = &w->out;
        pool.conns.books = config->books;
    }
    if (!config->http2)
        return http_pool_new(&w->pool, &pool);
    const struct http2_pool_config pool2 = {
        .work = pool.work, .dial = pool.conns.dial, .max_conns = pool.conns.max};
    return http2_pool_new(&w->pool2, &pool2);
}

int http_worker_new(struct http_worker **workerp, const struct http_worker_config *config)
{
    struct http_worker *w = mem_zalloc(MEM_IO, sizeof(*w));
    if (!w)
        return -ENOMEM;
    int r = new_pool(w, config);
    if (r == 0 && config->books)
        r = queue_new(&w->queue, queue_share(config), QUEUE_BYTES);
    if (r < 0) {
        http_worker_free(w);
        return r;
    }
    *workerp = w;
    return 0;
}

void http_worker_free(struct http_worker *worker)
{
    if (!worker)
        return;
    http_worker_stop(worker);
    const struct msg *msg;
    while (worker->queue && (msg = queue_take(worker->queue)))
        output_settle(&worker->out, msg, BOOK_ABANDONED);
    http_pool_free(worker->pool);
    http2_pool_free(worker->pool2);
    queue_free(worker->queue);
    mem_free(worker);
}

/* --- in the thread where its pool lives --- */

static enum output_result put(struct http_worker *w, const struct msg *msg)
{
    return w->pool2 ? http2_pool_put(w->pool2, msg) : http_pool_put(w->pool, msg);
}

void http_worker_run(struct http_worker *w, int wake_fd, int timeout_ms)
{
    if (w->pool2) { /* libcurl sees to the times */
        http2_pool_run(w->pool2, wake_fd, timeout_ms);
        return;
    }
    int64_t due_ns = timeout_ms > 0 ? http_pool_due_ns(w->pool) : INT64_MAX;
    int64_t left_ns = due_ns == INT64_MAX ? INT64_MAX : due_ns - clock_mono_ns();
    if (left_ns <= 0)
        timeout_ms = 0;
    else if (left_ns < timeout_ms * NS_PER_MS) /* rounded up, or we would wake too early */
        timeout_ms = (int)((left_ns + NS_PER_MS - 1) / NS_PER_MS);
    http_pool_run(w->pool, wake_fd, timeout_ms);
}

static void idle(struct http_worker *w)
{
    if (!queue_arm(w->queue))
        return;
    http_worker_run(w, queue_fd(w->queue), IDLE_POLL_MS);
    queue_disarm(w->queue);
}

static void pause_pool(struct http_worker *w, enum output_pause how)
{
    if (w->pool2)
        http2_pool_pause(w->pool2, how);
    else
        http_pool_pause(w->pool, how);
}

static void look_at_pause(struct http_worker *w)
{
    int how = atomic_load_explicit(&w->pause, memory_order_relaxed);
    if (likely(how == (int)w->paused))
        return;
    w->paused = (enum output_pause)how;
    pause_pool(w, w->paused);
}

/* Takes msg. */
static void take(struct http_worker *w, const struct msg *msg)
{
    for (;;) {
        look_at_pause(w);
        if (w->paused == OUTPUT_LEAVE_OUT) {
            output_settle(&w->out, msg, BOOK_PAUSED);
            return;
        }
        if (put(w, msg) != OUTPUT_BUSY)
            break;
        if (atomic_load_explicit(&w->quit, memory_order_relaxed)) {
            output_settle(&w->out, msg, BOOK_ABANDONED);
            return;
        }
        http_worker_run(w, -1, BUSY_POLL_MS);
    }
    msg_unref(msg);
}

static void *run(void *arg)
{
    struct http_worker *w = arg;
    unsigned since_run = 0;
    while (!atomic_load_explicit(&w->quit, memory_order_relaxed)) {
        look_at_pause(w);
        const struct msg *msg = queue_take(w->queue);
        if (!msg) {
            idle(w);
            continue;
        }
        take(w, msg);
        if (++since_run >= POLL_EVERY) {
            http_worker_run(w, -1, 0);
            since_run = 0;
        }
    }
    mem_thread_flush();
    return NULL;
}

/* --- in the output's thread --- */

int http_worker_start(struct http_worker *w, struct sink *answers, struct err *err)
{
    if (!w->queue)
        return 0;
    w->out.answers = answers;
    w->out.answer_max = w->front->answer_max;
    w->out.answer_tells = w->front->answer_tells;
    w->out.number = w->front->number;
    int errnum = pthread_create(&w->thread, NULL, run, w);
    if (errnum != 0)
        return err_sys(err, errnum, "--%s: cannot start a thread", w->out.ops->option);
    w->running = true;
    return 0;
}

void http_worker_stop(struct http_worker *w)
{
    if (!w->running)
        return;
    atomic_store(&w->quit, true);
    queue_wake(w->queue);
    pthread_join(w->thread, NULL);
    w->running = false;
}

enum output_result http_worker_put(struct http_worker *w, const struct msg *msg)
{
    if (!w->queue)
        return put(w, msg);
    const struct msg *held = msg_ref(msg);
    if (queue_put(w->queue, &held, 1) == 0) {
        msg_unref(held);
        return OUTPUT_BUSY;
    }
    w->taken++;
    queue_kick(w->queue);
    return OUTPUT_TAKEN;
}

void http_worker_pause(struct http_worker *w, enum output_pause how)
{
    if (!w->queue) {
        pause_pool(w, how);
        return;
    }
    atomic_store(&w->pause, (int)how);
    queue_wake(w->queue);
}

void http_worker_wait_room(struct http_worker *w, int timeout_ms)
{
    queue_wait_room(w->queue, -1, timeout_ms);
}

uint64_t http_worker_held(const struct http_worker *w)
{
    const struct books *books = w->out.books;
    if (w->queue)
        return w->taken - book_get(books, BOOK_DELIVERED) - book_get(books, BOOK_FAILED) -
               book_get(books, BOOK_ABANDONED) - book_get(books, BOOK_PAUSED);
    return w->pool2 ? http2_pool_held(w->pool2) : http_pool_held(w->pool);
}
