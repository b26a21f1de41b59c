/* SPDX-License-Identifier: MIT */
#include "tools/text_in.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "capture/file_stream.h"
#include "lib/mem.h"
#include "tools/http_text.h"
#include "tools/recordings.h"
#include "tools/shell_words.h"

#define WAIT_MS 1000
/* Room that grew beyond this for one long value is given back. */
#define KEEP (4 * MIB)
/* Longest command: it is looked at from its start whenever more of it has come. */
#define COMMAND_MAX (16 * MIB)

struct text_in {
    char *path;
    struct file_stream *stream; /* NULL: all is there */
    struct buf buf;
    size_t given; /* bytes of buf that the last call gave out */
    uint64_t offset; /* of the live bytes */
    bool at_end;
};

static struct text_in *make(const char *path)
{
    struct text_in *t = mem_zalloc(MEM_IO, sizeof(*t));
    if (!t)
        return NULL;
    buf_init(&t->buf, TEXT_MAX);
    t->path = mem_strdup(MEM_IO, path);
    if (t->path)
        return t;
    mem_free(t);
    return NULL;
}

int text_in_open(struct text_in **tp, const char *path, struct err *err)
{
    struct text_in *t = make(path);
    if (!t)
        return err_sys(err, ENOMEM, "%s", path);
    int r = file_stream_open(&t->stream, path, err);
    if (r < 0) {
        recordings_name(err);
        text_in_free(t);
        return r;
    }
    *tp = t;
    return 0;
}

struct text_in *text_in_of(struct span bytes)
{
    struct text_in *t = make("text");
    if (!t)
        return NULL;
    t->at_end = true;
    if (bytes.len == 0 || buf_append(&t->buf, bytes.ptr, bytes.len) == 0)
        return t;
    text_in_free(t);
    return NULL;
}

void text_in_free(struct text_in *t)
{
    if (!t)
        return;
    file_stream_free(t->stream);
    buf_fini(&t->buf);
    mem_free(t->path);
    mem_free(t);
}

uint64_t text_in_offset(const struct text_in *t)
{
    return t->offset + t->given;
}

/* Done with what was given out. */
static void advance(struct text_in *t)
{
    buf_consume(&t->buf, t->given);
    t->offset += t->given;
    t->given = 0;
    if (t->buf.cap > KEEP && buf_span(&t->buf).len == 0)
        buf_fini(&t->buf);
}

/* More bytes: 1; 0 at the end; or -errno. */
static int fill(struct text_in *t, struct err *err)
{
    while (!t->at_end) {
        size_t before = buf_span(&t->buf).len;
        int r = file_stream_read(t->stream, &t->buf, WAIT_MS, -1);
        if (r == -ENOBUFS)
            return err_failure(err, "%s: byte %" PRIu64 ": what begins here is too long", t->path,
                               t->offset);
        if (r < 0)
            return err_sys(err, -r, "%s: cannot be read on", t->path);
        if (r == STREAM_BREAK)
            return err_failure(err, "%s: the compressed data is damaged, or ends too early",
                               t->path);
        t->at_end = r == STREAM_END;
        if (buf_span(&t->buf).len > before)
            return 1;
    }
    return 0;
}

int text_in_line(struct text_in *t, struct span *line, struct err *err)
{
    advance(t);
    for (size_t looked = 0;;) {
        struct span s = buf_span(&t->buf);
        const uint8_t *lf = s.len > looked ? memchr(s.ptr + looked, '\n', s.len - looked) : NULL;
        if (lf) {
            *line = span_of(s.ptr, (size_t)(lf - s.ptr));
            t->given = line->len + 1;
            return 1;
        }
        looked = s.len;
        int r = fill(t, err);
        if (r < 0)
            return r;
        if (r == 0) {
            *line = buf_span(&t->buf);
            t->given = line->len;
            return line->len > 0;
        }
    }
}

int text_in_command(struct text_in *t, struct span *command, struct err *err)
{
    advance(t);
    for (;;) {
        struct span s = buf_span(&t->buf);
        size_t len = shell_command_len(s);
        int r = len > 0 ? 1 : s.len > COMMAND_MAX ? -EFBIG : fill(t, err);
        if (r == -EFBIG)
            return err_failure(err, "%s: byte %" PRIu64 ": a command that is too long", t->path,
                               t->offset);
        if (r < 0)
            return r;
        if (len == 0 && r > 0)
            continue;
        *command = len > 0 ? span_of(s.ptr, len) : s;
        t->given = command->len;
        return command->len > 0;
    }
}

static bool is_space(uint8_t c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

int text_in_peek(struct text_in *t, uint8_t *c, struct err *err)
{
    advance(t);
    for (;;) {
        struct span s = buf_span(&t->buf);
        size_t n = 0;
        while (n < s.len && is_space(s.ptr[n]))
            n++;
        buf_consume(&t->buf, n);
        t->offset += n;
        if (n < s.len) {
            *c = s.ptr[n];
            return 1;
        }
        int r = fill(t, err);
        if (r <= 0)
            return r;
    }
}

void text_in_take(struct text_in *t)
{
    t->given = 1;
    advance(t);
}

/* Where a value ends, byte by byte. */
struct extent {
    size_t depth;
    bool begun, in_string, escaped, scalar;
};

/* Is c the last byte of the value? A number or word ends before the byte that is not its own:
 * *before. */
static bool ends_value(struct extent *x, uint8_t c, bool *before)
{
    if (x->in_string) {
        bool closes = c == '"' && !x->escaped;
        x->escaped = c == '\\' && !x->escaped;
        x->in_string = !closes;
        return closes && x->depth == 0;
    }
    if (x->scalar && (is_space(c) || c == ',' || c == ':' || c == ']' || c == '}')) {
        *before = true;
        return true;
    }
    if (c == '"')
        x->in_string = true;
    else if (c == '{' || c == '[')
        x->depth++;
    else if ((c == '}' || c == ']') && x->depth > 0)
        return --x->depth == 0;
    else if (!x->begun)
        x->scalar = true;
    x->begun = true;
    return false;
}

static int torn(const struct text_in *t, struct err *err)
{
    return err_failure(err, "%s: the file ends inside the JSON value at byte %" PRIu64, t->path,
                       t->offset);
}

/* keep: all of the value stays in the buffer; else it is let go of as it is read. */
static int walk(struct text_in *t, bool keep, struct span *value, struct err *err)
{
    struct extent x = {.depth = 0};
    uint8_t c;
    size_t at = 0;
    int r = text_in_peek(t, &c, err);
    if (r <= 0)
        return r;
    for (;;) {
        struct span s = buf_span(&t->buf);
        bool before = false;
        for (; at < s.len; at++)
            if (ends_value(&x, s.ptr[at], &before)) {
                t->given = at + !before;
                *value = span_of(s.ptr, t->given);
                return 1;
            }
        if (!keep) {
            t->given = at;
            advance(t);
            at = 0;
        }
        r = fill(t, err);
        if (r < 0)
            return r;
        if (r == 0 && x.scalar && at > 0) {
            t->given = at;
            *value = span_of(s.ptr, at);
            return 1;
        }
        if (r == 0)
            return torn(t, err);
    }
}

int text_in_value(struct text_in *t, struct span *value, struct err *err)
{
    return walk(t, true, value, err);
}

int text_in_skip_value(struct text_in *t, struct err *err)
{
    struct span value;
    return walk(t, false, &value, err);
}
