/* SPDX-License-Identifier: MIT */
/* One complete head: start line, field lines, and what they say about the body. */
#include "lib/http.h"

#include <string.h>

#include "lib/http_internal.h"
#include "lib/scan.h"

/* 7: token. 6: visible but not a token. 4: the colon, which only a target may hold. */
const uint8_t http_class[256] = {
    0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
    0, 7, 6, 7, 7, 7, 7, 7, 6, 6, 7, 7, 6, 7, 7, 6, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 4, 6, 6, 6, 6, 6,
    6, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 6, 6, 6, 7, 7,
    7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 6, 7, 6, 7, 0,
    6, 6, 6, 6, 6, 6, 6, 6, 6, 6, 6, 6, 6, 6, 6, 6, 6, 6, 6, 6, 6, 6, 6, 6, 6, 6, 6, 6, 6, 6, 6, 6,
    6, 6, 6, 6, 6, 6, 6, 6, 6, 6, 6, 6, 6, 6, 6, 6, 6, 6, 6, 6, 6, 6, 6, 6, 6, 6, 6, 6, 6, 6, 6, 6,
    6, 6, 6, 6, 6, 6, 6, 6, 6, 6, 6, 6, 6, 6, 6, 6, 6, 6, 6, 6, 6, 6, 6, 6, 6, 6, 6, 6, 6, 6, 6, 6,
    6, 6, 6, 6, 6, 6, 6, 6, 6, 6, 6, 6, 6, 6, 6, 6, 6, 6, 6, 6, 6, 6, 6, 6, 6, 6, 6, 6, 6, 6, 6, 6,
};

#define VERSION_LEN 8 /* HTTP/1.x */

/* What the field lines have said so far. */
struct fields {
    uint64_t length;
    enum http_fault fault; /* the first in a field that frames the body */
    bool has_length;
    bool has_encoding;
    bool chunked; /* the last transfer coding is */
    bool close, keep_alive; /* connection options */
    bool upgrade_option; /* likewise */
    bool upgrade; /* there is an Upgrade field */
};

static bool all_of(struct span s, enum http_class which)
{
    for (size_t i = 0; i < s.len; i++)
        if (!is_class(s.ptr[i], which))
            return false;
    return true;
}

bool http_is_token(struct span s)
{
    return s.len > 0 && all_of(s, CLASS_TOKEN);
}

bool http_is_target(struct span s)
{
    return s.len > 0 && all_of(s, CLASS_TARGET);
}

bool http_is_value(struct span s)
{
    for (size_t i = 0; i < s.len; i++)
        if (s.ptr[i] == '\r' || s.ptr[i] == '\n' || s.ptr[i] == '\0')
            return false;
    return true;
}

static bool is_space(uint8_t c)
{
    return c == ' ' || c == '\t';
}

/* Without SP and HTAB at both ends. Unlike span_trim() it leaves VT and FF alone: some readers take
 * them for white space and some do not. */
static struct span trim_ows(struct span s)
{
    while (s.len > 0 && is_space(s.ptr[0]))
        s = span_of(s.ptr + 1, s.len - 1);
    while (s.len > 0 && is_space(s.ptr[s.len - 1]))
        s.len--;
    return s;
}

/* Cuts the next element off a comma-separated list. */
static struct span list_next(struct span *list)
{
    const uint8_t *comma = list->len > 0 ? memchr(list->ptr, ',', list->len) : NULL;
    size_t len = comma ? (size_t)(comma - list->ptr) : list->len;
    struct span element = trim_ows(span_of(list->ptr, len));
    *list = comma ? span_of(comma + 1, list->len - len - 1) : span_of(list->ptr, 0);
    return element;
}

/* n bytes, at most 8, made comparable without case. Clears what tells CR from '-', too, but no span
 * that is compared holds a CR. */
static inline uint64_t fold_case(const void *bytes, size_t n)
{
    uint64_t x = 0;
    memcpy(&x, bytes, n);
    return x | UINT64_C(0x2020202020202020);
}

/* Equal to a literal of small letters and '-', but for case: a word at a time. */
static inline bool equals(struct span s, const char *lower_case, size_t len)
{
    if (s.len != len)
        return false;
    size_t i = 0;
    for (; len - i > 8; i += 8)
        if (fold_case(s.ptr + i, 8) != fold_case(lower_case + i, 8))
            return false;
    return fold_case(s.ptr + i, len - i) == fold_case(lower_case + i, len - i);
}
#define EQUALS(s, literal) equals(s, literal, sizeof(literal) - 1)

/* RFC 9110, 8.6: digits, possibly the same ones several times in a list. */
static enum http_fault parse_length(struct fields *fields, struct span value)
{
    bool more = true;
    while (more) {
        struct span rest = value;
        struct span digits = list_next(&rest);
        uint64_t n = 0;
        more = rest.ptr != value.ptr; /* there was a comma */
        value = rest;
        if (digits.len == 0)
            return HTTP_FAULT_LENGTH;
        for (size_t i = 0; i < digits.len; i++) {
            unsigned digit = (unsigned)digits.ptr[i] - '0';
            if (digit > 9 || n > ((uint64_t)INT64_MAX - digit) / 10)
                return HTTP_FAULT_LENGTH;
            n = n * 10 + digit;
        }
        if (fields->has_length && fields->length != n)
            return HTTP_FAULT_LENGTH;
        fields->has_length = true;
        fields->length = n;
    }
    return HTTP_FAULT_NONE;
}

/* RFC 9112, 6.1 and 7. An empty element, a coding that is no token, or a chunked that is not the
 * last and only one is where readers differ. */
static enum http_fault parse_encoding(struct fields *fields, struct span value)
{
    bool more = true;
    while (more) {
        struct span rest = value;
        struct span coding = list_next(&rest);
        more = rest.ptr != value.ptr;
        value = rest;
        const uint8_t *semicolon = coding.len > 0 ? memchr(coding.ptr, ';', coding.len) : NULL;
        struct span name = coding;
        if (semicolon)
            name = trim_ows(span_of(coding.ptr, (size_t)(semicolon - coding.ptr)));
        bool chunked = EQUALS(name, "chunked");
        if (!http_is_token(name) || (chunked && (semicolon || fields->chunked)))
            return HTTP_FAULT_ENCODING;
        fields->has_encoding = true;
        fields->chunked = chunked;
    }
    return HTTP_FAULT_NONE;
}

static void parse_connection(struct fields *fields, struct span value)
{
    if (EQUALS(trim_ows(value), "keep-alive")) { /* what most say, and no list */
        fields->keep_alive = true;
        return;
    }
    while (value.len > 0) {
        struct span option = span_trim(list_next(&value));
        if (EQUALS(option, "close"))
            fields->close = true;
        else if (EQUALS(option, "keep-alive"))
            fields->keep_alive = true;
        else if (EQUALS(option, "upgrade"))
            fields->upgrade_option = true;
    }
}

/* The fields that rule framing and the connection, told apart by the length of their names first.
 * value: all between the colon and the last line end; one that is folded has CR or LF inside, which
 * is no digit and no token. */
static inline void parse_field(struct fields *fields, struct span name, struct span value)
{
    enum http_fault fault = HTTP_FAULT_NONE;
    switch (name.len) {
    case sizeof("Upgrade") - 1:
        fields->upgrade |= EQUALS(name, "upgrade");
        return;
    case sizeof("Connection") - 1:
        if (EQUALS(name, "connection"))
            parse_connection(fields, value);
        return;
    case sizeof("Content-Length") - 1:
        if (EQUALS(name, "content-length"))
            fault = parse_length(fields, value);
        break;
    case sizeof("Transfer-Encoding") - 1:
        if (EQUALS(name, "transfer-encoding"))
            fault = parse_encoding(fields, value);
        break;
    default:
        return;
    }
    if (fields->fault == HTTP_FAULT_NONE)
        fields->fault = fault;
}

/* As line_end(), when that is not where the first control at p stands, or when it is LF alone. By
 * value, so that line_end() can keep what it scans in registers; where it was is good enough for
 * what comes next. */
__attribute__((noinline)) static const uint8_t *odd_line_end(struct scan_lines in, const uint8_t *p,
                                                             const uint8_t **next)
{
    const uint8_t *end = in.end;
    while (p < end && *p != '\n' && *p != '\r' && *p != '\0')
        p = scan_lines_next(&in, p + 1);
    if (end - p < 2)
        return NULL;
    const uint8_t *lf = p + (*p == '\r');
    *next = lf + 1;
    return *lf == '\n' && lf + 1 < end ? p : NULL;
}

/* The end of the line that p is in, without its CR: *next is where the following one begins. NULL
 * when a CR stands elsewhere or there is a NUL (RFC 9110, 5.5), or when no line follows. */
static inline const uint8_t *line_end(struct scan_lines *in, const uint8_t *p, const uint8_t **next)
{
    p = scan_lines_next(in, p);
    if (unlikely(in->end - p <= 2 || memcmp(p, "\r\n", 2) != 0))
        return odd_line_end(*in, p, next);
    *next = p + 2;
    return p;
}

/* As line_end(), with the obs-fold lines that follow (RFC 9112, 5.2). */
static inline const uint8_t *field_end(struct scan_lines *in, const uint8_t *p,
                                       const uint8_t **next)
{
    const uint8_t *stop = line_end(in, p, next);
    while (stop && unlikely(is_space(**next)))
        stop = odd_line_end(*in, *next, next);
    return stop;
}

/* p < in->end is at the first field line, or at the empty line. *head_end: behind it. The end of a
 * line is looked for before its colon: no line then waits for the one before it to be read. */
static enum http_fault parse_fields(struct fields *fields, struct scan_lines *in, const uint8_t *p,
                                    const uint8_t **head_end)
{
    const uint8_t *end = in->end, *next;
    for (; *p != '\r' && *p != '\n'; p = next) {
        const uint8_t *stop = field_end(in, p, &next);
        if (!stop)
            return HTTP_FAULT_FIELD;
        const uint8_t *colon = scan(in->begin, p, end, 0x21, ':', 0x7f);
        if (colon == p || *colon != ':')
            return HTTP_FAULT_FIELD;
        parse_field(fields, span_of(p, (size_t)(colon - p)),
                    span_of(colon + 1, (size_t)(stop - colon - 1)));
    }
    p += *p == '\r';
    if (p == end || *p != '\n')
        return HTTP_FAULT_FIELD;
    *head_end = p + 1;
    return HTTP_FAULT_NONE;
}

static const uint8_t *skip_sp(const uint8_t *p, const uint8_t *end)
{
    while (p < end && *p == ' ')
        p++;
    return p;
}

/* HTTP/1.x at p: sets minor. Other major versions are not ours to frame. */
static bool parse_version(const uint8_t *p, const uint8_t *end, uint8_t *minor)
{
    if (end - p < VERSION_LEN || memcmp(p, "HTTP/1.", VERSION_LEN - 1) != 0)
        return false;
    if (p[7] < '0' || p[7] > '9')
        return false;
    *minor = (uint8_t)(p[7] - '0');
    return true;
}

/* A target in origin form may hold spaces: clients send them, and servers take them (RFC 9112, 3.2
 * leaves it to the recipient). The version is then the last word, and no other one: "/a HTTP/1.0
 * HTTP/1.1" has two readings. Returns the end of the target, or NULL. */
static const uint8_t *spaced_target_end(const uint8_t *target, const uint8_t *end)
{
    static const char name[] = " HTTP/";
    while (end > target && end[-1] == ' ')
        end--;
    if (*target != '/' || end - target < VERSION_LEN + 2 || end[-VERSION_LEN - 1] != ' ')
        return NULL;
    end -= VERSION_LEN;
    while (end[-1] == ' ')
        end--;
    for (const uint8_t *p = target; p < end; p++)
        if (*p != ' ' && !is_class(*p, CLASS_TARGET))
            return NULL;
    bool again = memmem(target, (size_t)(end - target), name, sizeof(name) - 1) != NULL;
    return again ? NULL : end;
}

static bool parse_request_line(struct http_view *view, const uint8_t *head, const uint8_t *end)
{
    const uint8_t *start = head + view->start_off;
    const uint8_t *p = start;
    while (p < end && is_class(*p, CLASS_TOKEN))
        p++;
    if (p == start || p == end || *p != ' ' || p - start > UINT16_MAX)
        return false;
    view->method_len = (uint16_t)(p - start);
    const uint8_t *target = skip_sp(p, end);
    p = scan(head, target, end, 0x21, 0x7f, 0x7f);
    if (p == target || p == end || *p != ' ')
        return false;
    const uint8_t *version = skip_sp(p, end);
    if (unlikely(end - version < VERSION_LEN || skip_sp(version + VERSION_LEN, end) != end)) {
        p = spaced_target_end(target, end);
        version = p ? skip_sp(p, end) : end;
    }
    view->target_off = (uint32_t)(target - head);
    view->target_len = p ? (uint32_t)(p - target) : 0;
    return p && parse_version(version, end, &view->minor);
}

static bool parse_status_line(struct http_view *view, const uint8_t *head, const uint8_t *end)
{
    const uint8_t *p = head + view->start_off;
    if (!parse_version(p, end, &view->minor) || end - p < VERSION_LEN + 4 || p[VERSION_LEN] != ' ')
        return false;
    p += VERSION_LEN + 1;
    for (int i = 0; i < 3; i++, p++) {
        if (*p < '0' || *p > '9')
            return false;
        view->status = (uint16_t)(view->status * 10 + (*p - '0'));
    }
    /* a reason phrase is optional, and so, in practice, is the SP before an empty one */
    if (view->status < 100 || (p < end && *p++ != ' '))
        return false;
    view->target_off = (uint32_t)(p - head);
    view->target_len = (uint32_t)(end - p);
    return true;
}

/* Empty lines before it are skipped; sets fields_off too. */
static bool parse_start_line(struct http_framer *f, struct scan_lines *in)
{
    struct http_view *view = &f->view;
    const uint8_t *head = in->begin, *p = head, *end = in->end, *next;
    while (p < end && (*p == '\n' || (*p == '\r' && p + 1 < end && p[1] == '\n')))
        p += *p == '\r' ? 2 : 1;
    scan_lines_load(in, p);
    const uint8_t *stop = p < end ? line_end(in, p, &next) : NULL;
    if (!stop)
        return false;
    view->start_off = (uint32_t)(p - head);
    view->fields_off = (uint32_t)(next - head);
    return f->kind == HTTP_REQUEST ? parse_request_line(view, head, stop)
                                   : parse_status_line(view, head, stop);
}

/* RFC 9112, 6.3: responses that have no body whatever their fields say. */
static bool is_bodiless(const struct http_framer *f)
{
    uint16_t status = f->view.status;
    if (f->kind == HTTP_REQUEST)
        return false;
    return status < 200 || status == 204 || status == 304 || f->request_head ||
           (f->request_connect && status < 300);
}

static enum http_fault decide_body(struct http_framer *f, const struct fields *fields)
{
    struct http_view *view = &f->view;
    if (is_bodiless(f))
        return HTTP_FAULT_NONE;
    if (fields->fault != HTTP_FAULT_NONE)
        return fields->fault;
    if (fields->has_encoding && fields->has_length)
        return HTTP_FAULT_TE_AND_CL;
    if (fields->has_encoding) {
        if (view->minor == 0 || (!fields->chunked && f->kind == HTTP_REQUEST))
            return HTTP_FAULT_ENCODING;
        view->body = fields->chunked ? HTTP_BODY_CHUNKED : HTTP_BODY_UNTIL_CLOSE;
    } else if (fields->has_length) {
        view->body = HTTP_BODY_LENGTH;
        view->length = fields->length;
    } else if (f->kind == HTTP_RESPONSE) {
        view->body = HTTP_BODY_UNTIL_CLOSE;
    }
    return HTTP_FAULT_NONE;
}

static void decide_connection(struct http_framer *f, const struct fields *fields,
                              const uint8_t *head)
{
    struct http_view *view = &f->view;
    struct span method = span_of(head + view->start_off, view->method_len);
    if (f->kind == HTTP_REQUEST)
        view->upgrade = span_eq(method, span_str("CONNECT")) ||
                        (fields->upgrade && fields->upgrade_option && view->minor > 0);
    else
        view->upgrade = view->status == 101 ||
                        (f->request_connect && view->status >= 200 && view->status < 300);
    view->close = fields->close || (view->minor == 0 && !fields->keep_alive) ||
                  view->body == HTTP_BODY_UNTIL_CLOSE;
}

enum http_fault http_head_parse(struct http_framer *f, const uint8_t *bytes, size_t n)
{
    struct fields fields = {0};
    const uint8_t *end = NULL;
    struct scan_lines in = {.begin = bytes, .end = bytes + n};
    assert(n > 0 && n <= UINT32_MAX);
    f->view = (struct http_view){0};
    enum http_fault fault = HTTP_FAULT_START_LINE;
    if (parse_start_line(f, &in))
        fault = parse_fields(&fields, &in, bytes + f->view.fields_off, &end);
    if (fault == HTTP_FAULT_NONE)
        fault = decide_body(f, &fields);
    if (fault != HTTP_FAULT_NONE) {
        f->view = (struct http_view){0};
        return fault;
    }
    decide_connection(f, &fields, bytes);
    f->view.head_len = (uint32_t)(end - bytes);
    return HTTP_FAULT_NONE;
}
