/* SPDX-License-Identifier: MIT */
/* A spool in a folder. Frames are gathered in pending and written together; what is sent is read
 * back a chunk at a time. A file is removed when all of it is acknowledged. */
#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "lib/clock.h"
#include "lib/log.h"
#include "lib/mem.h"
#include "lib/relay_frame.h"
#include "outputs/spool_files.h"
#include "outputs/spool_internal.h"

/* A file is as long, or an eighth of what the spool may hold: it goes when all of it is
 * acknowledged, and takes room until then. */
#define FILE_BYTES (16 * MIB)
#define PENDING_BYTES (256 * KIB)
#define CHUNK_BYTES (256 * KIB)
#define FRAME_MAX (RELAY_HEAD_LEN + RECORD_HEADER_MAX + RELAY_PAYLOAD_MAX)
/* The disk took nothing: when it is asked again. */
#define RETRY_NS (100 * NS_PER_MS)

struct spool_disk {
    char folder[4096];
    struct spool_files files;
    int fd; /* written to; -1: none yet */
    uint64_t file, file_len, file_frames; /* its number, and what it holds */
    struct buf pending;
    uint64_t pending_frames;
    int64_t flush_due_ns; /* 0: nothing is pending */
    bool unsynced; /* fd was written to, since it was last on its way to the disk */
    int64_t retry_ns; /* not before */
    int read_fd; /* of read_file */
    uint64_t read_file;
    struct buf chunk; /* whole frames from sent + 1 on */
    uint64_t loaded; /* number of the last frame that was read */
    uint64_t noted; /* acked, when the position was last written */
    int64_t note_due_ns;
};

static void fault(struct spool *s, const char *what, int errnum)
{
    log_error(s->tag, "%s %s: %s", what, s->disk->folder, err_text(errnum));
}

static int new_file(struct spool *s)
{
    struct spool_disk *d = s->disk;
    int fd = spool_files_new(&d->files);
    if (fd < 0)
        return fd;
    if (d->fd != -1)
        spool_files_done(&d->files, d->fd);
    d->fd = fd;
    d->file = d->files.next - 1;
    d->file_len = d->file_frames = 0;
    return 0;
}

/* The run that is being written; a file has one. */
static struct run *writing(struct spool *s)
{
    struct spool_disk *d = s->disk;
    if (s->last && s->last->file == d->file)
        return s->last;
    struct run *run = spool_run_add(s, s->written + 1);
    if (!run)
        return NULL;
    run->file = d->file;
    run->off = d->file_len;
    run->before = d->file_frames;
    run->last = true;
    return run;
}

/* Writes what is pending: 0 or -errno, then it stays pending. */
static int flush(struct spool *s, int64_t now_ns)
{
    struct spool_disk *d = s->disk;
    size_t len = buf_span(&d->pending).len;
    if (len == 0)
        return 0;
    if (now_ns < d->retry_ns)
        return -EAGAIN;
    uint64_t longest = s->max_bytes / 8 < FILE_BYTES ? s->max_bytes / 8 : FILE_BYTES;
    int r = d->fd == -1 || d->file_len >= longest ? new_file(s) : 0;
    struct run *run = r == 0 ? writing(s) : NULL;
    if (r == 0)
        r = run ? spool_files_append(&d->fd, buf_span(&d->pending), d->file_len) : -ENOMEM;
    if (r < 0) {
        fault(s, "cannot write the spool", -r);
        d->retry_ns = now_ns + RETRY_NS;
        return r;
    }
    run->len += len;
    run->frames += d->pending_frames;
    d->file_len += len;
    d->file_frames += d->pending_frames;
    s->written += d->pending_frames;
    d->pending_frames = 0;
    d->flush_due_ns = 0;
    d->unsynced = true;
    buf_consume(&d->pending, len);
    if (d->pending.cap > 2 * PENDING_BYTES)
        buf_fini(&d->pending);
    spool_tell(s, s->written);
    return 0;
}

enum output_result spool_disk_put(struct spool *s, const struct msg *msg, uint64_t stream,
                                  uint64_t number)
{
    struct spool_disk *d = s->disk;
    size_t len = relay_data_max(msg);
    size_t have = buf_span(&d->pending).len;
    if (have > 0 && have + len > PENDING_BYTES && flush(s, clock_mono_ns()) < 0)
        return OUTPUT_BUSY;
    if (buf_reserve(&d->pending, len) < 0)
        return OUTPUT_FAILED;
    len = relay_data_put(buf_tail(&d->pending), msg, stream, number);
    buf_commit(&d->pending, len);
    if (d->flush_due_ns == 0)
        d->flush_due_ns = clock_mono_ns() + SPOOL_SYNC_NS;
    d->pending_frames++;
    s->bytes += len;
    s->put++;
    return OUTPUT_TAKEN;
}

bool spool_disk_forget(struct spool *s, const struct run *run)
{
    if (run->file == s->disk->file)
        return false;
    if (run->last)
        spool_files_remove(&s->disk->files, run->file);
    return true;
}

void spool_disk_back(struct spool *s)
{
    buf_consume(&s->disk->chunk, buf_span(&s->disk->chunk).len);
}

void spool_disk_used(struct spool *s, size_t len)
{
    buf_consume(&s->disk->chunk, len);
}

/* The place of frame sent + 1, or at least a run that begins before it. */
static void locate(struct spool *s)
{
    struct run *run = s->first;
    while (run->first + run->frames <= s->sent + 1)
        run = run->next;
    s->at = run;
    s->at_off = 0;
    s->disk->loaded = run->first - 1;
}

/* Reads at least want bytes at off of a run into the chunk, if it has so many. 0 or -errno. */
static int load(struct spool *s, const struct run *run, uint64_t off, size_t want)
{
    struct spool_disk *d = s->disk;
    if (d->read_fd == -1 || d->read_file != run->file) {
        if (d->read_fd != -1)
            close(d->read_fd);
        d->read_fd = spool_files_read(&d->files, run->file);
        d->read_file = run->file;
        if (d->read_fd < 0) {
            int r = d->read_fd;
            d->read_fd = -1;
            return r;
        }
    }
    if (want > run->len - off)
        want = (size_t)(run->len - off);
    int r = buf_reserve(&d->chunk, want);
    while (r == 0 && want > 0) {
        ssize_t n = pread(d->read_fd, buf_tail(&d->chunk), want, (off_t)(run->off + off));
        if (n == -1 && errno != EINTR)
            return -errno;
        if (n == 0)
            return -EIO; /* it was longer when we looked */
        buf_commit(&d->chunk, n > 0 ? (size_t)n : 0);
        off += n > 0 ? (uint64_t)n : 0;
        want -= n > 0 ? (size_t)n : 0;
    }
    return r;
}

/* How many of bytes are whole frames; *frames of them, and *next: what the one behind needs, 0: it
 * is damaged. */
static size_t whole_frames(struct span bytes, uint64_t *frames, size_t *next)
{
    size_t whole = 0;
    *frames = 0;
    for (;;) {
        struct relay_head h;
        struct span left = span_from(bytes, whole);
        *next = RELAY_HEAD_LEN + RECORD_HEADER_MAX;
        enum relay_found r = relay_head_get(left, &h);
        if (r == RELAY_FOUND && h.type == RELAY_DATA)
            *next = relay_frame_len(&h);
        else if (r != RELAY_SHORT)
            *next = 0;
        if (r != RELAY_FOUND || *next == 0 || *next > left.len)
            return whole;
        whole += *next;
        (*frames)++;
    }
}

/* The rest of run, from at_off on, cannot be read: its frames are lost, and those behind it move
 * up. */
static void give_up_rest(struct spool *s, struct run *run)
{
    uint64_t lost = run->first + run->frames - 1 - s->disk->loaded;
    log_error(s->tag, "the spool %s is damaged: %llu messages are lost", s->disk->folder,
              (unsigned long long)lost);
    book_one(s->out->books, BOOK_SPOOL_DAMAGED);
    book_add(s->out->books, BOOK_FAILED, lost);
    s->bytes -= run->len - s->at_off;
    run->frames -= lost;
    run->len = s->at_off;
    for (struct run *r = run->next; r; r = r->next)
        r->first -= lost;
    s->written -= lost;
    s->put -= lost;
    for (size_t at = s->waiting.start; at < s->waiting.len; at += sizeof(struct waiting_receipt)) {
        struct waiting_receipt w;
        memcpy(&w, s->waiting.data + at, sizeof(w));
        w.number -= lost;
        memcpy(s->waiting.data + at, &w, sizeof(w));
    }
    if (run->file == s->disk->file) { /* what we write goes elsewhere from now on */
        close(s->disk->fd);
        s->disk->fd = -1;
        s->disk->file = 0;
    }
}

/* Fills the chunk, which is empty, with frames from at_off on; *frames of them, 0: no memory for
 * now. False: they are lost. */
static bool refill(struct spool *s, uint64_t *frames)
{
    struct spool_disk *d = s->disk;
    struct run *run = s->at;
    size_t next = CHUNK_BYTES, whole = 0;
    int r = 0;
    *frames = 0;
    if (d->chunk.cap > 4 * CHUNK_BYTES)
        buf_fini(&d->chunk);
    do { /* a second time for a frame that is longer */
        buf_consume(&d->chunk, buf_span(&d->chunk).len);
        r = load(s, run, s->at_off, next < CHUNK_BYTES ? CHUNK_BYTES : next);
        whole = r == 0 ? whole_frames(buf_span(&d->chunk), frames, &next) : 0;
    } while (r == 0 && whole == 0 && next > CHUNK_BYTES && next <= run->len - s->at_off);
    if (whole == 0)
        buf_consume(&d->chunk, buf_span(&d->chunk).len);
    if (r == -ENOMEM)
        return true;
    if (r < 0)
        fault(s, "cannot read the spool", -r);
    if (whole == 0) {
        give_up_rest(s, run);
        return false;
    }
    d->chunk.len = d->chunk.start + whole;
    s->at_off += whole;
    d->loaded += *frames;
    return true;
}

struct span spool_disk_next(struct spool *s)
{
    struct spool_disk *d = s->disk;
    while (buf_span(&d->chunk).len == 0) {
        uint64_t frames;
        if (s->sent == s->written && (flush(s, clock_mono_ns()) < 0 || s->sent == s->written))
            break;
        if (s->at && s->at_off == s->at->len)
            s->at = NULL; /* it is in another run */
        if (!s->at)
            locate(s);
        if (!refill(s, &frames))
            continue;
        if (frames == 0)
            break;
        /* after going back the first ones have been sent */
        for (uint64_t n = d->loaded - frames; n < s->sent && n < d->loaded; n++) {
            struct relay_head h = relay_head_peek(buf_span(&d->chunk).ptr);
            buf_consume(&d->chunk, relay_frame_len(&h));
        }
    }
    return buf_span(&d->chunk);
}

static struct spool_position position(const struct spool *s)
{
    const struct run *run = s->first;
    if (!run)
        return (struct spool_position){s->disk->file, s->disk->file_frames};
    uint64_t done = s->acked + 1 > run->first ? s->acked + 1 - run->first : 0;
    return (struct spool_position){run->file, run->before + done};
}

bool spool_disk_tick(struct spool *s, int64_t now_ns)
{
    struct spool_disk *d = s->disk;
    bool did = false;
    if (d->flush_due_ns != 0 && now_ns >= d->flush_due_ns)
        did = flush(s, now_ns) == 0;
    /* what the receiver has needs no disk */
    if (d->unsynced && d->fd != -1 && s->acked < s->written)
        d->unsynced = !spool_files_sync(&d->files, d->fd, now_ns);
    if (d->noted != s->acked && now_ns >= d->note_due_ns) {
        spool_files_note(&d->files, position(s));
        d->noted = s->acked;
        d->note_due_ns = now_ns + SPOOL_SYNC_NS;
    }
    return did;
}

/* Where in bytes, behind the first, a frame may begin. */
static size_t next_head(struct span bytes)
{
    struct relay_head h;
    for (size_t at = 1; at < bytes.len; at++)
        if (relay_head_get(span_from(bytes, at), &h) != RELAY_BAD)
            return at;
    return bytes.len;
}

/* Adds frames at off of file number to the last run, or to a new one. */
static int add_found(struct spool *s, struct run **run, const struct run *more)
{
    if (!*run) {
        *run = spool_run_add(s, s->put + 1);
        if (!*run)
            return -ENOMEM;
        (*run)->file = more->file;
        (*run)->off = more->off;
        (*run)->before = more->before;
    }
    (*run)->len += more->len;
    (*run)->frames += more->frames;
    s->put += more->frames;
    s->bytes += more->len;
    return 0;
}

/* The runs of valid frames of one file, found by looking at all of it. 0 or -errno. */
static int scan_file(struct spool *s, uint64_t number, uint64_t len)
{
    struct spool_disk *d = s->disk;
    struct run whole = {.file = number, .len = len}, more = {.file = number}, *run = NULL;
    bool damaged = false;
    int r = 0;
    while (more.off < len && r == 0) {
        size_t next;
        buf_consume(&d->chunk, buf_span(&d->chunk).len);
        r = load(s, &whole, more.off, CHUNK_BYTES);
        if (r < 0)
            return r;
        more.len = whole_frames(buf_span(&d->chunk), &more.frames, &next);
        if (more.len == 0 && next > CHUNK_BYTES && next <= len - more.off) {
            more.len = next; /* a long one */
            more.frames = 1;
        }
        if (more.len > 0) {
            r = add_found(s, &run, &more);
            damaged = false;
        } else {
            /* a beginning without its end is where an earlier run was killed */
            if (!damaged && next == 0)
                book_one(s->out->books, BOOK_SPOOL_DAMAGED);
            damaged = true;
            run = NULL;
            more.len = next_head(buf_span(&d->chunk));
        }
        more.off += more.len;
        more.before += more.frames;
    }
    if (s->last && s->last->file == number)
        s->last->last = true;
    else
        spool_files_remove(&d->files, number);
    return r;
}

static int scan(struct spool *s)
{
    struct spool_disk *d = s->disk;
    uint64_t *numbers;
    struct spool_position p = spool_files_position(&d->files);
    int64_t n = spool_files_list(&d->files, &numbers);
    int r = n < 0 ? (int)n : 0;
    for (int64_t i = 0; i < n && r == 0; i++) {
        if (numbers[i] < p.file) {
            spool_files_remove(&d->files, numbers[i]);
            continue;
        }
        int fd = spool_files_read(&d->files, numbers[i]);
        off_t len = fd < 0 ? 0 : lseek(fd, 0, SEEK_END);
        r = fd < 0 ? fd : scan_file(s, numbers[i], len > 0 ? (uint64_t)len : 0);
        if (fd >= 0)
            close(fd);
    }
    if (n >= 0)
        mem_free(numbers);
    if (r < 0)
        return r;
    if (s->first && s->first->file == p.file)
        s->acked = p.frames < s->put ? p.frames : s->put;
    if (d->files.next <= p.file)
        d->files.next = p.file + 1;
    buf_consume(&d->chunk, buf_span(&d->chunk).len);
    s->sent = d->noted = s->acked;
    s->written = s->put;
    return 0;
}

int spool_disk_open(struct spool *s, const struct spool_config *config, struct err *err)
{
    const char *folder = config->folder;
    struct spool_disk *d = mem_zalloc(MEM_IO, sizeof(*d));
    if (!d)
        return err_sys(err, ENOMEM, "%s", s->tag);
    d->fd = d->read_fd = -1;
    buf_init(&d->pending, FRAME_MAX + PENDING_BYTES);
    buf_init(&d->chunk, FRAME_MAX + CHUNK_BYTES);
    snprintf(d->folder, sizeof(d->folder), "%s", folder);
    s->disk = d;
    int r = spool_files_open(&d->files, folder, err);
    if (r < 0)
        return r;
    d->files.sync = config->sync;
    r = scan(s);
    if (r < 0) {
        spool_files_close(&d->files, folder, false);
        return err_sys(err, -r, "--output-tcp-spool: %s", folder);
    }
    uint64_t left = s->put - s->acked;
    book_add(s->out->books, BOOK_SEEN, left);
    book_add(s->out->books, BOOK_SPOOL_FOUND, left);
    if (left > 0)
        log_info(s->tag, "%llu messages of an earlier run are in the spool, and go first",
                 (unsigned long long)left);
    return 0;
}

/* What is left stays in the folder, which goes when nothing is. */
static void leave(struct spool *s)
{
    struct spool_disk *d = s->disk;
    d->retry_ns = 0;
    if (flush(s, clock_mono_ns()) < 0) {
        book_add(s->out->books, BOOK_FAILED, s->put - s->written);
        s->put = s->written;
    }
    bool empty = s->acked == s->put;
    for (const struct run *run = s->first; run && empty; run = run->next)
        spool_files_remove(&d->files, run->file);
    if (!empty)
        spool_files_note(&d->files, position(s));
    spool_files_close(&d->files, d->folder, empty);
}

void spool_disk_close(struct spool *s)
{
    struct spool_disk *d = s->disk;
    if (d->files.dir != -1)
        leave(s);
    if (d->fd != -1)
        spool_files_done(&d->files, d->fd);
    if (d->read_fd != -1)
        close(d->read_fd);
    buf_fini(&d->pending);
    buf_fini(&d->chunk);
}
