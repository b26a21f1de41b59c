/* SPDX-License-Identifier: MIT */
#include "outputs/file_scan.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <zlib.h>

#include "lib/mem.h"
#include "lib/record.h"

#define PIECE (64 * KIB)
/* What a packed recording may unpack to behind the place that was noted: a few megabytes, and one
 * huge record. */
#define UNPACKED_MAX GIB
#define GZIP_WINDOW (15 + 16)

struct scan {
    int fd;
    uint64_t at;
    uint8_t piece[PIECE]; /* of the file */
    uint64_t piece_at;
    size_t piece_len;
};

/* The bytes at s->at, at least want of them unless the file ends before. */
static struct span look(struct scan *s, size_t want)
{
    if (s->at < s->piece_at || s->at + want > s->piece_at + s->piece_len) {
        ssize_t n = pread(s->fd, s->piece, PIECE, (off_t)s->at);
        s->piece_at = s->at;
        s->piece_len = n > 0 ? (size_t)n : 0;
    }
    size_t skip = (size_t)(s->at - s->piece_at);
    return span_of(s->piece + skip, s->piece_len - skip);
}

/* To behind the next separator, of which the first LF may lie before us. False: there is none. */
static bool resync(struct scan *s)
{
    size_t len = RECORD_SEPARATOR_LEN - 1;
    for (;;) {
        struct span bytes = look(s, PIECE);
        if (bytes.len < len)
            return false;
        const uint8_t *p = memmem(bytes.ptr, bytes.len, record_separator + 1, len);
        s->at += p ? (size_t)(p - bytes.ptr) + len : bytes.len - len + 1;
        if (p)
            return true;
    }
}

/* Is what follows a separator, as far as the file goes? */
static bool at_separator(struct scan *s)
{
    struct span bytes = look(s, RECORD_SEPARATOR_LEN);
    size_t n = bytes.len < RECORD_SEPARATOR_LEN ? bytes.len : RECORD_SEPARATOR_LEN;
    return memcmp(bytes.ptr, record_separator, n) == 0;
}

static void scan_records(struct scan *s, uint64_t len,
                         void (*found)(void *arg, uint64_t stream, uint64_t number), void *arg)
{
    struct record_origin o;
    while (s->at < len) {
        struct span bytes = look(s, RECORD_HEADER_MAX);
        if (!record_origin(bytes, &o) || o.payload_len > len - s->at) {
            if (!resync(s))
                return;
            continue;
        }
        uint64_t begin = s->at;
        s->at += o.line_len + o.payload_len;
        if (s->at > len || !at_separator(s)) { /* torn */
            s->at = begin + o.line_len;
            if (!resync(s))
                return;
            continue;
        }
        if (o.stream != 0)
            found(arg, o.stream, o.number);
        s->at += RECORD_SEPARATOR_LEN;
    }
}

static int write_all(int fd, const uint8_t *bytes, size_t n)
{
    while (n > 0) {
        ssize_t done = write(fd, bytes, n);
        if (done == -1)
            return -errno;
        bytes += done;
        n -= (size_t)done;
    }
    return 0;
}

/* Unpacks the members at fd into out, as far as they are good. 0 or -errno. */
static int unpack_all(z_stream *zip, int fd, int out)
{
    uint8_t in[PIECE / 2], plain[PIECE / 2];
    uint64_t total = 0;
    ssize_t n;
    while ((n = read(fd, in, sizeof(in))) > 0) {
        zip->next_in = in;
        zip->avail_in = (uInt)n;
        do {
            zip->next_out = plain;
            zip->avail_out = sizeof(plain);
            int z = inflate(zip, Z_NO_FLUSH);
            if (z != Z_OK && z != Z_STREAM_END && z != Z_BUF_ERROR)
                return 0;
            size_t got = sizeof(plain) - zip->avail_out;
            int r = write_all(out, plain, got);
            total += got;
            if (r < 0 || total > UNPACKED_MAX)
                return r < 0 ? r : -EFBIG;
            if (z == Z_STREAM_END)
                inflateReset(zip);
        } while (zip->avail_in > 0 || zip->avail_out == 0);
    }
    return n == -1 ? -errno : 0;
}

/* A file in memory with what is packed at fd from off on, or -errno. */
static int unpack(int fd, uint64_t off)
{
    z_stream zip = {0};
    int out = memfd_create("refrain-scan", MFD_CLOEXEC);
    int r = out == -1 || lseek(fd, (off_t)off, SEEK_SET) == -1 ? -errno : 0;
    if (r == 0 && inflateInit2(&zip, GZIP_WINDOW) != Z_OK)
        r = -ENOMEM;
    else if (r == 0)
        r = unpack_all(&zip, fd, out);
    inflateEnd(&zip);
    if (r < 0 && out != -1)
        close(out);
    return r < 0 ? r : out;
}

int file_scan(const char *path, uint64_t off,
              void (*found)(void *arg, uint64_t stream, uint64_t number), void *arg)
{
    size_t len = strlen(path);
    struct scan *s = mem_zalloc(MEM_IO, sizeof(*s));
    if (!s)
        return -ENOMEM;
    s->at = off;
    s->fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NOCTTY);
    int r = s->fd == -1 ? -errno : 0;
    if (r == 0 && len >= 3 && strcmp(path + len - 3, ".gz") == 0) {
        int unpacked = unpack(s->fd, off);
        close(s->fd);
        s->fd = unpacked;
        s->at = 0;
        r = unpacked < 0 ? unpacked : 0;
    }
    if (r == 0) {
        off_t end = lseek(s->fd, 0, SEEK_END);
        scan_records(s, end > 0 ? (uint64_t)end : 0, found, arg);
    }
    if (s->fd >= 0)
        close(s->fd);
    mem_free(s);
    return r;
}
