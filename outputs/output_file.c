/* SPDX-License-Identifier: MIT */
/* output-file: recordings, named by a template, in chunks or appended. A fault of the disk costs
 * the messages that could not be written, which are counted; the next ones are tried again. */
#include <errno.h>
#include <poll.h>
#include <stdio.h>

#include "lib/clock.h"
#include "lib/log.h"
#include "lib/mem.h"
#include "outputs/file_seen.h"
#include "outputs/file_writer.h"
#include "outputs/filename.h"
#include "outputs/outputs.h"

#define DEFAULT_SIZE_LIMIT (32 * MIB)
#define DEFAULT_MAX_SIZE TIB
#define HURRY_NS (50 * NS_PER_MS)
/* So much is read again at most to find out what relays have handed over. */
#define SAVE_SEEN_BYTES (16 * MIB)
#define SHORTEST_FLUSH_NS (100 * NS_PER_MS)
/* After a file could not be opened messages are lost for so long, before it is tried again. */
#define REOPEN_NS (100 * NS_PER_MS)
/* Names taken between our look at the folder and our open: others are at work there. */
#define MAX_TRIES 10000
/* With %t in the template each type of record has a file of its own. */
#define MAX_TYPES 10

/* The file that is being written for one type. */
struct chunk {
    struct file_writer *writer; /* NULL: none open */
    char name[PATH_MAX]; /* the template expanded, without index */
    char path[PATH_MAX]; /* of the file */
    int64_t second; /* of the wall clock, for which that holds */
    uint64_t next_index; /* for that name */
    uint64_t n_msgs, bytes; /* in this file, by us; before compression */
    int64_t flush_due_ns; /* 0: nothing is waiting */
};

struct file_output {
    struct output base;
    char tag[128];
    char *pattern;
    struct filename_uses uses;
    bool append;
    int64_t flush_ns;
    uint64_t size_limit, max_size;
    int64_t queue_limit;
    uint64_t total; /* bytes since the start */
    int64_t retry_ns; /* no new attempt to open before; 0: at once */
    struct log_limit fault;
    bool told_max_size;
    struct file_seen *seen; /* NULL: no message of a relay was written */
    uint64_t seen_due; /* saved again when total reaches this */
    size_t n_chunks;
    struct chunk chunks[MAX_TYPES];
};

static void log_fault(struct file_output *f, const char *what, int errnum)
{
    if (log_limit(&f->fault))
        log_error(f->tag, "%s: %s; messages are lost until it works again", what, err_text(errnum));
}

static void flush_chunk(struct file_output *f, struct chunk *c)
{
    c->flush_due_ns = 0;
    int r = c->writer ? file_writer_flush(c->writer) : 0;
    if (r < 0)
        log_fault(f, c->name, -r);
}

static void close_chunk(struct file_output *f, struct chunk *c)
{
    flush_chunk(f, c);
    file_writer_free(c->writer);
    c->writer = NULL;
}

/* Opens the next index of c->name that is free. */
static int open_next(struct file_output *f, struct chunk *c)
{
    int r = -EEXIST;
    for (int i = 0; r == -EEXIST && i < MAX_TRIES; i++) {
        r = filename_chunk(c->path, c->name, c->next_index);
        if (r == 0)
            r = file_writer_open(&c->writer, c->path, FILE_NEW, f->base.books);
        if (r == 0 || r == -EEXIST)
            c->next_index++;
    }
    return r;
}

/* Opens the file that name stands for. */
static int open_chunk(struct file_output *f, struct chunk *c, const char *name)
{
    int r = 0;
    if (strcmp(c->name, name) != 0) {
        uint64_t index = 0;
        /* a name with an id or nanoseconds in it is new: no need to look */
        r = f->append || f->uses.record ? 0 : filename_next(name, &index);
        if (r < 0)
            return r;
        c->next_index = index;
        snprintf(c->name, sizeof(c->name), "%s", name);
    }
    if (f->append)
        snprintf(c->path, sizeof(c->path), "%s", name);
    r = f->append ? file_writer_open(&c->writer, name, FILE_APPEND, f->base.books)
                  : open_next(f, c);
    if (r < 0)
        return r;
    f->seen_due = 0;
    c->n_msgs = c->bytes = 0;
    book_one(f->base.books, BOOK_FILES_OPENED);
    return 0;
}

static bool is_full(const struct file_output *f, const struct chunk *c)
{
    return !f->append && (c->bytes >= f->size_limit ||
                          (f->queue_limit > 0 && c->n_msgs >= (uint64_t)f->queue_limit));
}

/* The cheap clock, which is a few milliseconds behind, unless names show nanoseconds. */
static int64_t wall_ns(const struct file_output *f)
{
    return clock_read_ns(f->uses.record ? CLOCK_REALTIME : CLOCK_REALTIME_COARSE);
}

/* The chunk for msg with a file open, or NULL. */
static struct chunk *chunk_for(struct file_output *f, const struct msg *msg)
{
    size_t digit = msg->type >= '0' && msg->type <= '9' ? (size_t)(msg->type - '0') : 0;
    struct chunk *c = &f->chunks[f->n_chunks > 1 ? digit : 0];
    struct filename_values v = {.wall_ns = wall_ns(f), .id = msg_id(msg)};
    int64_t second = v.wall_ns / NS_PER_S;
    if (c->writer && is_full(f, c))
        close_chunk(f, c);
    if (c->writer && second == c->second)
        return c;
    char name[PATH_MAX];
    v.type = (char)msg->type;
    int r = filename_expand(name, f->pattern, &v);
    if (r < 0) {
        log_fault(f, f->pattern, -r);
        return NULL;
    }
    if (c->writer && strcmp(c->name, name) != 0)
        close_chunk(f, c);
    c->second = second;
    if (c->writer)
        return c;
    int64_t now_ns = clock_mono_ns();
    if (f->retry_ns != 0 && now_ns < f->retry_ns)
        return NULL;
    r = open_chunk(f, c, name);
    f->retry_ns = r < 0 ? now_ns + REOPEN_NS : 0;
    if (r < 0)
        log_fault(f, name, -r);
    return r < 0 ? NULL : c;
}

static bool is_at_max_size(struct file_output *f)
{
    if (f->total < f->max_size)
        return false;
    if (!f->told_max_size)
        log_error(f->tag, "--output-file-max-size-limit is reached: nothing more is recorded here");
    f->told_max_size = true;
    return true;
}

/* A sender waits to hear that it is written, and holds it until then. */
static void hurry(struct chunk *c)
{
    int64_t due_ns = c->flush_due_ns != 0 ? clock_mono_ns() + HURRY_NS : 0;
    if (due_ns < c->flush_due_ns)
        c->flush_due_ns = due_ns;
}

/* Notes how far the files are that are open, with everything flushed. When that fails the earlier
 * note holds, and there is more to read at the next start. */
static void save_seen(struct file_output *f)
{
    struct file_seen_place places[MAX_TYPES];
    size_t n = 0;
    f->seen_due = f->total + SAVE_SEEN_BYTES;
    for (size_t i = 0; i < f->n_chunks; i++) {
        struct chunk *c = &f->chunks[i];
        if (!c->writer)
            continue;
        flush_chunk(f, c);
        places[n++] = (struct file_seen_place){c->path, file_writer_size(c->writer)};
    }
    int r = file_seen_save(f->seen, places, n);
    if (r < 0)
        log_fault(f, "the note of what relays handed over", -r);
}

/* Has a relay handed msg over before? */
static bool is_known(struct file_output *f, const struct msg *msg)
{
    if (msg->stream == 0 || f->uses.record)
        return false;
    if (!f->seen) {
        int r = file_seen_open(&f->seen, f->pattern, true);
        if (r < 0)
            log_fault(f, "the note of what relays handed over", -r);
    }
    return f->seen && file_seen_has(f->seen, msg);
}

static enum output_result file_write(struct output *out, const struct msg *msg)
{
    struct file_output *f = container_of(out, struct file_output, base);
    int fault;
    if (is_known(f, msg)) {
        book_one(f->base.books, BOOK_KNOWN_ALREADY);
        return OUTPUT_SKIPPED;
    }
    struct chunk *c = is_at_max_size(f) ? NULL : chunk_for(f, msg);
    if (!c)
        return OUTPUT_FAILED;
    if (f->seen && f->total >= f->seen_due)
        save_seen(f);
    int64_t len = file_writer_put(c->writer, msg, &fault);
    if (len < 0)
        return OUTPUT_FAILED;
    if (fault < 0)
        log_fault(f, c->name, -fault);
    c->n_msgs++;
    c->bytes += (uint64_t)len;
    f->total += (uint64_t)len;
    if (f->uses.record)
        close_chunk(f, c);
    else if (file_writer_pending(c->writer) == 0)
        c->flush_due_ns = 0;
    else if (c->flush_due_ns == 0)
        c->flush_due_ns = clock_mono_ns() + f->flush_ns;
    if (f->seen && msg->stream != 0)
        (void)file_seen_add(f->seen, msg);
    if (msg->receipt)
        hurry(c);
    return OUTPUT_TAKEN;
}

/* Flushes what is due; returns nanoseconds until the next is, at most max_ns. */
static int64_t flush_due(struct file_output *f, int64_t max_ns)
{
    int64_t now_ns = clock_mono_ns();
    for (size_t i = 0; i < f->n_chunks; i++) {
        struct chunk *c = &f->chunks[i];
        if (c->flush_due_ns != 0 && c->flush_due_ns <= now_ns)
            flush_chunk(f, c);
        if (c->flush_due_ns != 0 && c->flush_due_ns - now_ns < max_ns)
            max_ns = c->flush_due_ns - now_ns;
    }
    return max_ns;
}

static void file_poll(struct output *out, int wake_fd, int timeout_ms)
{
    struct file_output *f = container_of(out, struct file_output, base);
    int64_t wait_ns = flush_due(f, timeout_ms * NS_PER_MS);
    if (timeout_ms == 0)
        return;
    struct pollfd fd = {.fd = wake_fd, .events = POLLIN};
    struct timespec wait = {.tv_sec = wait_ns / NS_PER_S, .tv_nsec = wait_ns % NS_PER_S};
    if (ppoll(&fd, 1, &wait, NULL) == 0)
        flush_due(f, 0);
}

static enum output_result file_flush(struct output *out)
{
    struct file_output *f = container_of(out, struct file_output, base);
    for (size_t i = 0; i < f->n_chunks; i++)
        flush_chunk(f, &f->chunks[i]);
    return OUTPUT_DONE;
}

static void file_reopen(struct output *out)
{
    struct file_output *f = container_of(out, struct file_output, base);
    for (size_t i = 0; i < f->n_chunks; i++)
        close_chunk(f, &f->chunks[i]);
}

static void file_close(struct output *out)
{
    if (!out)
        return;
    struct file_output *f = container_of(out, struct file_output, base);
    for (size_t i = 0; i < f->n_chunks; i++)
        file_writer_free(f->chunks[i].writer);
    file_seen_free(f->seen);
    mem_free(f->pattern);
    mem_free(f);
}

static int check_address(const char *address, struct err *err)
{
    size_t len = strlen(address);
    if (strncmp(address, "s3://", 5) == 0)
        return err_usage(err,
                         "--output-file %s: S3 is not supported: write to a local file and copy it "
                         "when it is complete (aws s3 cp FILE %s)",
                         address, address);
    if (len == 0)
        return err_usage(err, "--output-file: a file name is missing, e.g. requests-%%Y%%m%%d.gor");
    if (address[len - 1] == '/')
        return err_usage(err, "--output-file %s: this is a folder: add a file name", address);
    return 0;
}

static int open_failed(const char *path, int errnum, struct err *err)
{
    if (errnum == EBUSY)
        return err_failure(err,
                           "--output-file %s: another output is appending to it: give each its "
                           "own file",
                           path);
    if (errnum == ELOOP)
        return err_failure(err,
                           "--output-file %s: a symbolic link is not followed: name the file "
                           "itself",
                           path);
    return err_sys(err, errnum, "--output-file %s: cannot be written", path);
}

/* Opens the first file, so that a fault shows at the start and not hours later. */
static int open_first(struct file_output *f, struct err *err)
{
    char name[PATH_MAX];
    struct filename_values v = {.wall_ns = wall_ns(f), .type = MSG_REQUEST};
    int r = filename_expand(name, f->pattern, &v);
    if (r == 0 && !f->uses.record) {
        struct chunk *c = &f->chunks[f->n_chunks > 1 ? MSG_REQUEST - '0' : 0];
        c->second = v.wall_ns / NS_PER_S;
        r = open_chunk(f, c, name);
    }
    return r < 0 ? open_failed(name, -r, err) : 0;
}

/* What an earlier run has written for relays. */
static int recall(struct file_output *f, struct err *err)
{
    int r = f->uses.record ? -ENOENT : file_seen_open(&f->seen, f->pattern, false);
    if (r == -ENOENT)
        return 0;
    if (r == -EINVAL) {
        log_warn(f->tag,
                 "the note of what relays handed over is damaged: what they hand over again "
                 "will be recorded twice");
        return 0;
    }
    return r < 0 ? err_sys(err, -r, "--output-file %s: its note for relays", f->pattern) : 0;
}

static int file_open(struct output **outp, const struct output_args *args, struct err *err)
{
    const struct options *o = args->options;
    int r = check_address(args->address, err);
    if (r < 0)
        return r;
    struct file_output *f = mem_zalloc(MEM_IO, sizeof(*f));
    if (!f)
        return err_sys(err, ENOMEM, "--output-file %s", args->address);
    f->base = (struct output){.ops = &output_file, .books = args->books};
    snprintf(f->tag, sizeof(f->tag), "output-file %s", args->address);
    f->uses = filename_uses(args->address);
    f->n_chunks = f->uses.type && !f->uses.record ? MAX_TYPES : 1;
    f->append = options_bool(o, "output-file-append");
    f->size_limit = options_size(o, "output-file-size-limit");
    f->size_limit = f->size_limit > 0 ? f->size_limit : DEFAULT_SIZE_LIMIT;
    f->max_size = options_size(o, "output-file-max-size-limit");
    f->max_size = f->max_size > 0 ? f->max_size : DEFAULT_MAX_SIZE;
    f->queue_limit = options_int(o, "output-file-queue-limit");
    f->flush_ns = options_duration_ns(o, "output-file-flush-interval");
    f->flush_ns = f->flush_ns > 0 ? f->flush_ns : SHORTEST_FLUSH_NS;
    f->pattern = mem_strdup(MEM_IO, args->address);
    r = f->pattern ? recall(f, err) : err_sys(err, ENOMEM, "--output-file %s", args->address);
    if (r == 0)
        r = open_first(f, err);
    if (r < 0) {
        file_close(&f->base);
        return r;
    }
    *outp = &f->base;
    return 0;
}

const struct output_ops output_file = {
    .option = "output-file",
    .open = file_open,
    .write = file_write,
    .poll = file_poll,
    .flush = file_flush,
    .reopen = file_reopen,
    .close = file_close,
};
