/* SPDX-License-Identifier: MIT */
#include "capture/file_reader.h"

#include <errno.h>

#include "capture/copies.h"
#include "capture/file_index.h"
#include "capture/file_stream.h"
#include "lib/buf.h"
#include "lib/log.h"
#include "lib/mem.h"
#include "lib/record.h"

/* Payloads in the window beyond which it is full, however few they are. */
#define WINDOW_BYTES (64 * MIB)
#define RAW_MAX (MSG_LEN_MAX + 16 * MIB)
/* A raw buffer that grew beyond this for one huge record is given back when it is empty. */
#define RAW_KEEP (4 * MIB)
/* How long a pipe is waited for before its window is used as it is. */
#define PIPE_WAIT_MS 100

struct entry {
    int64_t key;
    uint64_t seq; /* order in the file */
    uint64_t end; /* in the recording */
    struct msg *msg;
};

struct file_reader {
    const struct reader_config *config;
    char *path;
    struct file_stream *stream; /* NULL: parked, or at its end */
    struct buf raw;
    struct record_reader records;
    struct copies *copies; /* of compressed records; NULL: none came, or no memory */
    bool over; /* no more records than those in the window */
    bool gap; /* the bytes in raw end at a break */
    uint64_t damaged_before_gap;
    bool quiet_pipe; /* nothing came for PIPE_WAIT_MS */
    bool taken; /* the first record is out: no parking any more */
    bool told;
    uint64_t first_damage; /* offset in the file; of the compressed bytes when it is gzip */
    uint64_t at; /* in the recording: where the live bytes of raw begin */
    bool in_damage;
    struct reader_damage damage; /* the current one, when in_damage */
    int64_t last_key, max_key;
    uint64_t seq;
    size_t window_bytes;
    struct entry *heap; /* smallest first */
    size_t n_heap, cap_heap;
    struct reader_stats stats, counted; /* so much of it is in the books */
    uint64_t played; /* bytes of the file, as config->playing has them */
};

static void begin_records(struct file_reader *r)
{
    record_reader_init(&r->records, MSG_LEN_MAX);
    r->records.mends = r->config->mends;
}

/* So much there is to play. */
static void expect(struct file_reader *r)
{
    struct playing *playing = r->config->playing;
    if (!playing)
        return;
    atomic_fetch_add(&playing->total, file_stream_size(r->stream));
    if (!file_stream_is_regular(r->stream))
        atomic_store(&playing->endless, true);
}

/* All is played up to there in the file. */
static void note_played(struct file_reader *r, uint64_t offset)
{
    if (!r->config->playing || offset <= r->played)
        return;
    atomic_fetch_add_explicit(&r->config->playing->done, offset - r->played, memory_order_relaxed);
    r->played = offset;
}

int file_reader_new(struct file_reader **rp, const char *path, const struct reader_config *config,
                    struct err *err)
{
    assert(config->depth >= 1);
    struct file_reader *r = mem_zalloc(MEM_IO, sizeof(*r));
    if (!r)
        return err_sys(err, ENOMEM, "--input-file %s", path);
    r->config = config;
    r->last_key = r->max_key = INT64_MIN;
    buf_init(&r->raw, RAW_MAX);
    begin_records(r);
    r->path = mem_strdup(MEM_IO, path);
    int ret = r->path ? file_stream_open(&r->stream, path, err)
                      : err_sys(err, ENOMEM, "--input-file %s", path);
    if (ret < 0) {
        file_reader_free(r);
        return ret;
    }
    expect(r);
    *rp = r;
    return 0;
}

static void forget(struct file_reader *r)
{
    for (size_t i = 0; i < r->n_heap; i++)
        msg_unref(r->heap[i].msg);
    mem_free(r->heap);
    r->heap = NULL;
    r->n_heap = r->cap_heap = r->window_bytes = 0;
    buf_fini(&r->raw);
    copies_free(r->copies);
    r->copies = NULL;
    file_stream_free(r->stream);
    r->stream = NULL;
}

void file_reader_free(struct file_reader *r)
{
    if (!r)
        return;
    forget(r);
    mem_free(r->path);
    mem_free(r);
}

void file_reader_park(struct file_reader *r)
{
    assert(!r->taken);
    if (!r->stream || !file_stream_is_regular(r->stream))
        return;
    forget(r);
    begin_records(r);
    r->over = r->gap = r->in_damage = false;
    r->at = 0;
    r->last_key = r->max_key = INT64_MIN;
    r->seq = 0;
    r->stats = (struct reader_stats){0};
}

static bool is_before(const struct entry *a, const struct entry *b)
{
    return a->key != b->key ? a->key < b->key : a->seq < b->seq;
}

static void swap(struct entry *a, struct entry *b)
{
    struct entry t = *a;
    *a = *b;
    *b = t;
}

/* Takes msg; false: no memory. */
static bool window_put(struct file_reader *r, struct msg *msg)
{
    if (r->n_heap == r->cap_heap) {
        size_t cap = r->cap_heap > 0 ? r->cap_heap * 2 : 16;
        struct entry *heap = mem_realloc(MEM_IO, r->heap, cap * sizeof(*heap));
        if (!heap) {
            msg_unref(msg);
            return false;
        }
        r->heap = heap;
        r->cap_heap = cap;
    }
    /* without a time of its own a record stays with the one before it */
    int64_t key = msg->ts_ns > 0 ? msg->ts_ns : r->last_key;
    if (key < r->max_key)
        r->stats.out_of_order++;
    else
        r->max_key = key;
    r->last_key = key;
    size_t i = r->n_heap++;
    r->heap[i] = (struct entry){.key = key, .seq = r->seq++, .end = r->at, .msg = msg};
    r->window_bytes += msg->len;
    for (; i > 0 && is_before(&r->heap[i], &r->heap[(i - 1) / 2]); i = (i - 1) / 2)
        swap(&r->heap[i], &r->heap[(i - 1) / 2]);
    return true;
}

static struct msg *window_take(struct file_reader *r)
{
    assert(r->n_heap > 0);
    struct msg *msg = r->heap[0].msg;
    r->heap[0] = r->heap[--r->n_heap];
    r->window_bytes -= msg->len;
    for (size_t i = 0;;) {
        size_t child = 2 * i + 1;
        if (child + 1 < r->n_heap && is_before(&r->heap[child + 1], &r->heap[child]))
            child++;
        if (child >= r->n_heap || !is_before(&r->heap[child], &r->heap[i]))
            return msg;
        swap(&r->heap[i], &r->heap[child]);
        i = child;
    }
}

static bool is_full(const struct file_reader *r)
{
    return r->n_heap >= r->config->depth || (r->n_heap > 0 && r->window_bytes >= WINDOW_BYTES);
}

/* The current damage ends at that place in the recording. */
static void end_damage(struct file_reader *r, uint64_t at)
{
    if (!r->in_damage)
        return;
    r->in_damage = false;
    r->damage.len = at > r->damage.offset ? at - r->damage.offset : 0;
    if (r->config->on_damage)
        r->config->on_damage(r->config->on_damage_arg, &r->damage);
}

/* at: where it begins in the recording. */
static void note_damage(struct file_reader *r, uint64_t at, const char *what)
{
    uint64_t file_offset = r->stream ? file_stream_offset(r->stream) : 0;
    if (r->stats.damaged++ == 0)
        r->first_damage = file_offset;
    end_damage(r, at);
    r->in_damage = true;
    r->damage = (struct reader_damage){
        .path = r->path,
        .offset = at,
        .compressed = r->stream && file_stream_is_compressed(r->stream),
        .file_offset = file_offset,
        .what = what,
    };
}

/* A record that was found at that place, and what it ends. */
static void note_record(struct file_reader *r, uint64_t at)
{
    end_damage(r, at);
    if (r->records.fault == RECORD_FAULT_NONE)
        return;
    note_damage(r, at, record_fault_text(r->records.fault));
    r->damage.mended = true;
    end_damage(r, r->at);
}

/* Is msg, found at that place, a copy that damaged bits made of an earlier record? */
static bool is_copy(struct file_reader *r, const struct msg *msg, uint64_t at)
{
    if (!r->stream || !file_stream_is_compressed(r->stream))
        return false;
    if (!r->copies && !(r->copies = copies_new()))
        return false;
    return copies_has(r->copies, msg, at) && (r->gap || !file_stream_is_sound(r->stream));
}

/* Reads one record out of the raw bytes. False: more bytes are needed. */
static bool parse_one(struct file_reader *r)
{
    struct span raw = buf_span(&r->raw);
    struct msg *msg = NULL;
    size_t used = 0;
    bool at_end = r->over || r->gap;
    size_t unsure = at_end || !r->stream ? 0 : file_stream_unsure(r->stream);
    assert(unsure <= raw.len);
    enum record_result result =
        record_read(&r->records, raw.ptr, raw.len - unsure, at_end, &used, &msg);
    uint64_t at = r->at + r->records.before;
    buf_consume(&r->raw, used);
    r->at += used;
    switch (result) {
    case RECORD_MORE:
        return used > 0;
    case RECORD_MSG:
        note_record(r, at);
        if (is_copy(r, msg, at)) {
            msg_unref(msg);
            note_damage(r, at, "a copy of an earlier record, which damage has made");
        } else if (!window_put(r, msg))
            note_damage(r, at, "no memory for this record");
        break;
    case RECORD_DAMAGED:
        note_damage(r, at, record_fault_text(r->records.fault));
        break;
    case RECORD_NO_MEMORY: /* lost as well */
        note_damage(r, at, "no memory for this record");
        break;
    }
    return true;
}

/* Behind a break the records begin anew. The break is damage, unless a torn record before it has
 * been counted already. */
static void pass_gap(struct file_reader *r)
{
    size_t left = buf_span(&r->raw).len;
    if (r->stats.damaged == r->damaged_before_gap)
        note_damage(r, r->at, "the compressed data ends too early, or is damaged");
    buf_consume(&r->raw, left);
    r->at += left;
    begin_records(r);
    r->gap = false;
}

/* More raw bytes, or the end of them. enum reader_result: READY to try again; or -errno. */
static int read_more(struct file_reader *r)
{
    if (r->gap)
        pass_gap(r);
    if (r->raw.cap > RAW_KEEP && buf_span(&r->raw).len == 0)
        buf_fini(&r->raw);
    /* a quiet pipe is waited for once, not once for each record of the window */
    int wait_ms = r->quiet_pipe && r->n_heap > 0 ? 0 : PIPE_WAIT_MS;
    int result = file_stream_read(r->stream, &r->raw, wait_ms, r->config->stop_fd);
    r->quiet_pipe = result == STREAM_WAIT;
    if (result == STREAM_WAIT)
        return READER_WAIT;
    if (result == STREAM_BREAK) {
        r->damaged_before_gap = r->stats.damaged;
        if (file_stream_is_garbled(r->stream)) {
            /* also what has been begun is looked at again */
            begin_records(r);
            r->records.only_checked = true;
        }
        r->gap = true;
    } else if (result == STREAM_END) {
        r->over = true;
    }
    return result < 0 ? result : READER_READY;
}

/* Fills the window. enum reader_result, or -errno. */
static int fill(struct file_reader *r)
{
    while (!is_full(r)) {
        if (parse_one(r))
            continue;
        if (r->over)
            break;
        int result = read_more(r);
        if (result != READER_READY)
            return result;
    }
    return r->n_heap > 0 ? READER_READY : READER_END;
}

static void tell_damage(struct file_reader *r)
{
    if (r->stats.damaged > 0 && !r->told && !r->config->quiet)
        log_warn("input-file",
                 "%s: %llu damaged records or pieces skipped, the first near byte %llu", r->path,
                 (unsigned long long)r->stats.damaged, (unsigned long long)r->first_damage);
    r->told = true;
}

static void count(struct file_reader *r)
{
    struct books *books = r->config->books;
    book_add(books, BOOK_RECORDS_DAMAGED, r->stats.damaged - r->counted.damaged);
    book_add(books, BOOK_RECORDS, r->stats.records - r->counted.records);
    book_add(books, BOOK_RECORD_BYTES, r->stats.bytes - r->counted.bytes);
    book_add(books, BOOK_RECORDS_NOT_HTTP, r->stats.not_http - r->counted.not_http);
    r->counted = r->stats;
}

int file_reader_next(struct file_reader *r, struct err *err)
{
    int result = 0;
    if (!r->stream && !r->over)
        result = file_stream_open(&r->stream, r->path, err);
    if (result < 0)
        return result;
    result = fill(r);
    if (result < 0)
        return err_sys(err, -result, "--input-file %s: cannot be read on at byte %llu", r->path,
                       (unsigned long long)(r->stream ? file_stream_offset(r->stream) : 0));
    if (result == READER_WAIT && r->n_heap > 0)
        return READER_READY; /* somebody writes into this pipe just now: no use in waiting for more
                              */
    if (result == READER_END) {
        end_damage(r, r->at);
        count(r);
        tell_damage(r);
        if (r->stream)
            note_played(r, file_stream_size(r->stream));
        forget(r);
    }
    return result;
}

int64_t file_reader_key(const struct file_reader *r)
{
    assert(r->n_heap > 0);
    return r->heap[0].key;
}

int64_t file_reader_first(const struct file_reader *r)
{
    int64_t first = INT64_MIN;
    for (size_t i = 0; i < r->n_heap; i++) {
        int64_t key = r->heap[i].key;
        if (key != INT64_MIN && (first == INT64_MIN || key < first))
            first = key;
    }
    return first;
}

struct msg *file_reader_take(struct file_reader *r)
{
    uint64_t end = r->heap[0].end, read = r->at + buf_span(&r->raw).len;
    struct msg *msg = window_take(r);
    /* of a compressed file, too: the share of what was read that is played by now */
    if (r->stream && r->config->playing)
        note_played(r, (uint64_t)((double)file_stream_offset(r->stream) * (double)end /
                                  (double)(read > end ? read : end)));
    r->taken = true;
    r->stats.records++;
    r->stats.bytes += msg->len;
    if (msg->http.head_len == 0)
        r->stats.not_http++;
    count(r);
    return msg;
}

const struct reader_stats *file_reader_stats(const struct file_reader *r)
{
    return &r->stats;
}

int file_reader_seek(struct file_reader *r, int64_t from_ns, struct err *err)
{
    uint64_t offset;
    if (!r->stream || !file_stream_is_regular(r->stream))
        return 0;
    int ret = file_index_seek(&offset, r->path, from_ns, r->config->stop_fd, err);
    if (ret < 0 || offset <= file_stream_offset(r->stream))
        return ret;
    /* all that was read ahead lies before that place, and is older */
    bool compressed = file_stream_is_compressed(r->stream);
    forget(r);
    begin_records(r);
    r->over = r->gap = r->in_damage = false;
    r->at = compressed ? r->at : offset;
    ret = file_stream_open(&r->stream, r->path, err);
    if (ret == 0)
        ret = file_stream_seek(r->stream, offset);
    return ret < 0 ? err_sys(err, -ret, "--input-file %s: cannot be read", r->path) : 0;
}
