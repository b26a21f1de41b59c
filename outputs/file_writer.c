/* SPDX-License-Identifier: MIT */
#include "outputs/file_writer.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include "lib/mem.h"
#include "lib/record.h"
#include "outputs/batch.h"
#include "outputs/file_open.h"
#include "outputs/index_writer.h"
#include "outputs/pack_thread.h"

/* Enough that a write costs little per record, and that compression finds what repeats. */
#define PLAIN_BATCH (256 * KIB)
#define PACKED_BATCH (1 * MIB)
#define SMALLEST_BATCH (64 * KIB)
/* A small file is to be filled with several members, so that its limit is used. */
#define MEMBERS_PER_FILE 16

struct file_writer {
    const struct file_config *config;
    struct file_fd file;
    uint64_t size; /* of the file on the disk, as far as we know */
    size_t lacks; /* so many bytes of a separator are to be written before the next record */
    bool unsynced; /* written, and not known to be on the disk */
    struct index_writer index;
    int folder; /* of a new file, until it is synced; -1: none */
    size_t batch_max;
    struct batch batch;
    /* compressed only: records that are being packed, or packed and not yet written */
    struct pack_thread *pack; /* NULL: plain */
    struct batch packing;
};

static void note_file(struct file_writer *w, const char *path)
{
    off_t size = file_fd_size(&w->file);
    w->size = size > 0 ? (uint64_t)size : 0;
    w->lacks = w->pack ? 0 : file_fd_lacks(&w->file);
    index_writer_init(&w->index, w->file.regular ? path : "", w->size, w->pack != NULL);
    /* a folder that cannot be opened for reading cannot be synced */
    w->folder = w->file.is_new && w->config->fsync != FSYNC_NEVER ? file_fd_folder(path) : -1;
}

int file_writer_open(struct file_writer **wp, const char *path, enum file_mode mode,
                     const struct file_config *config)
{
    enum pack_format format = pack_format_of(path);
    struct file_writer *w = mem_zalloc(MEM_IO, sizeof(*w));
    if (!w)
        return -ENOMEM;
    w->config = config;
    w->file.fd = w->folder = w->index.fd = -1;
    batch_init(&w->batch, config->books);
    batch_init(&w->packing, config->books);
    w->batch_max = format == PACK_NONE ? PLAIN_BATCH : PACKED_BATCH;
    if (format != PACK_NONE && config->size_max > 0 &&
        config->size_max / MEMBERS_PER_FILE < w->batch_max)
        w->batch_max = config->size_max / MEMBERS_PER_FILE > SMALLEST_BATCH
                           ? config->size_max / MEMBERS_PER_FILE
                           : SMALLEST_BATCH;
    int r = format == PACK_NONE ? 0 : pack_thread_new(&w->pack, format);
    if (r == 0)
        r = file_fd_open(&w->file, path, mode);
    if (r < 0) {
        file_writer_free(w);
        return r;
    }
    note_file(w, path);
    *wp = w;
    return 0;
}

static void add_sync(struct file_writer *w, int *fd)
{
    if (*fd >= 0)
        file_sync_add(w->config->sync, *fd);
    *fd = -1;
}

/* Of the file: 0 or -errno. */
static int sync_now(struct file_writer *w)
{
    int r = file_fd_sync(&w->file);
    if (w->folder >= 0) {
        r = fsync(w->folder) == -1 && errno != EINVAL && r == 0 ? -errno : r;
        close(w->folder);
        w->folder = -1;
    }
    return r;
}

void file_writer_sync(struct file_writer *w)
{
    if (!w->unsynced || w->config->fsync != FSYNC_INTERVAL || w->file.fd == -1)
        return;
    int fd = fcntl(w->file.fd, F_DUPFD_CLOEXEC, 3);
    w->unsynced = fd == -1; /* then the next time */
    add_sync(w, &fd);
    add_sync(w, &w->folder);
}

/* All that was to be written to it is there. */
static void leave_file(struct file_writer *w)
{
    if (w->file.fd == -1)
        return;
    index_writer_fini(&w->index);
    if (w->config->fsync == FSYNC_INTERVAL && w->unsynced) {
        flock(w->file.fd, LOCK_UN); /* it may be opened again before it is synced and closed */
        add_sync(w, &w->file.fd);
        add_sync(w, &w->folder);
    }
    if (w->file.fd != -1)
        close(w->file.fd);
    if (w->folder >= 0)
        close(w->folder);
    w->file.fd = w->folder = -1;
    w->unsynced = false;
}

/* A plain record counts from when it is put, so that the sum of all writers is kept to. */
static void add_used(struct file_writer *w, int64_t n)
{
    if (w->config->cap)
        w->config->cap->used += (uint64_t)n;
}

static void lose_batch(struct file_writer *w, enum book fate)
{
    if (!w->pack)
        add_used(w, -(int64_t)batch_len(&w->batch));
    batch_lose(&w->batch, fate);
}

void file_writer_free(struct file_writer *w)
{
    if (!w)
        return;
    lose_batch(w, BOOK_ABANDONED);
    pack_thread_free(w->pack); /* it reads what is being packed */
    batch_lose(&w->packing, BOOK_ABANDONED);
    batch_fini(&w->packing);
    batch_fini(&w->batch);
    leave_file(w);
    mem_free(w);
}

int file_writer_next(struct file_writer *w, const char *path, enum file_mode mode)
{
    struct file_fd file;
    int r = file_fd_open(&file, path, mode);
    if (r < 0)
        return r;
    leave_file(w);
    w->file = file;
    note_file(w, path);
    return 0;
}

/* What was written is good only when it is on the disk, if so asked. */
static int written(struct file_writer *w)
{
    w->unsynced = true;
    return w->config->fsync == FSYNC_ALWAYS ? sync_now(w) : 0;
}

/* --- plain --- */

/* What is missing of a separator at the end of the file. */
static int mend(struct file_writer *w, off_t before)
{
    size_t done;
    struct span separator = span_of(record_separator, RECORD_SEPARATOR_LEN);
    struct span rest = span_from(separator, separator.len - w->lacks);
    if (w->lacks == 0)
        return 0;
    int r = file_fd_write(&w->file, rest, &done);
    if (r < 0 && file_fd_cut_back(&w->file, before, done, done))
        done = 0;
    else if (r < 0)
        w->lacks = RECORD_SEPARATOR_LEN;
    else
        w->lacks = 0;
    w->size += done;
    add_used(w, (int64_t)done);
    return r;
}

static int flush_plain(struct file_writer *w)
{
    size_t done;
    int r = mend(w, file_fd_size(&w->file));
    if (r < 0)
        return r;
    off_t before = file_fd_size(&w->file);
    r = file_fd_write(&w->file, buf_span(&w->batch.bytes), &done);
    size_t whole = r < 0 ? batch_whole(&w->batch, done) : done;
    if (file_fd_cut_back(&w->file, before, done, done - whole))
        done = whole;
    else
        w->lacks = RECORD_SEPARATOR_LEN; /* the next record begins behind one */
    if (done == whole) /* else it ends in what is no record */
        index_writer_add(&w->index, w->size, span_of(buf_span(&w->batch.bytes).ptr, whole),
                         w->batch.min_ns, w->batch.max_ns);
    w->size += done;
    if (whole > 0) {
        int synced = written(w);
        if (synced < 0)
            return synced; /* all of it counts as failed */
    }
    batch_out(&w->batch, whole);
    return r;
}

/* --- compressed --- */

/* Writes the member that was packed: 0, FILE_IS_FULL, or -errno. */
static int write_member(struct file_writer *w, struct span member)
{
    size_t done;
    const struct file_config *config = w->config;
    if (config->size_max > 0 && w->size > 0 && w->size + member.len > config->size_max)
        return FILE_IS_FULL;
    if (config->cap && config->cap->used + member.len > config->cap->max)
        return -EDQUOT;
    off_t before = file_fd_size(&w->file);
    int r = file_fd_write(&w->file, member, &done);
    /* what cannot be cut back is a torn member, which readers pass over */
    if (r < 0 && file_fd_cut_back(&w->file, before, done, done))
        done = 0;
    if (r == 0)
        index_writer_add(&w->index, w->size, member, w->packing.min_ns, w->packing.max_ns);
    w->size += done;
    add_used(w, (int64_t)done);
    if (r == 0)
        r = written(w);
    if (r == 0)
        batch_out(&w->packing, batch_len(&w->packing));
    return r;
}

/* Waits for what is being packed, and writes it: 0, FILE_IS_FULL, or -errno: it is lost. */
static int collect(struct file_writer *w)
{
    struct span member;
    if (batch_len(&w->packing) == 0)
        return 0;
    int r = pack_thread_collect(w->pack, &member);
    if (r == 0)
        r = write_member(w, member);
    if (r < 0)
        batch_lose(&w->packing, BOOK_FAILED);
    return r;
}

/* Begins to pack what has come together, when what was packed before is out of the way. */
static int pack(struct file_writer *w, bool background)
{
    int r = collect(w);
    if (r == FILE_IS_FULL)
        return r;
    struct batch empty = w->packing;
    w->packing = w->batch;
    w->batch = empty;
    if (batch_len(&w->packing) > 0)
        pack_thread_start(w->pack, buf_span(&w->packing.bytes), background);
    return r;
}

static int flush_packed(struct file_writer *w)
{
    int r = pack(w, false);
    int last = r == FILE_IS_FULL ? r : collect(w);
    return r < 0 && last == 0 ? r : last;
}

int file_writer_flush(struct file_writer *w)
{
    int r = 0;
    if (w->pack)
        return flush_packed(w);
    if (batch_len(&w->batch) > 0)
        r = flush_plain(w);
    if (r < 0)
        lose_batch(w, BOOK_FAILED);
    return r;
}

/* --- both --- */

/* A plain record's place is known at once: 0 when there is one, FILE_IS_FULL, or -EDQUOT. */
static int has_room(const struct file_writer *w, size_t len)
{
    const struct file_cap *cap = w->config->cap;
    size_t waiting = batch_len(&w->batch); /* len included */
    if (cap && cap->used + (w->pack ? 1 : len) > cap->max)
        return -EDQUOT;
    if (w->pack)
        return 0;
    if (w->config->size_max > 0 && w->size + waiting > w->config->size_max &&
        w->size + waiting > len)
        return FILE_IS_FULL;
    return 0;
}

int64_t file_writer_put(struct file_writer *w, const struct msg *msg, int *fault)
{
    *fault = 0;
    int64_t len = batch_put(&w->batch, msg);
    if (len < 0)
        return len;
    int r = has_room(w, (size_t)len);
    if (r != 0) {
        batch_unput(&w->batch, (size_t)len);
        return r == FILE_IS_FULL ? 0 : r;
    }
    if (!w->pack)
        add_used(w, len);
    if (batch_len(&w->batch) >= w->batch_max)
        *fault = w->pack ? pack(w, true) : file_writer_flush(w);
    return len;
}

void file_writer_lose(struct file_writer *w)
{
    if (w->pack)
        pack_thread_drop(w->pack);
    batch_lose(&w->packing, BOOK_FAILED);
    lose_batch(w, BOOK_FAILED);
}

size_t file_writer_pending(const struct file_writer *w)
{
    return batch_len(&w->packing) + batch_len(&w->batch);
}

size_t file_writer_n_pending(const struct file_writer *w)
{
    return batch_n_msgs(&w->packing) + batch_n_msgs(&w->batch);
}

uint64_t file_writer_size(const struct file_writer *w)
{
    off_t size = file_fd_size(&w->file);
    return size > 0 ? (uint64_t)size : 0;
}
