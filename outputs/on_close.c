/* SPDX-License-Identifier: MIT */
#include "outputs/on_close.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "lib/log.h"
#include "lib/mem.h"
#include "lib/program.h"

#define MAX_WAITING 10000
#define MAX_STEP_NS (16 * NS_PER_MS)
#define TAG "output-file-on-close"

struct closed_file {
    struct closed_file *next;
    char path[];
};

struct on_close {
    char *script; /* for sh -c; $1 is the file */
    pthread_t thread;
    pthread_mutex_t lock; /* of what follows */
    pthread_cond_t change;
    struct closed_file *first, **last;
    size_t n; /* with the one that runs */
    uint64_t failed;
    bool quit;
};

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

/* Payload goes to standard output, and nothing else: what the program says goes to our log's. */
static int start(pid_t *pid, char *const *argv)
{
    int none = open("/dev/null", O_RDONLY | O_CLOEXEC);
    if (none == -1)
        return -errno;
    int r = program_start(pid, argv, none, STDERR_FILENO);
    close(none);
    return r;
}

static bool is_quitting(struct on_close *c)
{
    pthread_mutex_lock(&c->lock);
    bool quit = c->quit;
    pthread_mutex_unlock(&c->lock);
    return quit;
}

/* False: it has not ended when we have to. */
static bool wait_for(struct on_close *c, pid_t pid, int *status)
{
    struct timespec step = {.tv_nsec = NS_PER_MS};
    for (;;) {
        pid_t r = waitpid(pid, status, WNOHANG);
        if (r == pid || (r == -1 && errno != EINTR))
            return true;
        if (is_quitting(c))
            return false;
        nanosleep(&step, NULL);
        if (step.tv_nsec < MAX_STEP_NS)
            step.tv_nsec *= 2;
    }
}

/* False: it failed, which has been told. */
static bool run_one(struct on_close *c, char *path)
{
    char sh[] = "/bin/sh", dash_c[] = "-c", name[] = "refrain";
    char *const argv[] = {sh, dash_c, c->script, name, path, NULL};
    pid_t pid;
    int status = 0;
    int r = start(&pid, argv);
    if (r < 0) {
        log_often(LOG_ERROR, TAG, "%s: cannot run /bin/sh: %s", path, err_text(-r));
        return false;
    }
    if (!wait_for(c, pid, &status)) {
        log_warn(TAG, "%s: the command still runs; it is left alone", path);
        return true;
    }
    if (status == 0)
        return true;
    if (WIFSIGNALED(status))
        log_often(LOG_ERROR, TAG, "%s: the command was ended by signal %d", path, WTERMSIG(status));
    else
        log_often(LOG_ERROR, TAG, "%s: the command ended with exit status %d", path,
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

int on_close_new(struct on_close **cp, const char *command, struct err *err)
{
    struct on_close *c = mem_zalloc(MEM_IO, sizeof(*c));
    if (c)
        c->script = make_script(command);
    if (!c || !c->script) {
        mem_free(c);
        return err_sys(err, ENOMEM, "--" TAG);
    }
    c->last = &c->first;
    pthread_mutex_init(&c->lock, NULL);
    pthread_cond_init(&c->change, NULL);
    int r = pthread_create(&c->thread, NULL, run, c);
    if (r != 0) {
        mem_free(c->script);
        mem_free(c);
        return err_sys(err, r, "--" TAG ": no thread for it");
    }
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
    mem_free(c->script);
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
    log_often(LOG_ERROR, TAG, "%s: not run: %d files wait already, or memory is short", path,
              MAX_WAITING);
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
