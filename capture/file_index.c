/* SPDX-License-Identifier: MIT */
#include "capture/file_index.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "capture/file_stream.h"
#include "lib/log.h"
#include "lib/mem.h"
#include "lib/record.h"
#include "lib/record_index.h"

/* A smaller recording, or rest of one, is read as quickly as it is looked up. */
#define WORTH_IT (64 * MIB)
#define INDEX_MAX (256 * MIB)
#define RAW_MAX (MSG_LEN_MAX + 16 * MIB)

struct file_index {
    const char *path;
    int fd; /* of the recording */
    uint64_t size;
    struct buf lines; /* struct index_line, from 0 on without a gap */
};

static size_t n_lines(const struct file_index *x)
{
    return buf_span(&x->lines).len / sizeof(struct index_line);
}

static struct index_line nth_line(const struct file_index *x, size_t n)
{
    struct index_line line;
    memcpy(&line, buf_span(&x->lines).ptr + n * sizeof(line), sizeof(line));
    return line;
}

static uint64_t covered(const struct file_index *x)
{
    return n_lines(x) > 0 ? nth_line(x, n_lines(x) - 1).end : 0;
}

/* Is at its place what was there when the line was written? */
static bool fits(const struct file_index *x, const struct index_line *line)
{
    uint8_t bytes[INDEX_CHECKED];
    size_t want = line->end - line->start < sizeof(bytes) ? line->end - line->start : sizeof(bytes);
    return line->end <= x->size && pread(x->fd, bytes, want, (off_t)line->start) == (ssize_t)want &&
           index_check(span_of(bytes, want)) == line->check;
}

static int read_all(struct buf *out, const char *path)
{
    int r = 0;
    ssize_t n = 1;
    int fd = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    if (fd == -1)
        return 0; /* there is none */
    while (n > 0 && r == 0) {
        r = buf_reserve(out, 64 * KIB);
        n = r == 0 ? read(fd, buf_tail(out), 64 * KIB) : 0;
        if (n > 0)
            buf_commit(out, (size_t)n);
    }
    close(fd);
    return r == -ENOBUFS ? 0 : r; /* none of ours */
}

/* Takes those lines of the index that make sense: 0 or -ENOMEM. */
static int load(struct file_index *x, const char *index)
{
    struct buf text;
    buf_init(&text, INDEX_MAX);
    int r = read_all(&text, index);
    struct span left = buf_span(&text);
    while (r == 0 && left.len > 0) {
        struct index_line line;
        const uint8_t *lf = memchr(left.ptr, '\n', left.len);
        size_t len = lf ? (size_t)(lf - left.ptr) : left.len;
        if (!lf || !index_parse(&line, span_of(left.ptr, len)) || line.start != covered(x) ||
            line.end > x->size)
            break;
        r = buf_append(&x->lines, &line, sizeof(line));
        left = span_from(left, len + 1);
    }
    buf_fini(&text);
    return r;
}

/* --- making it --- */

struct scan {
    struct file_index *x;
    struct file_stream *stream;
    struct buf raw;
    struct record_reader records;
    struct index_line line; /* the current stretch; last_ns < first_ns: no record yet */
    uint64_t at; /* of a plain recording: where raw begins */
    uint64_t member; /* of a compressed one: the one that raw came from */
};

static void begin_line(struct scan *s, uint64_t start)
{
    s->line = (struct index_line){.start = start, .first_ns = INT64_MAX, .last_ns = INT64_MIN};
}

/* The stretch may end there: 0 or -ENOMEM. */
static int may_end(struct scan *s, uint64_t at, uint64_t stretch)
{
    uint8_t bytes[INDEX_CHECKED];
    struct index_line *l = &s->line;
    if (at - l->start < stretch || l->last_ns < l->first_ns)
        return 0;
    ssize_t n = pread(s->x->fd, bytes, sizeof(bytes), (off_t)l->start);
    if (n <= 0)
        return 0;
    l->end = at;
    size_t len = l->end - l->start < (uint64_t)n ? l->end - l->start : (size_t)n;
    l->check = index_check(span_of(bytes, len));
    int r = buf_append(&s->x->lines, l, sizeof(*l));
    begin_line(s, at);
    return r;
}

/* Reads what raw has: 0 or -ENOMEM. */
static int scan_records(struct scan *s, bool at_end)
{
    for (;;) {
        struct span raw = buf_span(&s->raw);
        struct msg *msg = NULL;
        size_t used = 0;
        size_t unsure = at_end ? 0 : file_stream_unsure(s->stream);
        enum record_result result =
            record_read(&s->records, raw.ptr, raw.len - unsure, at_end, &used, &msg);
        buf_consume(&s->raw, used);
        s->at += used;
        if (result == RECORD_MSG) {
            if (msg->ts_ns < s->line.first_ns)
                s->line.first_ns = msg->ts_ns;
            if (msg->ts_ns > s->line.last_ns)
                s->line.last_ns = msg->ts_ns;
            msg_unref(msg);
            int r = file_stream_is_compressed(s->stream) ? 0 : may_end(s, s->at, INDEX_STRETCH);
            if (r < 0)
                return r;
        } else if (result == RECORD_MORE && used == 0) {
            return 0;
        }
    }
}

/* Behind a break the records begin anew; the bytes between are a part of the stretch. */
static int pass_break(struct scan *s)
{
    int r = scan_records(s, true);
    buf_consume(&s->raw, buf_span(&s->raw).len);
    record_reader_init(&s->records, MSG_LEN_MAX);
    return r;
}

/* Until the end, or a word to stop. 0 or -errno. */
static int scan_on(struct scan *s, int stop_fd)
{
    struct pollfd stop = {.fd = stop_fd, .events = POLLIN};
    int r = STREAM_BYTES;
    while ((r == STREAM_BYTES || r == STREAM_BREAK) && (stop_fd < 0 || poll(&stop, 1, 0) == 0)) {
        bool whole = buf_span(&s->raw).len == 0;
        r = file_stream_read(s->stream, &s->raw, 0, stop_fd);
        if (r < 0)
            return r;
        int ended = 0;
        uint64_t member = file_stream_member(s->stream);
        if (r == STREAM_BYTES && file_stream_is_compressed(s->stream) && member != s->member &&
            whole)
            ended = may_end(s, member, INDEX_STRETCH_PACKED);
        s->member = member;
        if (ended == 0)
            ended = r == STREAM_BREAK ? pass_break(s) : scan_records(s, r == STREAM_END);
        if (ended < 0)
            return ended;
    }
    return 0;
}

/* Reads the recording from where the index ends. */
static int scan(struct file_index *x, int stop_fd, struct err *err)
{
    struct scan s = {.x = x, .at = covered(x), .member = covered(x)};
    int r = file_stream_open(&s.stream, x->path, err);
    if (r < 0)
        return r;
    buf_init(&s.raw, RAW_MAX);
    record_reader_init(&s.records, MSG_LEN_MAX);
    begin_line(&s, s.at);
    r = file_stream_seek(s.stream, s.at);
    if (r == 0)
        r = scan_on(&s, stop_fd);
    buf_fini(&s.raw);
    file_stream_free(s.stream);
    return r < 0 ? err_sys(err, -r, "--input-file %s: cannot be read on", x->path) : 0;
}

/* Writes the index in place of the one that is there; that it cannot be is no fault: it is only
 * slower the next time. */
static void save(const struct file_index *x, const char *index)
{
    char fresh[PATH_MAX];
    bool good = true;
    int n = snprintf(fresh, sizeof(fresh), "%s.%d", index, (int)getpid());
    if (n >= (int)sizeof(fresh))
        return;
    int fd = open(fresh, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd == -1)
        return;
    for (size_t i = 0; i < n_lines(x) && good; i++) {
        char text[INDEX_LINE_MAX];
        struct index_line line = nth_line(x, i);
        size_t len = index_format(text, &line);
        good = write(fd, text, len) == (ssize_t)len;
    }
    close(fd);
    if (!good || rename(fresh, index) == -1)
        unlink(fresh);
}

static size_t nth_for(const struct file_index *x, int64_t from_ns)
{
    size_t n = 0;
    while (n < n_lines(x) && nth_line(x, n).last_ns < from_ns)
        n++;
    return n;
}

/* The first place that may hold a record of that time or a later one. */
static uint64_t find(const struct file_index *x, int64_t from_ns)
{
    size_t n = nth_for(x, from_ns);
    return n < n_lines(x) ? nth_line(x, n).start : covered(x);
}

/* An index of another recording, or of this one before it was changed, is forgotten. Not every line
 * is looked at: that would be a seek on the disk for each. */
static void check_lines(struct file_index *x, int64_t from_ns)
{
    size_t n = n_lines(x);
    if (n == 0)
        return;
    size_t wanted = nth_for(x, from_ns);
    const struct index_line looked_at[] = {nth_line(x, 0), nth_line(x, n - 1),
                                           nth_line(x, wanted < n ? wanted : n - 1)};
    for (size_t i = 0; i < ARRAY_LEN(looked_at); i++)
        if (!fits(x, &looked_at[i]))
            buf_consume(&x->lines, buf_span(&x->lines).len);
}

static int seek(struct file_index *x, uint64_t *offset, int64_t from_ns, int stop_fd,
                struct err *err)
{
    char index[PATH_MAX];
    if (index_path(index, x->path) < 0)
        return 0;
    int r = load(x, index);
    if (r < 0)
        return err_sys(err, -r, "--input-file %s", x->path);
    check_lines(x, from_ns);
    *offset = find(x, from_ns);
    if (*offset < covered(x) || x->size - covered(x) < WORTH_IT)
        return 0;
    log_info("input-file", "%s: its index is missing or ends early: reading all of it once",
             x->path);
    size_t had = n_lines(x);
    r = scan(x, stop_fd, err);
    if (r == 0 && n_lines(x) > had)
        save(x, index);
    *offset = find(x, from_ns);
    return r;
}

int file_index_seek(uint64_t *offset, const char *path, int64_t from_ns, int stop_fd,
                    struct err *err)
{
    struct stat st;
    struct file_index x = {.path = path};
    *offset = 0;
    x.fd = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    if (x.fd == -1)
        return err_sys(err, errno, "--input-file %s: cannot be opened", path);
    buf_init(&x.lines, INDEX_MAX);
    int r = 0;
    if (fstat(x.fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_size >= (off_t)WORTH_IT) {
        x.size = (uint64_t)st.st_size;
        r = seek(&x, offset, from_ns, stop_fd, err);
    }
    buf_fini(&x.lines);
    close(x.fd);
    return r;
}
