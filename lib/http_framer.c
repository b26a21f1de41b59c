/* SPDX-License-Identifier: MIT */
#include "lib/http.h"

#include <string.h>

#include "lib/clear.h"
#include "lib/http_internal.h"

/* Order matters: from STATE_DONE on nothing is read any more. */
enum state {
    STATE_EMPTY_LINES = 0, /* before the start line (RFC 9112, 2.2) */
    STATE_HEAD,
    STATE_PARSE, /* the head is there; http_framer_head() comes next */
    STATE_LENGTH,
    STATE_UNTIL_CLOSE,
    STATE_CHUNK_SIZE, /* hexadecimal digits */
    STATE_CHUNK_SPACE, /* white space behind them */
    STATE_CHUNK_EXT,
    STATE_CHUNK_LF, /* CR seen, in the chunk's size line */
    STATE_CHUNK_DATA,
    STATE_DATA_CR, /* behind the data: CR LF, or LF */
    STATE_DATA_LF,
    STATE_TRAILER_START, /* at the beginning of a line of the trailer section */
    STATE_TRAILER_NAME,
    STATE_TRAILER_VALUE,
    STATE_TRAILER_LF, /* CR seen, at the end of a trailer field */
    STATE_LAST_LF, /* CR seen, on the empty line that ends the message */
    STATE_DONE,
    STATE_BAD,
};

/* How much of the empty line that ends a head has been seen. */
enum line_state {
    IN_LINE = 0,
    AFTER_LF,
    AFTER_LF_CR,
};

const char *http_fault_text(enum http_fault fault)
{
    static const char *const text[] = {
        [HTTP_FAULT_NONE] = "no fault",
        [HTTP_FAULT_START_LINE] = "not an HTTP/1.x start line",
        [HTTP_FAULT_FIELD] = "malformed field line",
        [HTTP_FAULT_HEAD_TOO_BIG] = "head or trailer section too long",
        [HTTP_FAULT_LENGTH] = "Content-Length not a number, too large, or contradictory",
        [HTTP_FAULT_TE_AND_CL] = "both Transfer-Encoding and Content-Length",
        [HTTP_FAULT_ENCODING] = "Transfer-Encoding that leaves the end of the body open",
        [HTTP_FAULT_CHUNK] = "malformed chunk",
        [HTTP_FAULT_TRUNCATED] = "connection closed inside the message",
    };
    return (size_t)fault < ARRAY_LEN(text) ? text[fault] : "unknown fault";
}

void http_framer_init(struct http_framer *f, enum http_kind kind, const struct http_limits *limits)
{
    size_t max_head = limits ? limits->max_head : HTTP_MAX_HEAD;
    assert(max_head <= UINT32_MAX);
    clear(f, sizeof(*f));
    f->kind = (uint8_t)kind;
    f->max_head = max_head;
}

void http_framer_answers(struct http_framer *f, struct span request_method)
{
    assert(f->kind == HTTP_RESPONSE && f->state == STATE_EMPTY_LINES);
    f->request_head = span_eq(request_method, span_str("HEAD"));
    f->request_connect = span_eq(request_method, span_str("CONNECT"));
}

static enum http_verdict bad(struct http_framer *f, enum http_fault fault)
{
    f->state = STATE_BAD;
    f->fault = fault;
    return HTTP_BAD;
}

static enum http_verdict verdict_of(const struct http_framer *f)
{
    switch (f->state) {
    case STATE_PARSE:
        return HTTP_HEAD;
    case STATE_DONE:
        return HTTP_DONE;
    case STATE_BAD:
        return HTTP_BAD;
    default:
        return HTTP_MORE;
    }
}

/* The line state is known to be AFTER_LF or AFTER_LF_CR: looks at the next byte only. True when it
 * ends the head. */
static bool ends_head(struct http_framer *f, uint8_t c)
{
    bool at_start = f->line_state == AFTER_LF;
    f->line_state = at_start && c == '\r' ? AFTER_LF_CR : c == '\n' ? AFTER_LF : IN_LINE;
    return c == '\n';
}

/* Searches [p, end) for the end of the head. Returns the byte behind it, or NULL. */
static const uint8_t *find_head_end(struct http_framer *f, const uint8_t *p, const uint8_t *end)
{
    while (f->line_state != IN_LINE && p < end)
        if (ends_head(f, *p++))
            return p;
    while (p < end) {
        p = memchr(p, '\n', (size_t)(end - p));
        if (!p)
            return NULL;
        p++;
        if (end - p >= 2 && *p != '\n' && (*p != '\r' || p[1] != '\n'))
            continue;
        f->line_state = AFTER_LF;
        while (f->line_state != IN_LINE && p < end)
            if (ends_head(f, *p++))
                return p;
    }
    return NULL;
}

static enum http_verdict feed_head(struct http_framer *f, const uint8_t *bytes, size_t n,
                                   size_t *used)
{
    size_t room = f->max_head - f->head_len;
    const uint8_t *p = bytes, *end = bytes + (n < room ? n : room);
    if (f->state == STATE_EMPTY_LINES) {
        while (p < end && (*p == '\r' || *p == '\n'))
            p++;
        if (p < end)
            f->state = STATE_HEAD;
    }
    const uint8_t *stop = f->state == STATE_HEAD ? find_head_end(f, p, end) : NULL;
    if (stop)
        f->state = STATE_PARSE;
    *used = (size_t)((stop ? stop : end) - bytes);
    f->head_len += *used;
    if (!stop && f->head_len == f->max_head)
        return bad(f, HTTP_FAULT_HEAD_TOO_BIG);
    return verdict_of(f);
}

static int hex_digit(uint8_t c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c = ascii_lower(c);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* The LF of a chunk's size line. */
static void chunk_line_ends(struct http_framer *f)
{
    f->state = f->left > 0 ? STATE_CHUNK_DATA : STATE_TRAILER_START;
    f->line_len = 0;
}

/* The bytes of a size line that are not digits of the size. CR and LF cannot be quoted in an
 * extension, so quoted strings need no state of their own. */
static enum http_fault chunk_line_byte(struct http_framer *f, uint8_t c)
{
    if (c == '\n')
        chunk_line_ends(f);
    else if (f->state == STATE_CHUNK_LF)
        return HTTP_FAULT_CHUNK;
    else if (c == '\r')
        f->state = STATE_CHUNK_LF;
    else if (f->state == STATE_CHUNK_EXT)
        return HTTP_FAULT_NONE;
    else if (c == ' ' || c == '\t')
        f->state = STATE_CHUNK_SPACE;
    else if (c == ';')
        f->state = STATE_CHUNK_EXT;
    else
        return HTTP_FAULT_CHUNK;
    return HTTP_FAULT_NONE;
}

static enum http_fault chunk_size_byte(struct http_framer *f, uint8_t c)
{
    int digit = hex_digit(c);
    if (digit < 0)
        return f->line_len == 1 ? HTTP_FAULT_CHUNK : chunk_line_byte(f, c);
    if (f->left > (uint64_t)INT64_MAX >> 4)
        return HTTP_FAULT_CHUNK;
    f->left = f->left << 4 | (uint64_t)digit;
    return HTTP_FAULT_NONE;
}

static enum http_fault trailer_start_byte(struct http_framer *f, uint8_t c)
{
    bool first = f->line_len == 1;
    if (c == '\n')
        f->state = STATE_DONE;
    else if (c == '\r')
        f->state = STATE_LAST_LF;
    else if ((c == ' ' || c == '\t') && !first) /* obs-fold */
        f->state = STATE_TRAILER_VALUE;
    else if (is_class(c, CLASS_NAME))
        f->state = STATE_TRAILER_NAME;
    else
        return HTTP_FAULT_FIELD;
    return HTTP_FAULT_NONE;
}

static enum http_fault trailer_byte(struct http_framer *f, uint8_t c)
{
    switch (f->state) {
    case STATE_TRAILER_START:
        return trailer_start_byte(f, c);
    case STATE_TRAILER_NAME:
        if (c == ':')
            f->state = STATE_TRAILER_VALUE;
        else if (!is_class(c, CLASS_NAME))
            return HTTP_FAULT_FIELD;
        return HTTP_FAULT_NONE;
    case STATE_TRAILER_VALUE:
        if (c == '\0')
            return HTTP_FAULT_FIELD;
        if (c == '\n')
            f->state = STATE_TRAILER_START;
        else if (c == '\r')
            f->state = STATE_TRAILER_LF;
        return HTTP_FAULT_NONE;
    default: /* STATE_TRAILER_LF, STATE_LAST_LF */
        if (c != '\n')
            return HTTP_FAULT_FIELD;
        f->state = f->state == STATE_LAST_LF ? STATE_DONE : STATE_TRAILER_START;
        return HTTP_FAULT_NONE;
    }
}

/* One byte of a chunked body that is not chunk data. */
static enum http_fault chunked_byte(struct http_framer *f, uint8_t c)
{
    if (f->state == STATE_DATA_CR || f->state == STATE_DATA_LF) {
        if (c == '\r' && f->state == STATE_DATA_CR)
            f->state = STATE_DATA_LF;
        else if (c == '\n')
            f->state = STATE_CHUNK_SIZE;
        else
            return HTTP_FAULT_CHUNK;
        return HTTP_FAULT_NONE;
    }
    if (++f->line_len > f->max_head)
        return f->state < STATE_TRAILER_START ? HTTP_FAULT_CHUNK : HTTP_FAULT_HEAD_TOO_BIG;
    if (f->state == STATE_CHUNK_SIZE)
        return chunk_size_byte(f, c);
    if (f->state < STATE_TRAILER_START)
        return chunk_line_byte(f, c);
    return trailer_byte(f, c);
}

static size_t skip_data(struct http_framer *f, size_t n)
{
    size_t take = f->left < n ? (size_t)f->left : n;
    f->left -= take;
    if (f->left == 0)
        f->state = f->state == STATE_LENGTH ? STATE_DONE : STATE_DATA_CR;
    return take;
}

static enum http_verdict feed_body(struct http_framer *f, const uint8_t *bytes, size_t n,
                                   size_t *used)
{
    size_t i = 0;
    while (i < n && f->state < STATE_DONE) {
        if (f->state == STATE_LENGTH || f->state == STATE_CHUNK_DATA) {
            i += skip_data(f, n - i);
        } else if (f->state == STATE_UNTIL_CLOSE) {
            i = n;
        } else {
            enum http_fault fault = chunked_byte(f, bytes[i]);
            if (fault != HTTP_FAULT_NONE)
                bad(f, fault);
            else
                i++;
        }
    }
    f->body_len += i;
    *used = i;
    return verdict_of(f);
}

enum http_verdict http_framer_feed(struct http_framer *f, const uint8_t *bytes, size_t n,
                                   size_t *used)
{
    *used = 0;
    if (n == 0 || f->state == STATE_PARSE || f->state >= STATE_DONE)
        return verdict_of(f);
    return f->state < STATE_PARSE ? feed_head(f, bytes, n, used) : feed_body(f, bytes, n, used);
}

enum http_verdict http_framer_skip(struct http_framer *f, uint64_t n)
{
    if (f->state == STATE_UNTIL_CLOSE) {
        f->body_len += n;
        return HTTP_MORE;
    }
    if ((f->state != STATE_LENGTH && f->state != STATE_CHUNK_DATA) || f->left < n)
        return HTTP_BAD;
    skip_data(f, n);
    f->body_len += n;
    return verdict_of(f);
}

/* f->view is set: what comes behind the head? */
static enum http_verdict begin_body(struct http_framer *f)
{
    static const uint8_t first[] = {
        [HTTP_BODY_NONE] = STATE_DONE,
        [HTTP_BODY_LENGTH] = STATE_LENGTH,
        [HTTP_BODY_CHUNKED] = STATE_CHUNK_SIZE,
        [HTTP_BODY_UNTIL_CLOSE] = STATE_UNTIL_CLOSE,
    };
    assert(f->view.body < ARRAY_LEN(first));
    f->state = first[f->view.body];
    f->left = f->view.length;
    if (f->state == STATE_LENGTH && f->left == 0)
        f->state = STATE_DONE;
    return verdict_of(f);
}

enum http_verdict http_framer_head(struct http_framer *f, const uint8_t *head, size_t head_len)
{
    assert(f->state == STATE_PARSE && head_len == f->head_len && head_len > 0);
    enum http_fault fault = http_head_parse(f, head, head_len);
    if (fault == HTTP_FAULT_NONE && f->view.head_len != head_len) {
        f->view = (struct http_view){0};
        fault = HTTP_FAULT_FIELD;
    }
    return fault == HTTP_FAULT_NONE ? begin_body(f) : bad(f, fault);
}

bool http_framer_whole_head(struct http_framer *f, const uint8_t *bytes, size_t n)
{
    assert(f->state == STATE_EMPTY_LINES && f->head_len == 0);
    if (n == 0 || bytes[0] == '\r' || bytes[0] == '\n' || f->max_head == 0 ||
        http_head_parse(f, bytes, n < f->max_head ? n : f->max_head) != HTTP_FAULT_NONE)
        return false;
    f->head_len = f->view.head_len;
    begin_body(f);
    return true;
}

enum http_verdict http_framer_resume(struct http_framer *f, enum http_kind kind,
                                     const struct http_view *view)
{
    assert(view->head_len > 0);
    http_framer_init(f, kind, NULL);
    f->view = *view;
    f->head_len = view->head_len;
    return begin_body(f);
}

enum http_verdict http_framer_close(struct http_framer *f)
{
    if (f->state == STATE_UNTIL_CLOSE)
        f->state = STATE_DONE;
    else if (f->state != STATE_EMPTY_LINES && f->state < STATE_DONE)
        bad(f, HTTP_FAULT_TRUNCATED);
    return verdict_of(f);
}

/* Finds and parses the head; *used is its length when that succeeds. */
static enum http_verdict frame_head(struct http_framer *f, const uint8_t *bytes, size_t n,
                                    size_t *used)
{
    if (http_framer_whole_head(f, bytes, n)) {
        *used = f->head_len;
        return verdict_of(f);
    }
    enum http_verdict v = http_framer_feed(f, bytes, n, used);
    return v == HTTP_HEAD ? http_framer_head(f, bytes, *used) : v;
}

enum http_verdict http_frame(enum http_kind kind, const uint8_t *bytes, size_t n,
                             struct http_view *view, size_t *total)
{
    struct http_framer f;
    size_t head_len, body_len = 0;
    http_framer_init(&f, kind, NULL);
    enum http_verdict v = frame_head(&f, bytes, n, &head_len);
    *view = f.view;
    if (v == HTTP_MORE)
        v = http_framer_feed(&f, bytes + head_len, n - head_len, &body_len);
    if (v == HTTP_DONE)
        *total = head_len + body_len;
    return v;
}

bool http_parse_head(enum http_kind kind, const uint8_t *bytes, size_t n, struct http_view *view)
{
    struct http_framer f;
    size_t used;
    /* all the bytes are here already, so nothing needs to bound the search */
    struct http_limits limits = {.max_head = n < UINT32_MAX ? n + 1 : UINT32_MAX};
    http_framer_init(&f, kind, &limits);
    enum http_verdict v = frame_head(&f, bytes, n, &used);
    if (v == HTTP_BAD || f.view.head_len == 0)
        return false;
    *view = f.view;
    return true;
}
