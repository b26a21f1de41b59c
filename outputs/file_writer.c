/* SPDX-License-Identifier: MIT */
#include "outputs/file_writer.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include "lib/mem.h"
#include "lib/record.h"
#include "outputs/batch.h"

/* Enough that a write costs little per record, and that gzip finds what repeats. */
#define PLAIN_BATCH (256 * KIB)
#define GZIP_BATCH (1 * MIB)
#define PACKED_BYTES (256 * KIB)
/* Traffic repeats itself so much that the higher levels gain little for their time. */
#define GZIP_LEVEL 2
#define GZIP_WINDOW (15 + 16) /* with gzip header and trailer */

struct file_writer {
    int fd;
    bool regular; /* not a device or pipe: its length means something */
    size_t lacks; /* so many bytes of a separator are to be written before the next record */
    bool gzip;
    size_t batch_max;
    struct batch batch;
    z_stream zip; /* when gzip */
    uint8_t *packed;
};

/* Makes the folders that path needs. */
static int make_folders(const char *path)
{
    char folder[PATH_MAX];
    for (const char *slash = strchr(path, '/'); slash; slash = strchr(slash + 1, '/')) {
        int n = snprintf(folder, sizeof(folder), "%.*s", (int)(slash - path), path);
        if (n >= PATH_MAX)
            return -ENAMETOOLONG;
        if (n > 0 && mkdir(folder, 0700) == -1 && errno != EEXIST)
            return -errno;
    }
    return 0;
}

static int open_path(const char *path, enum file_mode mode)
{
    int flags = O_APPEND | O_CREAT | O_NOFOLLOW | O_CLOEXEC | O_NOCTTY;
    if (mode == FILE_NEW)
        flags |= O_WRONLY | O_EXCL;
    else
        flags |= O_RDWR; /* to look at its end */
    int fd = open(path, flags, 0600);
    if (fd == -1 && errno == ENOENT) {
        int r = make_folders(path);
        if (r < 0)
            return r;
        fd = open(path, flags, 0600);
    }
    return fd == -1 ? -errno : fd;
}

/* How many bytes of a separator the end of a plain recording lacks: a crash leaves it torn. */
static size_t lacks_of_separator(int fd, off_t size)
{
    uint8_t tail[RECORD_SEPARATOR_LEN];
    size_t len = size < (off_t)sizeof(tail) ? (size_t)size : sizeof(tail);
    if (len == 0)
        return 0;
    if (pread(fd, tail, len, size - (off_t)len) != (ssize_t)len)
        return RECORD_SEPARATOR_LEN;
    size_t has = len;
    while (has > 0 && memcmp(tail + len - has, record_separator, has) != 0)
        has--;
    /* one LF alone is more likely the payload's, and readers pass over one too many */
    return has == 1 ? RECORD_SEPARATOR_LEN : RECORD_SEPARATOR_LEN - has;
}

/* What is at fd: 0, or why it cannot be written. */
static int look_at(struct file_writer *w, enum file_mode mode)
{
    struct stat st;
    if (fstat(w->fd, &st) == -1)
        return -errno;
    w->regular = S_ISREG(st.st_mode);
    if (mode == FILE_NEW || !w->regular)
        return 0;
    /* a file system without locks is no reason not to write */
    if (flock(w->fd, LOCK_EX | LOCK_NB) == -1 && errno == EWOULDBLOCK)
        return -EBUSY;
    if (!w->gzip)
        w->lacks = lacks_of_separator(w->fd, st.st_size);
    return 0;
}

static int set_up_gzip(struct file_writer *w)
{
    w->packed = mem_alloc(MEM_IO, PACKED_BYTES);
    if (!w->packed)
        return -ENOMEM;
    int z = deflateInit2(&w->zip, GZIP_LEVEL, Z_DEFLATED, GZIP_WINDOW, 8, Z_DEFAULT_STRATEGY);
    if (z != Z_OK) {
        mem_free(w->packed);
        w->packed = NULL;
        return -ENOMEM;
    }
    return 0;
}

int file_writer_open(struct file_writer **wp, const char *path, enum file_mode mode,
                     struct books *books)
{
    size_t len = strlen(path);
    struct file_writer *w = mem_zalloc(MEM_IO, sizeof(*w));
    if (!w)
        return -ENOMEM;
    batch_init(&w->batch, books);
    w->gzip = len >= 3 && strcmp(path + len - 3, ".gz") == 0;
    w->batch_max = w->gzip ? GZIP_BATCH : PLAIN_BATCH;
    w->fd = -1;
    int r = w->gzip ? set_up_gzip(w) : 0;
    if (r == 0)
        r = w->fd = open_path(path, mode);
    if (r >= 0)
        r = look_at(w, mode);
    if (r < 0) {
        file_writer_free(w);
        return r;
    }
    *wp = w;
    return 0;
}

void file_writer_free(struct file_writer *w)
{
    if (!w)
        return;
    batch_lose(&w->batch, BOOK_ABANDONED);
    batch_fini(&w->batch);
    if (w->packed)
        deflateEnd(&w->zip);
    mem_free(w->packed);
    if (w->fd != -1)
        close(w->fd);
    mem_free(w);
}

/* Writes all of bytes; *done of them are out, also when it fails with -errno. */
static int write_all(int fd, struct span bytes, size_t *done)
{
    *done = 0;
    while (*done < bytes.len) {
        ssize_t n = write(fd, bytes.ptr + *done, bytes.len - *done);
        if (n == -1 && errno == EINTR)
            continue;
        if (n == -1)
            return -errno;
        if (n == 0)
            return -ENOSPC;
        *done += (size_t)n;
    }
    return 0;
}

/* Cuts off the last excess bytes, which we have just written; if that cannot be done the next
 * record begins behind a separator. */
static void cut_back(struct file_writer *w, off_t before, size_t written, size_t excess)
{
    struct stat st;
    if (excess == 0)
        return;
    bool ours = w->regular && fstat(w->fd, &st) == 0 && st.st_size == before + (off_t)written;
    if (!ours || ftruncate(w->fd, st.st_size - (off_t)excess) == -1)
        w->lacks = RECORD_SEPARATOR_LEN;
}

static int flush_plain(struct file_writer *w, off_t before)
{
    size_t done, prefix = 0;
    if (w->lacks > 0) {
        struct span separator = span_of(record_separator, RECORD_SEPARATOR_LEN);
        struct span rest = span_from(separator, separator.len - w->lacks);
        int r = write_all(w->fd, rest, &prefix);
        if (r < 0) {
            cut_back(w, before, prefix, prefix);
            return r;
        }
        w->lacks = 0;
    }
    int r = write_all(w->fd, buf_span(&w->batch.bytes), &done);
    size_t whole = r < 0 ? batch_whole(&w->batch, done) : done;
    cut_back(w, before + (off_t)prefix, done, done - whole);
    batch_out(&w->batch, whole);
    return r;
}

/* Packs all of the batch into one member; *done bytes of it are out, also on failure. */
static int write_member(struct file_writer *w, size_t *done)
{
    struct span left = buf_span(&w->batch.bytes);
    int z = Z_OK;
    *done = 0;
    deflateReset(&w->zip);
    while (z != Z_STREAM_END) {
        size_t n;
        uInt in = left.len < UINT_MAX ? (uInt)left.len : UINT_MAX;
        w->zip.next_in = (Bytef *)left.ptr;
        w->zip.avail_in = in;
        w->zip.next_out = w->packed;
        w->zip.avail_out = PACKED_BYTES;
        z = deflate(&w->zip, in == left.len ? Z_FINISH : Z_NO_FLUSH);
        assert(z == Z_OK || z == Z_STREAM_END);
        left = span_from(left, in - w->zip.avail_in);
        int r = write_all(w->fd, span_of(w->packed, PACKED_BYTES - w->zip.avail_out), &n);
        *done += n;
        if (r < 0)
            return r;
    }
    return 0;
}

static int flush_gzip(struct file_writer *w, off_t before)
{
    size_t done;
    int r = write_member(w, &done);
    if (r < 0)
        cut_back(w, before, done, done);
    else
        batch_out(&w->batch, batch_len(&w->batch));
    return r;
}

int file_writer_flush(struct file_writer *w)
{
    struct stat st = {0};
    if (batch_len(&w->batch) == 0)
        return 0;
    if (w->regular && fstat(w->fd, &st) == -1)
        st.st_size = -1; /* never equal to what cut_back() expects */
    int r = w->gzip ? flush_gzip(w, st.st_size) : flush_plain(w, st.st_size);
    if (r < 0)
        batch_lose(&w->batch, BOOK_FAILED);
    return r;
}

int64_t file_writer_put(struct file_writer *w, const struct msg *msg, int *fault)
{
    *fault = 0;
    int64_t len = batch_put(&w->batch, msg);
    if (len > 0 && batch_len(&w->batch) >= w->batch_max)
        *fault = file_writer_flush(w);
    return len;
}

size_t file_writer_pending(const struct file_writer *w)
{
    return batch_len(&w->batch);
}

uint64_t file_writer_size(const struct file_writer *w)
{
    struct stat st;
    return w->regular && fstat(w->fd, &st) == 0 ? (uint64_t)st.st_size : 0;
}
