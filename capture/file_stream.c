/* SPDX-License-Identifier: MIT */
#include "capture/file_stream.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include "capture/unpack.h"
#include "lib/mem.h"

#define IN_BYTES (128 * KIB)
/* A file that breaks more often is no recording; each break costs a search. */
#define MAX_BREAKS 1000
/* Deflate data that is no such data is noticed long before it has given so much: 64 KiB of a stored
 * block, then a handful of matches. A zstd block is at most 128 KiB, checked as a whole unless it
 * is stored, and few bytes look like the head of another one. */
#define UNSURE_BYTES (256 * KIB)

/* Bytes of a file that are read to find out whether a member is sound. */
#define AHEAD_MAX (64 * MIB)

enum state {
    FIRST = 0, /* plain or compressed is not known yet */
    PLAIN,
    MEMBER, /* inside a gzip member or a zstd frame */
    BETWEEN, /* at the end of one: another, or the end of the file */
    SEARCH, /* after damage: looking for the next member */
    OVER,
};

enum verdict {
    UNKNOWN = 0,
    SOUND,
    UNSOUND,
};

/* in.start is where the reading stands; in_offset + in.start is its place in the file. */
struct file_stream {
    int fd;
    bool regular, eof;
    enum state state;
    unsigned breaks;
    struct {
        uint8_t *data;
        size_t start, len;
    } in;
    uint64_t in_offset; /* of in.data[0] in the file */
    uint64_t size; /* when it was opened */
    uint64_t member; /* where the current member began */
    uint64_t member_out; /* bytes that it has given */
    enum verdict verdict; /* about it */
    bool broke, garbled; /* the last result was STREAM_BREAK */
    uint64_t broke_at;
    enum unpack_format format;
    struct unpack *unpack; /* NULL: not compressed, or not known yet */
};

static int look_at(struct file_stream *s, const char *path, struct err *err)
{
    struct stat st;
    if (fstat(s->fd, &st) == -1)
        return err_sys(err, errno, "--input-file %s", path);
    if (S_ISDIR(st.st_mode)) {
        err_usage(err, "--input-file %s: this is a folder: name its files, e.g. '%s/*.gor'", path,
                  path);
        return -EISDIR;
    }
    s->regular = S_ISREG(st.st_mode);
    s->size = st.st_size > 0 ? (uint64_t)st.st_size : 0;
    if (s->regular && strcmp(path, "-") != 0)
        posix_fadvise(s->fd, 0, 0, POSIX_FADV_SEQUENTIAL);
    return 0;
}

int file_stream_open(struct file_stream **sp, const char *path, struct err *err)
{
    bool is_stdin = strcmp(path, "-") == 0;
    struct file_stream *s = mem_zalloc(MEM_IO, sizeof(*s));
    if (s)
        s->in.data = mem_alloc(MEM_IO, IN_BYTES);
    if (!s || !s->in.data) {
        mem_free(s);
        return err_sys(err, ENOMEM, "--input-file %s", path);
    }
    s->fd = is_stdin ? fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3)
                     : open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    int r = s->fd == -1 ? err_sys(err, errno, "--input-file %s: cannot be opened", path)
                        : look_at(s, path, err);
    if (r < 0) {
        file_stream_free(s);
        return r;
    }
    s->regular = s->regular && !is_stdin;
    *sp = s;
    return 0;
}

void file_stream_free(struct file_stream *s)
{
    if (!s)
        return;
    unpack_free(s->unpack);
    if (s->fd != -1)
        close(s->fd);
    mem_free(s->in.data);
    mem_free(s);
}

bool file_stream_is_regular(const struct file_stream *s)
{
    return s->regular;
}

uint64_t file_stream_size(const struct file_stream *s)
{
    return s->regular ? s->size : 0;
}

bool file_stream_is_compressed(const struct file_stream *s)
{
    return s->unpack != NULL;
}

uint64_t file_stream_offset(const struct file_stream *s)
{
    return s->broke ? s->broke_at : s->in_offset + s->in.start;
}

uint64_t file_stream_member(const struct file_stream *s)
{
    return s->member;
}

int file_stream_seek(struct file_stream *s, uint64_t offset)
{
    assert(s->regular);
    if (lseek(s->fd, (off_t)offset, SEEK_SET) != (off_t)offset)
        return -errno;
    unpack_free(s->unpack);
    s->unpack = NULL;
    s->state = FIRST;
    s->eof = s->broke = false;
    s->in_offset = offset;
    s->in.start = s->in.len = 0;
    return 0;
}

size_t file_stream_unsure(const struct file_stream *s)
{
    if (s->state != MEMBER)
        return 0;
    return s->member_out < UNSURE_BYTES ? (size_t)s->member_out : UNSURE_BYTES;
}

bool file_stream_is_garbled(const struct file_stream *s)
{
    assert(s->broke);
    return s->garbled;
}

static size_t n_in(const struct file_stream *s)
{
    return s->in.len - s->in.start;
}

/* Gets more bytes of the file behind those in s->in. STREAM_BYTES, _END, _WAIT or -errno. */
static int refill(struct file_stream *s, int wait_ms, int stop_fd)
{
    if (s->in.start > 0) {
        memmove(s->in.data, s->in.data + s->in.start, n_in(s));
        s->in_offset += s->in.start;
        s->in.len -= s->in.start;
        s->in.start = 0;
    }
    assert(s->in.len < IN_BYTES);
    while (!s->eof) {
        struct pollfd fds[2] = {{.fd = s->fd, .events = POLLIN}, {.fd = stop_fd, .events = POLLIN}};
        if (!s->regular && (poll(fds, 2, wait_ms) <= 0 || fds[1].revents || !fds[0].revents))
            return STREAM_WAIT;
        ssize_t n = read(s->fd, s->in.data + s->in.len, IN_BYTES - s->in.len);
        if (n > 0) {
            s->in.len += (size_t)n;
            return STREAM_BYTES;
        }
        if (n == 0)
            s->eof = true;
        else if (errno == EAGAIN)
            return STREAM_WAIT;
        else if (errno != EINTR)
            return -errno;
    }
    return STREAM_END;
}

/* Unpacks the current member to its end. UNKNOWN: no memory. */
static enum verdict look_ahead(const struct file_stream *s, uint8_t *in, struct buf *out)
{
    struct unpack *u;
    enum verdict verdict = UNKNOWN;
    uint64_t at = s->member, until = s->member + AHEAD_MAX;
    if (unpack_new(&u, s->format) < 0)
        return UNKNOWN;
    while (verdict == UNKNOWN) {
        ssize_t n = at < until ? pread(s->fd, in, IN_BYTES, (off_t)at) : -1;
        if (n <= 0)
            verdict = n == 0 ? UNSOUND : SOUND; /* torn; or who knows */
        struct span left = span_of(in, n > 0 ? (size_t)n : 0);
        while (verdict == UNKNOWN && (left.len > 0 || unpack_has_more(u))) {
            size_t used;
            int r = unpack_some(u, left, &used, out);
            buf_consume(out, buf_span(out).len);
            left = span_from(left, used);
            if (r != UNPACK_MORE)
                verdict = r == UNPACK_BAD ? UNSOUND : SOUND;
        }
        at += n > 0 ? (uint64_t)n : 0;
    }
    unpack_free(u);
    return verdict;
}

bool file_stream_is_sound(struct file_stream *s)
{
    if (!s->regular || !s->unpack || s->verdict != UNKNOWN)
        return s->verdict != UNSOUND;
    struct buf out;
    uint8_t *in = mem_alloc(MEM_IO, IN_BYTES);
    buf_init(&out, MIB);
    if (in)
        s->verdict = look_ahead(s, in, &out);
    buf_fini(&out);
    mem_free(in);
    return s->verdict != UNSOUND;
}

static enum unpack_format magic(const struct file_stream *s)
{
    return unpack_magic(span_of(s->in.data + s->in.start, n_in(s)));
}

static int begin_member(struct file_stream *s)
{
    int r = s->unpack ? unpack_begin(s->unpack) : unpack_new(&s->unpack, s->format);
    if (r < 0)
        return r;
    s->member = s->in_offset + s->in.start;
    s->member_out = 0;
    s->verdict = UNKNOWN;
    s->state = MEMBER;
    return 0;
}

/* Goes back to just behind the beginning of the member. A pipe cannot go back: it stays where it
 * is. */
static void rewind_member(struct file_stream *s)
{
    off_t back = (off_t)s->member + 1;
    if (s->member + 1 >= s->in_offset) {
        s->in.start = (size_t)(s->member + 1 - s->in_offset);
    } else if (s->regular && lseek(s->fd, back, SEEK_SET) == back) {
        s->eof = false;
        s->in_offset = (uint64_t)back;
        s->in.start = s->in.len = 0;
    }
}

/* STREAM_BYTES when the next member was found, or the end. */
static int search(struct file_stream *s, int wait_ms, int stop_fd)
{
    for (;;) {
        while (n_in(s) >= UNPACK_HEADER) {
            if (unpack_is_header(s->format, s->in.data + s->in.start))
                return begin_member(s);
            s->in.start++;
        }
        int r = refill(s, wait_ms, stop_fd);
        if (r == STREAM_END)
            s->state = OVER;
        if (r != STREAM_BYTES)
            return r == STREAM_END ? STREAM_BYTES : r;
    }
}

/* The member is damaged, or cut short by the end of the file: the next one is looked for from just
 * behind its beginning, because a torn one makes what follows it look like its own. */
static int member_broke(struct file_stream *s, bool at_end)
{
    s->broke = true;
    s->broke_at = s->member;
    s->garbled = !at_end;
    s->state = SEARCH;
    if (++s->breaks > MAX_BREAKS) {
        s->state = OVER;
        return STREAM_BREAK;
    }
    rewind_member(s);
    if (s->regular || at_end) { /* nothing to wait for */
        int r = search(s, 0, -1);
        if (r < 0)
            return r;
        s->garbled = s->garbled || s->state == MEMBER;
    }
    return STREAM_BREAK;
}

/* At least n bytes, unless the file has fewer: 0, STREAM_WAIT or -errno. */
static int have(struct file_stream *s, size_t n, int wait_ms, int stop_fd)
{
    int r = STREAM_BYTES;
    while (n_in(s) < n && r == STREAM_BYTES)
        r = refill(s, wait_ms, stop_fd);
    return r == STREAM_END ? 0 : r;
}

static int between(struct file_stream *s, int wait_ms, int stop_fd)
{
    int r = have(s, UNPACK_MAGIC, wait_ms, stop_fd);
    if (r != 0)
        return r;
    if (n_in(s) == 0) {
        s->state = OVER;
        return STREAM_BYTES;
    }
    if (magic(s) == s->format)
        return begin_member(s);
    s->member = s->in_offset + s->in.start;
    return member_broke(s, false);
}

static int first(struct file_stream *s, int wait_ms, int stop_fd)
{
    int r = have(s, UNPACK_MAGIC, wait_ms, stop_fd);
    if (r != 0)
        return r;
    s->format = magic(s);
    s->state = PLAIN;
    return s->format == UNPACK_NONE ? STREAM_BYTES : begin_member(s);
}

static int plain(struct file_stream *s, struct buf *out, int wait_ms, int stop_fd)
{
    if (n_in(s) == 0) {
        int r = refill(s, wait_ms, stop_fd);
        if (r == STREAM_END)
            s->state = OVER;
        if (r != STREAM_BYTES)
            return r == STREAM_END ? STREAM_BYTES : r;
    }
    int r = buf_append(out, s->in.data + s->in.start, n_in(s));
    s->in.start = s->in.len;
    return r;
}

static int member(struct file_stream *s, struct buf *out, int wait_ms, int stop_fd)
{
    if (n_in(s) == 0 && !unpack_has_more(s->unpack)) {
        int r = refill(s, wait_ms, stop_fd);
        if (r == STREAM_END)
            return member_broke(s, true);
        if (r != STREAM_BYTES)
            return r;
    }
    size_t used, before = buf_span(out).len;
    int r = unpack_some(s->unpack, span_of(s->in.data + s->in.start, n_in(s)), &used, out);
    s->in.start += used;
    if (r < 0)
        return r;
    s->member_out += buf_span(out).len - before;
    if (r == UNPACK_BAD)
        return member_broke(s, false);
    if (r == UNPACK_END) {
        s->state = BETWEEN;
        s->verdict = SOUND;
    }
    return STREAM_BYTES;
}

int file_stream_read(struct file_stream *s, struct buf *out, int wait_ms, int stop_fd)
{
    size_t before = out->len - out->start;
    int r = STREAM_BYTES;
    s->broke = false;
    while (r == STREAM_BYTES && out->len - out->start == before) {
        switch (s->state) {
        case FIRST:
            r = first(s, wait_ms, stop_fd);
            break;
        case PLAIN:
            r = plain(s, out, wait_ms, stop_fd);
            break;
        case MEMBER:
            r = member(s, out, wait_ms, stop_fd);
            break;
        case BETWEEN:
            r = between(s, wait_ms, stop_fd);
            break;
        case SEARCH:
            r = search(s, wait_ms, stop_fd);
            break;
        case OVER:
            return STREAM_END;
        }
    }
    return r;
}
