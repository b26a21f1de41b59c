/* SPDX-License-Identifier: MIT */
/* output-file: recordings, named by a template, in chunks or appended. What happens to the files is
 * in file_chunk.c. */
#include <errno.h>
#include <poll.h>
#include <stdio.h>

#include "lib/clock.h"
#include "lib/log.h"
#include "lib/mem.h"
#include "outputs/file_chunk.h"
#include "outputs/file_seen.h"
#include "outputs/outputs.h"
#include "outputs/pack.h"

#define DEFAULT_SIZE_LIMIT (32 * MIB)
#define DEFAULT_MAX_SIZE TIB
#define HURRY_NS (50 * NS_PER_MS)
/* So much is read again at most to find out what relays have handed over. */
#define SAVE_SEEN_BYTES (16 * MIB)
#define SHORTEST_FLUSH_NS (100 * NS_PER_MS)
/* How often a command on a closed file is looked after at the end. */
#define COMMAND_NS (20 * NS_PER_MS)
/* With %t in the template each type of record has a file of its own. */
#define MAX_TYPES 10

struct file_output {
    struct output base;
    struct file_plan plan;
    int64_t sync_due_ns;
    bool ending;
    struct file_seen *seen; /* NULL: no message of a relay was written */
    size_t n_chunks;
    struct chunk chunks[MAX_TYPES];
};

static struct chunk *chunk_of(struct file_output *f, unsigned char type)
{
    size_t digit = type >= '0' && type <= '9' ? (size_t)(type - '0') : 0;
    return &f->chunks[f->n_chunks > 1 ? digit : 0];
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
    for (size_t i = 0; i < f->n_chunks; i++) {
        struct chunk *c = &f->chunks[i];
        if (!c->writer)
            continue;
        chunk_flush(&f->plan, c);
        places[n++] = (struct file_seen_place){c->path, file_writer_size(c->writer)};
    }
    f->plan.seen_due = f->plan.total + SAVE_SEEN_BYTES; /* the flush may have opened a file */
    int r = file_seen_save(f->seen, places, n);
    if (r < 0)
        file_plan_fault(&f->plan, "the note of what relays handed over", -r);
}

/* Has a relay handed msg over before? */
static bool is_known(struct file_output *f, const struct msg *msg)
{
    if (msg->stream == 0 || f->plan.uses.record)
        return false;
    if (!f->seen) {
        int r = file_seen_open(&f->seen, f->plan.pattern, true);
        if (r < 0)
            file_plan_fault(&f->plan, "the note of what relays handed over", -r);
    }
    return f->seen && file_seen_has(f->seen, msg);
}

static enum output_result file_write(struct output *out, const struct msg *msg)
{
    struct file_output *f = container_of(out, struct file_output, base);
    if (is_known(f, msg)) {
        book_one(f->base.books, BOOK_KNOWN_ALREADY);
        return OUTPUT_SKIPPED;
    }
    struct chunk *c = chunk_of(f, (unsigned char)msg->type);
    struct filename_values v = {
        .wall_ns = file_plan_wall_ns(&f->plan),
        .id = msg_id(msg),
        .type = (char)msg->type,
    };
    if (!chunk_prepare(&f->plan, c, &v))
        return OUTPUT_FAILED;
    if (f->seen && f->plan.total >= f->plan.seen_due)
        save_seen(f);
    if (!chunk_put(&f->plan, c, msg))
        return OUTPUT_FAILED;
    if (f->seen && msg->stream != 0)
        (void)file_seen_add(f->seen, msg);
    if (msg->receipt)
        hurry(c);
    return OUTPUT_TAKEN;
}

/* Has what was written brought to the disk, once per interval. */
static void sync_due(struct file_output *f, int64_t now_ns)
{
    if (f->plan.config.fsync != FSYNC_INTERVAL || now_ns < f->sync_due_ns)
        return;
    f->sync_due_ns = now_ns + f->plan.flush_ns;
    for (size_t i = 0; i < f->n_chunks; i++)
        if (f->chunks[i].writer)
            file_writer_sync(f->chunks[i].writer);
    int fault = file_sync_fault(f->plan.config.sync);
    book_add(f->base.books, BOOK_FILE_FAULTS, fault != 0);
    if (fault != 0)
        log_error(f->plan.tag, "what was written may not be on the disk: fsync: %s",
                  err_text(fault));
}

/* Flushes what is due; returns nanoseconds until the next is, at most max_ns. */
static int64_t flush_due(struct file_output *f, int64_t max_ns)
{
    int64_t now_ns = clock_mono_ns();
    for (size_t i = 0; i < f->n_chunks; i++) {
        struct chunk *c = &f->chunks[i];
        if (c->flush_due_ns != 0 && c->flush_due_ns <= now_ns)
            chunk_flush(&f->plan, c);
        if (c->flush_due_ns != 0 && c->flush_due_ns - now_ns < max_ns)
            max_ns = c->flush_due_ns - now_ns;
    }
    sync_due(f, now_ns);
    if (f->plan.keep.age_ns > 0 && f->plan.keep_due_ns <= now_ns)
        file_plan_keep(&f->plan, 0);
    if (f->plan.on_close)
        book_add(f->base.books, BOOK_COMMANDS_FAILED, on_close_failed(f->plan.on_close));
    return f->ending && max_ns > COMMAND_NS ? COMMAND_NS : max_ns;
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

/* Complete files have their command run: that is waited for. */
static enum output_result file_flush(struct output *out)
{
    struct file_output *f = container_of(out, struct file_output, base);
    f->ending = true;
    for (size_t i = 0; i < f->n_chunks; i++)
        chunk_close(&f->plan, &f->chunks[i]);
    if (!f->plan.on_close)
        return OUTPUT_DONE;
    size_t waiting = on_close_waiting(f->plan.on_close);
    book_add(f->base.books, BOOK_COMMANDS_FAILED, on_close_failed(f->plan.on_close));
    return waiting > 0 ? OUTPUT_BUSY : OUTPUT_DONE;
}

static void file_reopen(struct output *out)
{
    struct file_output *f = container_of(out, struct file_output, base);
    for (size_t i = 0; i < f->n_chunks; i++)
        chunk_close(&f->plan, &f->chunks[i]);
}

static void file_close(struct output *out)
{
    if (!out)
        return;
    struct file_output *f = container_of(out, struct file_output, base);
    for (size_t i = 0; i < f->n_chunks; i++)
        file_writer_free(f->chunks[i].writer);
    file_seen_free(f->seen);
    on_close_free(f->plan.on_close);
    file_sync_free(f->plan.config.sync);
    mem_free(f->plan.pattern);
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
    if (!pack_is_built(pack_format_of(address)))
        return err_usage(err, "--output-file %s: built without zstd: choose .gz", address);
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
    if (errnum == EPERM)
        return err_failure(err,
                           "--output-file %s: somebody else has put this file into a folder that "
                           "all may write to: choose another folder",
                           path);
    return err_sys(err, errnum, "--output-file %s: cannot be written", path);
}

/* Opens the first file, so that a fault shows at the start and not hours later. */
static int open_first(struct file_output *f, struct err *err)
{
    char name[PATH_MAX];
    struct file_plan *plan = &f->plan;
    struct filename_values v = {.wall_ns = file_plan_wall_ns(plan), .type = MSG_REQUEST};
    int r = filename_expand(name, plan->pattern, &v);
    if (r == 0 && !plan->uses.record) {
        struct chunk *c = chunk_of(f, MSG_REQUEST);
        c->second = v.wall_ns / NS_PER_S;
        r = chunk_open(plan, c, name);
    }
    return r < 0 ? open_failed(name, -r, err) : 0;
}

/* What an earlier run has written for relays. */
static int recall(struct file_output *f, struct err *err)
{
    struct file_plan *plan = &f->plan;
    int r = plan->uses.record ? -ENOENT : file_seen_open(&f->seen, plan->pattern, false);
    if (r == -ENOENT)
        return 0;
    if (r == -EINVAL) {
        log_warn(plan->tag,
                 "the note of what relays handed over is damaged: what they hand over again "
                 "will be recorded twice");
        return 0;
    }
    if (r == -EACCES) /* the folder itself */
        return err_sys(err, EACCES, "--output-file %s: cannot be written", plan->pattern);
    return r < 0 ? err_sys(err, -r, "--output-file %s: its note for relays", plan->pattern) : 0;
}

static enum file_fsync read_fsync(const struct options *o)
{
    const char *text = options_string(o, "output-file-fsync");
    if (strcmp(text, "always") == 0)
        return FSYNC_ALWAYS;
    return strcmp(text, "interval") == 0 ? FSYNC_INTERVAL : FSYNC_NEVER;
}

/* How large a file and all of them may become. */
static int read_sizes(struct file_plan *plan, const struct options *o, struct err *err)
{
    int r = file_keep_parse(&plan->keep, options_string(o, "output-file-keep"), err);
    if (r < 0)
        return r;
    uint64_t size = options_size(o, "output-file-size-limit");
    uint64_t max = options_size(o, "output-file-max-size-limit");
    size = size > 0 ? size : DEFAULT_SIZE_LIMIT;
    max = max > 0 ? max : DEFAULT_MAX_SIZE;
    plan->append = options_bool(o, "output-file-append");
    if (file_keep_any(&plan->keep)) {
        /* at the limit the oldest make room, and the file being written cannot be deleted */
        if (plan->keep.bytes == 0 || plan->keep.bytes > max)
            plan->keep.bytes = max;
        if (size > plan->keep.bytes / 2)
            size = plan->keep.bytes / 2;
    } else {
        plan->cap.max = max;
        plan->config.cap = &plan->cap;
    }
    plan->config.size_max = plan->append ? 0 : size;
    return 0;
}

static int read_options(struct file_output *f, const struct output_args *args, struct err *err)
{
    const struct options *o = args->options;
    const char *command = options_string(o, "output-file-on-close");
    struct file_plan *plan = &f->plan;
    snprintf(plan->tag, sizeof(plan->tag), "output-file %s", args->address);
    plan->uses = filename_uses(args->address);
    f->n_chunks = plan->uses.type && !plan->uses.record ? MAX_TYPES : 1;
    plan->config.books = args->books;
    plan->config.fsync = read_fsync(o);
    plan->queue_limit = options_int(o, "output-file-queue-limit");
    plan->flush_ns = options_duration_ns(o, "output-file-flush-interval");
    plan->flush_ns = plan->flush_ns > 0 ? plan->flush_ns : SHORTEST_FLUSH_NS;
    plan->pattern = mem_strdup(MEM_IO, args->address);
    int r = plan->pattern ? read_sizes(plan, o, err)
                          : err_sys(err, ENOMEM, "--output-file %s", args->address);
    if (r == 0 && *command)
        r = on_close_new(&plan->on_close, err);
    if (r == 0 && plan->config.fsync == FSYNC_INTERVAL) {
        r = file_sync_new(&plan->config.sync);
        r = r < 0 ? err_sys(err, -r, "--output-file %s", args->address) : 0;
    }
    return r;
}

static void file_needs(struct needs *needs, const struct output_args *args)
{
    struct filename_uses uses = filename_uses(args->address);
    bool append = options_bool(args->options, "output-file-append");
    /* what no file is opened of at the start shows there as well */
    enum need_kind kind = append && !uses.record ? NEED_MAKE : NEED_MAKE_ANEW;
    needs_path(needs, kind, "output-file", args->address);
}

static int file_prepare(const struct output_args *args, struct err *err)
{
    const char *command = options_string(args->options, "output-file-on-close");
    return *command ? on_close_prepare(command, err) : 0;
}

static int file_open(struct output **outp, const struct output_args *args, struct err *err)
{
    int r = check_address(args->address, err);
    if (r < 0)
        return r;
    struct file_output *f = mem_zalloc(MEM_IO, sizeof(*f));
    if (!f)
        return err_sys(err, ENOMEM, "--output-file %s", args->address);
    f->base = (struct output){.ops = &output_file, .books = args->books};
    r = read_options(f, args, err);
    if (r == 0)
        r = recall(f, err);
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
    .needs = file_needs,
    .prepare = file_prepare,
    .open = file_open,
    .write = file_write,
    .poll = file_poll,
    .flush = file_flush,
    .reopen = file_reopen,
    .close = file_close,
};
