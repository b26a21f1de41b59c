/* SPDX-License-Identifier: MIT */
#include "outputs/file_sync.h"

#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <unistd.h>

#include "lib/mem.h"

#define MAX_WAITING 64

struct file_sync {
    pthread_t thread; /* from the first descriptor on */
    bool running;
    pthread_mutex_t lock; /* of what follows */
    pthread_cond_t change;
    int fds[MAX_WAITING];
    size_t n;
    int fault;
    bool quit;
};

/* A pipe or a device has nothing to be brought to a disk: EINVAL. */
static int sync_one(int fd)
{
    int r = fsync(fd) == -1 && errno != EINVAL && errno != EROFS ? errno : 0;
    close(fd);
    return r;
}

static void *run(void *arg)
{
    struct file_sync *s = arg;
    pthread_mutex_lock(&s->lock);
    while (!s->quit || s->n > 0) {
        if (s->n == 0) {
            pthread_cond_wait(&s->change, &s->lock);
            continue;
        }
        int fd = s->fds[0];
        memmove(s->fds, s->fds + 1, --s->n * sizeof(s->fds[0]));
        pthread_cond_broadcast(&s->change);
        pthread_mutex_unlock(&s->lock);
        int fault = sync_one(fd);
        pthread_mutex_lock(&s->lock);
        s->fault = fault ? fault : s->fault;
    }
    pthread_mutex_unlock(&s->lock);
    mem_thread_flush();
    return NULL;
}

int file_sync_new(struct file_sync **sp)
{
    struct file_sync *s = mem_zalloc(MEM_IO, sizeof(*s));
    if (!s)
        return -ENOMEM;
    pthread_mutex_init(&s->lock, NULL);
    pthread_cond_init(&s->change, NULL);
    *sp = s;
    return 0;
}

void file_sync_free(struct file_sync *s)
{
    if (!s)
        return;
    pthread_mutex_lock(&s->lock);
    s->quit = true;
    pthread_cond_broadcast(&s->change);
    pthread_mutex_unlock(&s->lock);
    if (s->running)
        pthread_join(s->thread, NULL);
    pthread_cond_destroy(&s->change);
    pthread_mutex_destroy(&s->lock);
    mem_free(s);
}

void file_sync_add(struct file_sync *s, int fd)
{
    pthread_mutex_lock(&s->lock);
    if (!s->running)
        s->running = pthread_create(&s->thread, NULL, run, s) == 0;
    if (!s->running) {
        int fault = sync_one(fd);
        s->fault = fault ? fault : s->fault;
        pthread_mutex_unlock(&s->lock);
        return;
    }
    while (s->n == MAX_WAITING)
        pthread_cond_wait(&s->change, &s->lock);
    s->fds[s->n++] = fd;
    pthread_cond_broadcast(&s->change);
    pthread_mutex_unlock(&s->lock);
}

int file_sync_fault(struct file_sync *s)
{
    pthread_mutex_lock(&s->lock);
    int fault = s->fault;
    s->fault = 0;
    pthread_mutex_unlock(&s->lock);
    return fault;
}
