/* SPDX-License-Identifier: MIT */
#include "outputs/pack_thread.h"

#include <errno.h>
#include <pthread.h>

#include "lib/mem.h"
#include "lib/msg.h"

#define MAX_PACKED (MSG_LEN_MAX + 64 * MIB)
/* Room that grew beyond this for one huge record is given back. */
#define KEEP_CAP (4 * MIB)

struct pack_thread {
    struct packer *packer;
    struct buf packed; /* the thread's while it is busy */
    struct span bytes;
    int result;
    bool running; /* the thread is there */
    pthread_t thread;
    pthread_mutex_t lock; /* of what follows */
    pthread_cond_t change;
    bool busy, quit;
};

int pack_thread_new(struct pack_thread **tp, enum pack_format format)
{
    struct pack_thread *t = mem_zalloc(MEM_IO, sizeof(*t));
    if (!t)
        return -ENOMEM;
    int r = packer_new(&t->packer, format, PACK_LEVEL_DEFAULT);
    if (r < 0) {
        mem_free(t);
        return r;
    }
    buf_init(&t->packed, MAX_PACKED);
    pthread_mutex_init(&t->lock, NULL);
    pthread_cond_init(&t->change, NULL);
    *tp = t;
    return 0;
}

static void pack(struct pack_thread *t)
{
    buf_consume(&t->packed, buf_span(&t->packed).len);
    if (t->packed.cap > KEEP_CAP)
        buf_fini(&t->packed);
    t->result = packer_pack(t->packer, t->bytes, &t->packed);
}

static void *run(void *arg)
{
    struct pack_thread *t = arg;
    pthread_mutex_lock(&t->lock);
    while (!t->quit) {
        if (!t->busy) {
            pthread_cond_wait(&t->change, &t->lock);
            continue;
        }
        pthread_mutex_unlock(&t->lock);
        pack(t);
        pthread_mutex_lock(&t->lock);
        t->busy = false;
        pthread_cond_broadcast(&t->change);
    }
    pthread_mutex_unlock(&t->lock);
    mem_thread_flush();
    return NULL;
}

static void set(struct pack_thread *t, bool *flag)
{
    pthread_mutex_lock(&t->lock);
    *flag = true;
    pthread_cond_broadcast(&t->change);
    pthread_mutex_unlock(&t->lock);
}

void pack_thread_start(struct pack_thread *t, struct span bytes, bool background)
{
    assert(!t->busy);
    t->bytes = bytes;
    if (background && !t->running)
        t->running = pthread_create(&t->thread, NULL, run, t) == 0;
    if (background && t->running)
        set(t, &t->busy);
    else
        pack(t); /* also when there can be no thread */
}

void pack_thread_drop(struct pack_thread *t)
{
    pthread_mutex_lock(&t->lock);
    while (t->busy)
        pthread_cond_wait(&t->change, &t->lock);
    pthread_mutex_unlock(&t->lock);
}

int pack_thread_collect(struct pack_thread *t, struct span *packed)
{
    pack_thread_drop(t);
    *packed = buf_span(&t->packed);
    return t->result;
}

void pack_thread_free(struct pack_thread *t)
{
    if (!t)
        return;
    pack_thread_drop(t);
    if (t->running) {
        set(t, &t->quit);
        pthread_join(t->thread, NULL);
    }
    pthread_cond_destroy(&t->change);
    pthread_mutex_destroy(&t->lock);
    packer_free(t->packer);
    buf_fini(&t->packed);
    mem_free(t);
}
