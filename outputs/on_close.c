/* SPDX-License-Identifier: MIT */
#include "outputs/on_close.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

#include "lib/log.h"
#include "lib/mem.h"
#include "outputs/runner.h"

#define MAX_WAITING 10000
#define STEP_MS 20 /* after which it looks whether it is to end */
#define TAG "output-file-on-close"

struct closed_file {
    struct closed_file *next;
    char path[];
};

struct on_close {
    struct runner runner; /* the thread's */
    pthread_t thread;
    pthread_mutex_t lock; /* of what follows */
    pthread_cond_t change;
    struct closed_file *first, **last;
    size_t n; /* with the one that runs */
    uint64_t failed;
    bool quit;
};

/* Those that no output has taken yet. Main thread. */
static struct prepared {
    struct prepared *next;
    struct runner runner;
} * prepared;

/* "gzip {}" becomes 'gzip "$1"'. */
static char *make_script(const char *command)
{
    static const char name[] = " \"$1\"";
    size_t len = strlen(command), n = 0;
    for (const char *p = strstr(command, "{}"); p; p = strstr(p + 2, "{}"))
        n++;
    char *script = mem_alloc(MEM_IO, len + (n + 1) * sizeof(name));
    char *out = script;
    if (!script)
        return NULL;
    for (const char *p = command; *p;) {
        if (strncmp(p, "{}", 2) == 0) {
            out = stpcpy(out, name + 1);
            p += 2;
        } else {
            *out++ = *p++;
        }
    }
    memcpy(out, n == 0 ? name : "", n == 0 ? sizeof(name) : 1);
    return script;
}

static bool is_quitting(struct on_close *c)
{
    pthread_mutex_lock(&c->lock);
    bool quit = c->quit;
    pthread_mutex_unlock(&c->lock);
    return quit;
}

/* False: it failed, which has been told. */
static bool run_one(struct on_close *c, const char *path)
{
    int status = 0;
    int r = runner_begin(&c->runner, path);
    while (r == 0 && !is_quitting(c))
        r = runner_wait(&c->runner, STEP_MS, &status);
    if (r < 0) {
        log_often(LOG_ERROR, TAG, "cannot run", "%s: cannot run /bin/sh: %s", path, err_text(-r));
        return false;
    }
    if (r == 0) {
        log_warn(TAG, "%s: the command still runs; it is left alone", path);
        return true;
    }
    if (status == 0)
        return true;
    if (WIFSIGNALED(status))
        log_often(LOG_ERROR, TAG, "signal", "%s: the command was ended by signal %d", path,
                  WTERMSIG(status));
    else
        log_often(LOG_ERROR, TAG, "status", "%s: the command ended with exit status %d", path,
                  WEXITSTATUS(status));
    return false;
}

static void *run(void *arg)
{
    struct on_close *c = arg;
    pthread_mutex_lock(&c->lock);
    while (!c->quit) {
        struct closed_file *file = c->first;
        if (!file) {
            pthread_cond_wait(&c->change, &c->lock);
            continue;
        }
        c->first = file->next;
        c->last = c->first ? c->last : &c->first;
        pthread_mutex_unlock(&c->lock);
        bool good = run_one(c, file->path);
        mem_free(file);
        pthread_mutex_lock(&c->lock);
        c->n--;
        c->failed += !good;
    }
    pthread_mutex_unlock(&c->lock);
    mem_thread_flush();
    return NULL;
}

int on_close_prepare(const char *command, struct err *err)
{
    char *script = make_script(command);
    struct prepared *p = mem_zalloc(MEM_IO, sizeof(*p));
    int r = script && p ? runner_start(&p->runner, script) : -ENOMEM;
    mem_free(script);
    if (r < 0) {
        mem_free(p);
        return err_sys(err, -r, "--" TAG ": no process for it");
    }
    p->next = prepared;
    prepared = p;
    return 0;
}

int on_close_new(struct on_close **cp, struct err *err)
{
    struct prepared *p = prepared;
    struct on_close *c = mem_zalloc(MEM_IO, sizeof(*c));
    if (!p || !c) {
        mem_free(c);
        return p ? err_sys(err, ENOMEM, "--" TAG)
                 : err_permission(err, "--" TAG ": no program can be run for an output that was "
                                       "not there at the start: restart refrain");
    }
    c->runner = p->runner;
    c->last = &c->first;
    pthread_mutex_init(&c->lock, NULL);
    pthread_cond_init(&c->change, NULL);
    int r = pthread_create(&c->thread, NULL, run, c);
    if (r != 0) {
        mem_free(c);
        return err_sys(err, r, "--" TAG ": no thread for it");
    }
    prepared = p->next;
    mem_free(p);
    *cp = c;
    return 0;
}

void on_close_free(struct on_close *c)
{
    if (!c)
        return;
    pthread_mutex_lock(&c->lock);
    c->quit = true;
    pthread_cond_broadcast(&c->change);
    pthread_mutex_unlock(&c->lock);
    pthread_join(c->thread, NULL);
    if (c->n > 0)
        log_warn(TAG, "%zu files were left without their command, from %s on", c->n,
                 c->first->path);
    for (struct closed_file *file = c->first, *next; file; file = next) {
        next = file->next;
        mem_free(file);
    }
    pthread_cond_destroy(&c->change);
    pthread_mutex_destroy(&c->lock);
    runner_stop(&c->runner);
    mem_free(c);
}

void on_close_add(struct on_close *c, const char *path)
{
    size_t len = strlen(path) + 1;
    struct closed_file *file = mem_alloc(MEM_IO, sizeof(*file) + len);
    if (file) {
        file->next = NULL;
        memcpy(file->path, path, len);
    }
    pthread_mutex_lock(&c->lock);
    bool taken = file && c->n < MAX_WAITING;
    if (taken) {
        *c->last = file;
        c->last = &file->next;
        c->n++;
        pthread_cond_broadcast(&c->change);
    } else {
        c->failed++;
    }
    pthread_mutex_unlock(&c->lock);
    if (taken)
        return;
    mem_free(file);
    log_often(LOG_ERROR, TAG, "not run", "%s: not run: %d files wait already, or memory is short",
              path, MAX_WAITING);
}

size_t on_close_waiting(struct on_close *c)
{
    pthread_mutex_lock(&c->lock);
    size_t n = c->n;
    pthread_mutex_unlock(&c->lock);
    return n;
}

uint64_t on_close_failed(struct on_close *c)
{
    pthread_mutex_lock(&c->lock);
    uint64_t failed = c->failed;
    c->failed = 0;
    pthread_mutex_unlock(&c->lock);
    return failed;
}
