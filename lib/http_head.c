/* SPDX-License-Identifier: MIT */
/* Parsing a complete head: start line and header section (RFC 9112, 2 to 6). */
#include "lib/http.h"

#include "lib/http_internal.h"

/* RFC 9110, 5.6.2: the characters of a token. */
static const bool token_char[256] = {
    ['!'] = true,         ['#'] = true,         ['$'] = true, ['%'] = true, ['&'] = true,
    ['\''] = true,        ['*'] = true,         ['+'] = true, ['-'] = true, ['.'] = true,
    ['0' ... '9'] = true, ['A' ... 'Z'] = true, ['^'] = true, ['_'] = true, ['`'] = true,
    ['a' ... 'z'] = true, ['|'] = true,         ['~'] = true,
};

static size_t token_len(const uint8_t *p, size_t n)
{
    size_t i = 0;
    while (i < n && token_char[p[i]])
        i++;
    return i;
}

/* "HTTP/1.d"; *minor set. */
static bool parse_version(const uint8_t *p, size_t n, uint8_t *minor)
{
    if (n != 8 || memcmp(p, "HTTP/1.", 7) != 0 || p[7] < '0' || p[7] > '9')
        return false;
    *minor = (uint8_t)(p[7] - '0');
    return true;
}

/* method SP target SP version (RFC 9112, 3); off is the line's place in the message. */
static bool parse_request_line(const uint8_t *line, size_t len, size_t off, struct http_view *view)
{
    size_t method = token_len(line, len);
    if (method == 0 || method > UINT16_MAX || method >= len || line[method] != ' ')
        return false;
    size_t target = method + 1, end = target;
    while (end < len && line[end] > ' ' && line[end] != 0x7f)
        end++;
    if (end == target || end >= len || line[end] != ' ' ||
        !parse_version(line + end + 1, len - end - 1, &view->minor))
        return false;
    view->method_len = (uint16_t)method;
    view->target_off = (uint32_t)(off + target);
    view->target_len = (uint32_t)(end - target);
    return true;
}

/* version SP status [SP reason] (RFC 9112, 4) */
static bool parse_status_line(const uint8_t *line, size_t len, size_t off, struct http_view *view)
{
    if (len < 12 || !parse_version(line, 8, &view->minor) || line[8] != ' ')
        return false;
    unsigned status = 0;
    for (size_t i = 9; i < 12; i++) {
        if (line[i] < '0' || line[i] > '9')
            return false;
        status = status * 10 + (unsigned)(line[i] - '0');
    }
    if (status < 100 || (len > 12 && line[12] != ' '))
        return false;
    view->status = (uint16_t)status;
    view->target_off = (uint32_t)(off + (len > 12 ? 13 : 12));
    view->target_len = (uint32_t)(len > 13 ? len - 13 : 0);
    return true;
}

/* The line at *pos without its line end; *pos is moved behind it. False at the end of the head. */
static bool next_line(const uint8_t *head, size_t head_len, size_t *pos, struct span *line)
{
    if (*pos >= head_len)
        return false;
    const uint8_t *start = head + *pos;
    const uint8_t *lf = memchr(start, '\n', head_len - *pos);
    if (!lf)
        return false;
    size_t len = (size_t)(lf - start);
    *pos += len + 1;
    if (len > 0 && start[len - 1] == '\r')
        len--;
    *line = span_of(start, len);
    return true;
}

/* The field at *pos with its folded lines. False at the empty line, or when it is no field. */
static bool next_field(const uint8_t *head, size_t head_len, size_t *pos, struct http_field *field)
{
    struct span line;
    size_t off = *pos;
    if (!next_line(head, head_len, pos, &line) || line.len == 0)
        return false;
    size_t name = token_len(line.ptr, line.len);
    if (name == 0 || name == line.len || line.ptr[name] != ':')
        return false;
    const uint8_t *end = line.ptr + line.len;
    /* RFC 9112, 5.2: obs-fold */
    while (*pos < head_len && (head[*pos] == ' ' || head[*pos] == '\t')) {
        if (!next_line(head, head_len, pos, &line))
            break;
        end = line.ptr + line.len;
    }
    const uint8_t *value = head + off + name + 1;
    field->name = span_of(head + off, name);
    field->value = span_trim(span_of(value, (size_t)(end - value)));
    field->off = off;
    field->len = *pos - off;
    return true;
}

/* What the fields say about framing, while they are read. */
struct framing {
    bool has_length, has_encoding, chunked, close, keep_alive, upgrade;
    uint64_t length;
};

/* Content-Length: digits, or a list of equal ones (RFC 9112, 6.3 item 5). */
static enum http_fault read_length(struct span value, struct framing *fr)
{
    size_t i = 0;
    do {
        uint64_t length = 0;
        size_t digits = 0;
        while (i < value.len && (value.ptr[i] == ' ' || value.ptr[i] == '\t'))
            i++;
        for (; i < value.len && value.ptr[i] >= '0' && value.ptr[i] <= '9'; i++, digits++) {
            unsigned digit = (unsigned)(value.ptr[i] - '0');
            if (length > (UINT64_MAX - digit) / 10)
                return HTTP_FAULT_LENGTH;
            length = length * 10 + digit;
        }
        while (i < value.len && (value.ptr[i] == ' ' || value.ptr[i] == '\t'))
            i++;
        if (digits == 0 || (i < value.len && value.ptr[i] != ','))
            return HTTP_FAULT_LENGTH;
        if (fr->has_length && fr->length != length)
            return HTTP_FAULT_LENGTH;
        fr->has_length = true;
        fr->length = length;
    } while (i++ < value.len);
    return HTTP_FAULT_NONE;
}

/* The next element of a comma list, trimmed; false after the last. */
static bool next_element(struct span *list, struct span *element)
{
    while (list->len > 0) {
        const uint8_t *comma = memchr(list->ptr, ',', list->len);
        size_t len = comma ? (size_t)(comma - list->ptr) : list->len;
        *element = span_trim(span_of(list->ptr, len));
        *list = span_from(*list, comma ? len + 1 : len);
        if (element->len > 0)
            return true;
    }
    return false;
}

/* Transfer-Encoding: chunked may only be the last (RFC 9112, 6.1). */
static enum http_fault read_encoding(struct span value, struct framing *fr)
{
    struct span coding;
    fr->has_encoding = true;
    while (next_element(&value, &coding)) {
        if (fr->chunked)
            return HTTP_FAULT_ENCODING;
        fr->chunked = span_eq_nocase(coding, span_str("chunked"));
    }
    return HTTP_FAULT_NONE;
}

static void read_connection(struct span value, struct framing *fr)
{
    struct span option;
    while (next_element(&value, &option)) {
        fr->close |= span_eq_nocase(option, span_str("close"));
        fr->keep_alive |= span_eq_nocase(option, span_str("keep-alive"));
    }
}

static enum http_fault read_field(const struct http_field *field, struct framing *fr)
{
    /* the length of the name leaves few to compare with */
    switch (field->name.len) {
    case 7:
        fr->upgrade |= span_eq_nocase(field->name, span_str("upgrade"));
        break;
    case 10:
        if (span_eq_nocase(field->name, span_str("connection")))
            read_connection(field->value, fr);
        break;
    case 14:
        if (span_eq_nocase(field->name, span_str("content-length")))
            return read_length(field->value, fr);
        break;
    case 17:
        if (span_eq_nocase(field->name, span_str("transfer-encoding")))
            return read_encoding(field->value, fr);
        break;
    default:
        break;
    }
    return HTTP_FAULT_NONE;
}

/* RFC 9112, 6.3. */
static enum http_fault decide_body(const struct http_framer *f, const struct framing *fr,
                                   struct http_view *view)
{
    bool request = f->kind == HTTP_REQUEST;
    if (fr->has_encoding && fr->has_length)
        return HTTP_FAULT_TE_AND_CL;
    if (fr->has_encoding && (view->minor == 0 || (request && !fr->chunked)))
        return HTTP_FAULT_ENCODING;
    view->body = HTTP_BODY_NONE;
    if (!request && (view->status < 200 || view->status == 204 || view->status == 304 ||
                     f->request_head || (f->request_connect && view->status < 300)))
        return HTTP_FAULT_NONE;
    if (fr->has_encoding)
        view->body = fr->chunked ? HTTP_BODY_CHUNKED : HTTP_BODY_UNTIL_CLOSE;
    else if (fr->has_length)
        view->body = fr->length > 0 ? HTTP_BODY_LENGTH : HTTP_BODY_NONE;
    else if (!request)
        view->body = HTTP_BODY_UNTIL_CLOSE;
    view->length = fr->length;
    return HTTP_FAULT_NONE;
}

static bool asks_upgrade(const struct http_framer *f, const struct framing *fr,
                         const uint8_t *start, const struct http_view *view)
{
    if (f->kind == HTTP_REQUEST)
        return fr->upgrade || span_eq(span_of(start, view->method_len), span_str("CONNECT"));
    return view->status == 101 || (f->request_connect && view->status / 100 == 2);
}

enum http_fault http_head_parse(const struct http_framer *f, const uint8_t *head, size_t head_len,
                                struct http_view *view)
{
    struct framing fr = {0};
    struct http_field field;
    struct span line;
    size_t pos = 0, start;
    *view = (struct http_view){0};
    do {
        start = pos;
        if (!next_line(head, head_len, &pos, &line))
            return HTTP_FAULT_START_LINE;
    } while (line.len == 0);
    view->start_off = (uint32_t)start;
    bool valid = f->kind == HTTP_REQUEST ? parse_request_line(line.ptr, line.len, start, view)
                                         : parse_status_line(line.ptr, line.len, start, view);
    if (!valid)
        return HTTP_FAULT_START_LINE;
    view->fields_off = (uint32_t)pos;
    while (pos < head_len && head[pos] != '\n' && !(head[pos] == '\r' && head[pos + 1] == '\n')) {
        if (!next_field(head, head_len, &pos, &field))
            return HTTP_FAULT_FIELD;
        enum http_fault fault = read_field(&field, &fr);
        if (fault != HTTP_FAULT_NONE)
            return fault;
    }
    view->head_len = (uint32_t)head_len;
    view->close = view->minor == 0 ? !fr.keep_alive || fr.close : fr.close;
    view->upgrade = asks_upgrade(f, &fr, head + start, view);
    return decide_body(f, &fr, view);
}

bool http_field_next(struct span msg, const struct http_view *view, size_t *pos,
                     struct http_field *field)
{
    assert(view->head_len <= msg.len);
    return next_field(msg.ptr, view->head_len, pos, field);
}

bool http_field_find(struct span msg, const struct http_view *view, struct span name,
                     struct http_field *field)
{
    size_t pos = view->fields_off;
    while (http_field_next(msg, view, &pos, field))
        if (span_eq_nocase(field->name, name))
            return true;
    return false;
}

bool http_may_begin(enum http_kind kind, const uint8_t *bytes, size_t n)
{
    static const char version[] = "HTTP/1.";
    assert(n > 0);
    if (kind == HTTP_RESPONSE)
        return memcmp(bytes, version, n < 7 ? n : 7) == 0;
    size_t i = token_len(bytes, n);
    if (i == 0 || i == n)
        return i == n;
    if (bytes[i++] != ' ')
        return false;
    size_t target = i;
    while (i < n && bytes[i] > ' ' && bytes[i] != 0x7f)
        i++;
    if (i == n)
        return true;
    if (i == target || bytes[i++] != ' ')
        return false;
    return memcmp(bytes + i, version, n - i < 7 ? n - i : 7) == 0;
}
