/* SPDX-License-Identifier: MIT */
#include "outputs/file_chunk.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "lib/clock.h"
#include "lib/log.h"

/* After a file could not be opened messages are lost for so long, before it is tried again. */
#define REOPEN_NS (100 * NS_PER_MS)
/* After a write has failed the next one comes so soon, whatever the interval. */
#define RETRY_NS (500 * NS_PER_MS)
/* Names taken between our look at the folder and our open: others are at work there. */
#define MAX_TRIES 10000
#define KEEP_NS NS_PER_S
/* Files are deleted so that this part of the bytes is free again. */
#define KEEP_SLACK 16

int64_t file_plan_wall_ns(const struct file_plan *plan)
{
    return clock_read_ns(plan->uses.record ? CLOCK_REALTIME : CLOCK_REALTIME_COARSE);
}

void file_plan_fault(struct file_plan *plan, const char *what, int errnum)
{
    if (errnum == EDQUOT) { /* as asked for */
        if (!plan->told_max_size)
            log_error(plan->tag,
                      "--output-file-max-size-limit is reached: nothing more is recorded here");
        plan->told_max_size = true;
        return;
    }
    book_one(plan->config.books, BOOK_FILE_FAULTS);
    log_often(LOG_ERROR, plan->tag, err_text(errnum),
              "%s: %s; messages are lost until it works again", what, err_text(errnum));
}

void file_plan_keep(struct file_plan *plan, size_t waiting)
{
    if (!file_keep_any(&plan->keep))
        return;
    uint64_t slack = plan->keep.bytes / KEEP_SLACK;
    struct file_keep_result r =
        file_keep_run(&plan->keep, plan->pattern, !plan->append, waiting + slack);
    book_add(plan->config.books, BOOK_FILES_DELETED, r.deleted);
    plan->keep_room = (int64_t)(plan->keep.bytes - r.bytes - waiting);
    if (plan->keep_room < (int64_t)slack / 2) /* nothing can be deleted: do not look all the time */
        plan->keep_room = (int64_t)slack / 2;
    plan->keep_due_ns = clock_mono_ns() + KEEP_NS;
    if (r.fault != 0)
        log_error(plan->tag, "old files cannot be deleted: %s", err_text(r.fault));
}

/* Opens path, for the first time or in place of what c has open. */
static int open_path(struct file_plan *plan, struct chunk *c, const char *path, enum file_mode mode)
{
    return c->writer ? file_writer_next(c->writer, path, mode)
                     : file_writer_open(&c->writer, path, mode, &plan->config);
}

/* Opens the next index of c->name that is free. */
static int open_next(struct file_plan *plan, struct chunk *c, char *path)
{
    int r = -EEXIST;
    for (int i = 0; r == -EEXIST && i < MAX_TRIES; i++) {
        r = filename_chunk(path, c->name, c->next_index);
        if (r == 0)
            r = open_path(plan, c, path, FILE_NEW);
        if (r == 0 || r == -EEXIST)
            c->next_index++;
    }
    return r;
}

/* c->path is complete, and closed. */
static void done_with(struct file_plan *plan, const char *path)
{
    if (plan->on_close)
        on_close_add(plan->on_close, path);
}

/* A file of c->name: the next one, or the one to append to. */
static int open_file(struct file_plan *plan, struct chunk *c)
{
    char path[PATH_MAX];
    bool had_one = c->writer != NULL;
    int r = 0;
    if (plan->append) {
        snprintf(path, sizeof(path), "%s", c->name);
        r = open_path(plan, c, path, FILE_APPEND);
    } else {
        r = open_next(plan, c, path);
    }
    if (r < 0)
        return r;
    if (had_one)
        done_with(plan, c->path);
    memcpy(c->path, path, sizeof(path));
    plan->seen_due = 0;
    c->n_msgs = file_writer_n_pending(c->writer);
    book_one(plan->config.books, BOOK_FILES_OPENED);
    file_plan_keep(plan, file_writer_pending(c->writer));
    return 0;
}

int chunk_open(struct file_plan *plan, struct chunk *c, const char *name)
{
    if (strcmp(c->name, name) != 0) {
        uint64_t index = 0;
        /* a name with an id or nanoseconds in it is new: no need to look */
        int r = plan->append || plan->uses.record ? 0 : filename_next(name, &index);
        if (r < 0)
            return r;
        c->next_index = index;
        snprintf(c->name, sizeof(c->name), "%s", name);
    }
    return open_file(plan, c);
}

void chunk_flush(struct file_plan *plan, struct chunk *c)
{
    c->flush_due_ns = 0;
    if (!c->writer)
        return;
    uint64_t failed = book_get(plan->config.books, BOOK_FAILED);
    int r = file_writer_flush(c->writer);
    while (r == FILE_IS_FULL) {
        r = open_file(plan, c);
        if (r < 0)
            file_writer_lose(c->writer);
        else
            r = file_writer_flush(c->writer);
    }
    /* what is lost fills no file */
    failed = book_get(plan->config.books, BOOK_FAILED) - failed;
    c->n_msgs -= failed < c->n_msgs ? failed : c->n_msgs;
    plan->failing = r < 0;
    if (r < 0)
        file_plan_fault(plan, c->path, -r);
}

void chunk_close(struct file_plan *plan, struct chunk *c)
{
    chunk_flush(plan, c);
    if (!c->writer)
        return;
    file_writer_free(c->writer);
    c->writer = NULL;
    done_with(plan, c->path);
}

static bool is_full(const struct file_plan *plan, const struct chunk *c)
{
    return !plan->append && plan->queue_limit > 0 && c->n_msgs >= (uint64_t)plan->queue_limit;
}

bool chunk_prepare(struct file_plan *plan, struct chunk *c, const struct filename_values *v)
{
    char name[PATH_MAX];
    int64_t second = v->wall_ns / NS_PER_S;
    if (c->writer && is_full(plan, c))
        chunk_flush(plan, c);
    if (c->writer && is_full(plan, c)) /* still: the disk has taken it all */
        chunk_close(plan, c);
    if (c->writer && second == c->second)
        return true;
    int r = filename_expand(name, plan->pattern, v);
    if (r < 0) {
        file_plan_fault(plan, plan->pattern, -r);
        return false;
    }
    if (c->writer && strcmp(c->name, name) != 0)
        chunk_close(plan, c);
    c->second = second;
    if (c->writer)
        return true;
    int64_t now_ns = clock_mono_ns();
    if (plan->retry_ns != 0 && now_ns < plan->retry_ns)
        return false;
    r = chunk_open(plan, c, name);
    plan->retry_ns = r < 0 ? now_ns + REOPEN_NS : 0;
    if (r < 0)
        file_plan_fault(plan, name, -r);
    return r == 0;
}

/* The file takes no more: puts msg into the next one. */
static int64_t put_into_next(struct file_plan *plan, struct chunk *c, const struct msg *msg,
                             int *fault)
{
    chunk_flush(plan, c);
    /* when that failed, what took the room is gone */
    int64_t r = plan->failing ? 0 : open_file(plan, c);
    if (r == 0)
        r = file_writer_put(c->writer, msg, fault);
    return r == 0 ? -EFBIG : r;
}

static int64_t flush_after_ns(const struct file_plan *plan)
{
    return plan->failing && plan->flush_ns > RETRY_NS ? RETRY_NS : plan->flush_ns;
}

bool chunk_put(struct file_plan *plan, struct chunk *c, const struct msg *msg)
{
    int fault;
    uint64_t failed = book_get(plan->config.books, BOOK_FAILED);
    int64_t len = file_writer_put(c->writer, msg, &fault);
    if (len == 0)
        len = put_into_next(plan, c, msg, &fault);
    if (len < 0) {
        file_plan_fault(plan, c->path, (int)-len);
        return false;
    }
    c->n_msgs++;
    if (fault == FILE_IS_FULL) {
        chunk_flush(plan, c);
    } else if (fault < 0) {
        failed = book_get(plan->config.books, BOOK_FAILED) - failed;
        c->n_msgs -= failed < c->n_msgs ? failed : c->n_msgs;
        plan->failing = true;
        file_plan_fault(plan, c->path, -fault);
    }
    if (plan->uses.record)
        chunk_close(plan, c);
    else if (file_writer_pending(c->writer) == 0)
        c->flush_due_ns = 0;
    else if (c->flush_due_ns == 0)
        c->flush_due_ns = clock_mono_ns() + flush_after_ns(plan);
    plan->total += (uint64_t)len;
    plan->keep_room -= len;
    if (plan->keep.bytes > 0 && plan->keep_room < 0)
        file_plan_keep(plan, c->writer ? file_writer_pending(c->writer) : 0);
    return true;
}
