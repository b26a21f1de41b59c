/* SPDX-License-Identifier: MIT */
/* Finding where a message ends, a piece at a time (RFC 9112, 6 and 7). */
#include "lib/http.h"

#include "lib/http_internal.h"

enum state {
    STATE_HEAD = 0,
    STATE_HEAD_PARSE, /* the head is complete and waits for http_framer_head() */
    STATE_LENGTH,
    STATE_CHUNK_SIZE,
    STATE_CHUNK_EXTENSION,
    STATE_CHUNK_DATA,
    STATE_CHUNK_DATA_END,
    STATE_TRAILER,
    STATE_UNTIL_CLOSE,
    STATE_DONE,
    STATE_BAD,
};

/* line_state while lines are counted (head, trailer): what the current line is so far. */
enum line {
    LINE_START = 0, /* nothing */
    LINE_CR, /* one CR: empty if LF follows */
    LINE_TEXT,
};

/* More digits than any body has bytes: 2^60. */
#define CHUNK_SIZE_MAX (UINT64_C(1) << 60)

const char *http_fault_text(enum http_fault fault)
{
    static const char *const texts[] = {
        [HTTP_FAULT_NONE] = "no fault",
        [HTTP_FAULT_START_LINE] = "bad start line",
        [HTTP_FAULT_FIELD] = "bad field line",
        [HTTP_FAULT_HEAD_TOO_BIG] = "head too big",
        [HTTP_FAULT_LENGTH] = "bad or contradicting Content-Length",
        [HTTP_FAULT_TE_AND_CL] = "both Transfer-Encoding and Content-Length",
        [HTTP_FAULT_ENCODING] = "bad Transfer-Encoding",
        [HTTP_FAULT_CHUNK] = "bad chunk",
        [HTTP_FAULT_TRUNCATED] = "cut short",
    };
    return texts[fault];
}

void http_framer_init(struct http_framer *f, enum http_kind kind, const struct http_limits *limits)
{
    *f = (struct http_framer){.kind = (uint8_t)kind, .state = STATE_HEAD};
    f->max_head = limits && limits->max_head ? limits->max_head : HTTP_MAX_HEAD;
}

void http_framer_answers(struct http_framer *f, struct span request_method)
{
    f->request_head = span_eq(request_method, span_str("HEAD"));
    f->request_connect = span_eq(request_method, span_str("CONNECT"));
}

static enum http_verdict bad(struct http_framer *f, enum http_fault fault)
{
    f->state = STATE_BAD;
    f->fault = fault;
    return HTTP_BAD;
}

static enum http_verdict done(struct http_framer *f)
{
    f->state = STATE_DONE;
    return HTTP_DONE;
}

/* Goes over the current line up to its LF or n. Returns the bytes used; *ended: the LF was among
 * them, and *empty: the line had nothing before it but a CR. */
static size_t pass_line(struct http_framer *f, const uint8_t *bytes, size_t n, bool *ended,
                        bool *empty)
{
    const uint8_t *lf = memchr(bytes, '\n', n);
    size_t len = lf ? (size_t)(lf - bytes) : n;
    if (len > 0)
        f->line_state =
            f->line_state == LINE_START && len == 1 && bytes[0] == '\r' ? LINE_CR : LINE_TEXT;
    *ended = lf != NULL;
    *empty = lf && f->line_state != LINE_TEXT;
    if (!lf)
        return n;
    f->line_state = LINE_START;
    return len + 1;
}

/* The head ends at the first empty line after the start line; empty lines before that are passed
 * over (RFC 9112, 2.2). left is 1 once the start line has been seen. */
static enum http_verdict feed_head(struct http_framer *f, const uint8_t *bytes, size_t n,
                                   size_t *used)
{
    size_t i = 0;
    while (i < n) {
        bool ended, empty;
        i += pass_line(f, bytes + i, n - i, &ended, &empty);
        if (f->head_len + i > f->max_head) {
            *used = i;
            return bad(f, HTTP_FAULT_HEAD_TOO_BIG);
        }
        if (!ended || (empty && !f->left))
            continue;
        if (empty) {
            f->head_len += i;
            f->state = STATE_HEAD_PARSE;
            *used = i;
            return HTTP_HEAD;
        }
        f->left = 1;
    }
    f->head_len += i;
    *used = i;
    return HTTP_MORE;
}

enum http_verdict http_framer_head(struct http_framer *f, const uint8_t *head, size_t head_len)
{
    assert(f->state == STATE_HEAD_PARSE && head_len == f->head_len);
    enum http_fault fault = http_head_parse(f, head, head_len, &f->view);
    if (fault != HTTP_FAULT_NONE)
        return bad(f, fault);
    f->line_state = LINE_START;
    f->left = f->view.length;
    switch ((enum http_body)f->view.body) {
    case HTTP_BODY_NONE:
        return done(f);
    case HTTP_BODY_LENGTH:
        f->state = STATE_LENGTH;
        break;
    case HTTP_BODY_CHUNKED:
        f->state = STATE_CHUNK_SIZE;
        f->left = 0;
        f->line_len = 0;
        break;
    case HTTP_BODY_UNTIL_CLOSE:
        f->state = STATE_UNTIL_CLOSE;
        break;
    }
    return HTTP_MORE;
}

static int hex_digit(uint8_t c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c = ascii_lower(c);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* The size line of a chunk is complete. */
static void begin_chunk(struct http_framer *f)
{
    f->state = f->left > 0 ? STATE_CHUNK_DATA : STATE_TRAILER;
    f->line_state = LINE_START;
    f->line_len = 0;
}

/* chunk-size [chunk-ext] CRLF, a byte at a time: there are few. line_len counts digits. */
static size_t feed_chunk_size(struct http_framer *f, const uint8_t *bytes, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        int digit = hex_digit(bytes[i]);
        if (digit >= 0) {
            if (f->left >= CHUNK_SIZE_MAX / 16 || f->line_len >= f->max_head) {
                bad(f, HTTP_FAULT_CHUNK);
                return i;
            }
            f->left = f->left * 16 + (unsigned)digit;
            f->line_len++;
        } else if (f->line_len > 0 && bytes[i] == '\n') {
            begin_chunk(f);
            return i + 1;
        } else if (f->line_len > 0 &&
                   (bytes[i] == ';' || bytes[i] == '\r' || bytes[i] == ' ' || bytes[i] == '\t')) {
            f->state = STATE_CHUNK_EXTENSION;
            f->line_state = bytes[i] == '\r' ? LINE_CR : LINE_TEXT;
            return i + 1;
        } else {
            bad(f, HTTP_FAULT_CHUNK);
            return i;
        }
    }
    return n;
}

/* Up to the LF; an extension is not read, but a CR must be followed by it. */
static size_t feed_chunk_extension(struct http_framer *f, const uint8_t *bytes, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (bytes[i] == '\n') {
            begin_chunk(f);
            return i + 1;
        }
        if (f->line_state == LINE_CR || f->line_len++ >= f->max_head) {
            bad(f, HTTP_FAULT_CHUNK);
            return i;
        }
        if (bytes[i] == '\r')
            f->line_state = LINE_CR;
    }
    return n;
}

/* The CRLF after the data of a chunk; line_state tells whether the CR was seen. */
static size_t feed_chunk_data_end(struct http_framer *f, const uint8_t *bytes)
{
    if (bytes[0] == '\r' && f->line_state == LINE_START) {
        f->line_state = LINE_CR;
        return 1;
    }
    if (bytes[0] != '\n') {
        bad(f, HTTP_FAULT_CHUNK);
        return 0;
    }
    f->state = STATE_CHUNK_SIZE;
    f->line_state = LINE_START;
    return 1;
}

static size_t feed_trailer(struct http_framer *f, const uint8_t *bytes, size_t n)
{
    bool ended, empty;
    size_t used = pass_line(f, bytes, n, &ended, &empty);
    f->line_len += used;
    if (empty)
        done(f);
    else if (f->line_len > f->max_head)
        bad(f, HTTP_FAULT_HEAD_TOO_BIG);
    return used;
}

/* Data of known length: what of it lies in n bytes. */
static size_t feed_data(struct http_framer *f, size_t n)
{
    size_t used = f->left < n ? (size_t)f->left : n;
    f->left -= used;
    if (f->left > 0)
        return used;
    f->state = f->state == STATE_LENGTH ? STATE_DONE : STATE_CHUNK_DATA_END;
    return used;
}

static size_t feed_body(struct http_framer *f, const uint8_t *bytes, size_t n)
{
    switch ((enum state)f->state) {
    case STATE_LENGTH:
    case STATE_CHUNK_DATA:
        return feed_data(f, n);
    case STATE_CHUNK_SIZE:
        return feed_chunk_size(f, bytes, n);
    case STATE_CHUNK_EXTENSION:
        return feed_chunk_extension(f, bytes, n);
    case STATE_CHUNK_DATA_END:
        return feed_chunk_data_end(f, bytes);
    case STATE_TRAILER:
        return feed_trailer(f, bytes, n);
    case STATE_UNTIL_CLOSE:
        return n;
    case STATE_HEAD:
    case STATE_HEAD_PARSE:
    case STATE_DONE:
    case STATE_BAD:
        break;
    }
    assert(!"fed outside a body");
    return n;
}

enum http_verdict http_framer_feed(struct http_framer *f, const uint8_t *bytes, size_t n,
                                   size_t *used)
{
    if (f->state == STATE_HEAD)
        return feed_head(f, bytes, n, used);
    size_t i = 0;
    while (i < n && f->state != STATE_DONE && f->state != STATE_BAD)
        i += feed_body(f, bytes + i, n - i);
    f->body_len += i;
    *used = i;
    if (f->state == STATE_BAD)
        return HTTP_BAD;
    return f->state == STATE_DONE ? HTTP_DONE : HTTP_MORE;
}

enum http_verdict http_framer_close(struct http_framer *f)
{
    if (f->state == STATE_HEAD && !f->left && f->line_state != LINE_TEXT)
        return HTTP_MORE; /* nothing but empty lines */
    if (f->state == STATE_UNTIL_CLOSE)
        return done(f);
    return bad(f, HTTP_FAULT_TRUNCATED);
}

enum http_verdict http_frame(enum http_kind kind, const uint8_t *bytes, size_t n,
                             struct http_view *view, size_t *total)
{
    struct http_framer f;
    size_t head = 0, body = 0;
    http_framer_init(&f, kind, &(struct http_limits){.max_head = n + 1});
    enum http_verdict v = http_framer_feed(&f, bytes, n, &head);
    if (v == HTTP_HEAD)
        v = http_framer_head(&f, bytes, head);
    if (v == HTTP_MORE && head < n)
        v = http_framer_feed(&f, bytes + head, n - head, &body);
    if (v == HTTP_DONE) {
        *view = f.view;
        *total = head + body;
    }
    return v;
}

bool http_parse_head(enum http_kind kind, const uint8_t *bytes, size_t n, struct http_view *view)
{
    struct http_framer f;
    size_t head = 0;
    http_framer_init(&f, kind, &(struct http_limits){.max_head = n + 1});
    if (n == 0 || http_framer_feed(&f, bytes, n, &head) != HTTP_HEAD ||
        http_framer_head(&f, bytes, head) == HTTP_BAD)
        return false;
    *view = f.view;
    return true;
}
