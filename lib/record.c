/* SPDX-License-Identifier: MIT */
#include "lib/record.h"

#include <zlib.h>

#include "lib/http.h"

const uint8_t record_separator[RECORD_SEPARATOR_LEN] = {'\n', 0xf0, 0x9f, 0x90, 0xb5, 0xf0, 0x9f,
                                                        0x99, 0x88, 0xf0, 0x9f, 0x99, 0x89, '\n'};

/* TYPE ID TIMESTAMP LATENCY LENGTH CRC32 SRC DST */
#define MAX_FIELDS 8
#define MIN_FIELDS 3
/* LFs before the separator that are taken for traces of gor's relay. */
#define MAX_HOPS 64

static char *put_decimal(char *out, int64_t value)
{
    char digits[20];
    size_t n = 0;
    uint64_t left = value < 0 ? 0 - (uint64_t)value : (uint64_t)value;
    if (value < 0)
        *out++ = '-';
    do
        digits[n++] = (char)('0' + left % 10);
    while (left /= 10);
    while (n > 0)
        *out++ = digits[--n];
    return out;
}

static char *put_hex32(char *out, uint32_t value)
{
    static const char hex[] = "0123456789abcdef";
    for (int shift = 28; shift >= 0; shift -= 4)
        *out++ = hex[value >> shift & 15];
    return out;
}

size_t record_header(char *out, const struct msg *msg)
{
    char *p = out;
    *p++ = (char)msg->type;
    *p++ = ' ';
    memcpy(p, msg->id, msg->id_len);
    p += msg->id_len;
    *p++ = ' ';
    p = put_decimal(p, msg->ts_ns);
    *p++ = ' ';
    p = put_decimal(p, msg->latency_ns);
    *p++ = ' ';
    p = put_decimal(p, (int64_t)msg->len);
    *p++ = ' ';
    p = put_hex32(p, (uint32_t)crc32_z(0, msg->bytes, msg->len));
    *p++ = ' ';
    p += endpoint_format(p, &msg->src);
    *p++ = ' ';
    p += endpoint_format(p, &msg->dst);
    *p++ = '\n';
    assert((size_t)(p - out) <= RECORD_HEADER_MAX);
    return (size_t)(p - out);
}

void record_reader_init(struct record_reader *reader, size_t max_payload)
{
    *reader = (struct record_reader){.max_payload = max_payload};
}

/* A header line, taken apart. */
struct header {
    size_t len; /* with its LF */
    uint8_t type;
    struct span id;
    int64_t ts_ns, latency_ns;
    bool has_length, has_crc;
    uint64_t length;
    uint32_t crc;
    struct endpoint src, dst;
};

/* All of s is decimal digits, with a sign if allowed; false on overflow too. */
static bool parse_number(struct span s, bool sign, int64_t *value)
{
    bool negative = sign && s.len > 0 && s.ptr[0] == '-';
    int64_t n = 0;
    if (negative)
        s = span_from(s, 1);
    if (s.len == 0 || s.len > 19)
        return false;
    for (size_t i = 0; i < s.len; i++) {
        if (s.ptr[i] < '0' || s.ptr[i] > '9' || __builtin_mul_overflow(n, 10, &n) ||
            __builtin_add_overflow(n, s.ptr[i] - '0', &n))
            return false;
    }
    *value = negative ? -n : n;
    return true;
}

static bool parse_crc(struct span s, uint32_t *crc)
{
    uint32_t n = 0;
    if (s.len != 8)
        return false;
    for (size_t i = 0; i < s.len; i++) {
        uint8_t c = ascii_lower(s.ptr[i]);
        if (c >= '0' && c <= '9')
            n = n << 4 | (uint32_t)(c - '0');
        else if (c >= 'a' && c <= 'f')
            n = n << 4 | (uint32_t)(c - 'a' + 10);
        else
            return false;
    }
    *crc = n;
    return true;
}

/* Fields are separated by one space; the ninth and later are left alone. */
static size_t split_fields(struct span line, struct span fields[MAX_FIELDS])
{
    size_t n = 0;
    while (n < MAX_FIELDS) {
        const uint8_t *space = line.len > 0 ? memchr(line.ptr, ' ', line.len) : NULL;
        size_t len = space ? (size_t)(space - line.ptr) : line.len;
        fields[n++] = span_of(line.ptr, len);
        if (!space)
            break;
        line = span_from(line, len + 1);
    }
    return n;
}

/* gor needs three fields, and reads a timestamp that is no number as 0. */
static bool parse_header(struct span line, struct header *h)
{
    struct span f[MAX_FIELDS];
    size_t n = split_fields(line, f);
    int64_t length;
    *h = (struct header){.len = line.len + 1};
    if (n < MIN_FIELDS || f[0].len != 1 || f[0].ptr[0] < '1' || f[0].ptr[0] > '9' ||
        f[1].len == 0 || f[1].len > MSG_ID_MAX)
        return false;
    for (size_t i = 0; i < line.len; i++)
        if (line.ptr[i] < ' ' || line.ptr[i] > '~')
            return false;
    h->type = f[0].ptr[0];
    h->id = f[1];
    if (!parse_number(f[2], true, &h->ts_ns))
        return false;
    if (n > 3 && !parse_number(f[3], true, &h->latency_ns))
        h->latency_ns = 0;
    if (n < 6 || !parse_number(f[4], false, &length))
        return true; /* gor's */
    h->has_length = true;
    h->length = (uint64_t)length;
    if (!parse_crc(f[5], &h->crc))
        return false;
    if (n > 7) {
        endpoint_parse(f[6], &h->src);
        endpoint_parse(f[7], &h->dst);
    }
    return true;
}

static const uint8_t *find_separator(const uint8_t *bytes, size_t n)
{
    return memmem(bytes, n, record_separator, RECORD_SEPARATOR_LEN);
}

static enum record_result make(const struct header *h, struct span payload, struct msg **msg)
{
    struct msg *m = msg_new(payload.len);
    if (!m)
        return RECORD_NO_MEMORY;
    m->type = h->type;
    bool fits = msg_set_id(m, h->id);
    assert(fits); /* parse_header() saw to it */
    m->ts_ns = h->ts_ns;
    m->latency_ns = h->latency_ns;
    m->src = h->src;
    m->dst = h->dst;
    m->len = payload.len;
    memcpy(m->bytes, payload.ptr, payload.len);
    msg_parse_head(m);
    msg_set_conn(m);
    *msg = m;
    return RECORD_MSG;
}

/* Damage: on to behind the next separator, where a header may begin. It is reported once, however
 * much of it there is. */
static enum record_result skip(struct record_reader *r, struct span all, bool at_end, size_t *used)
{
    enum record_result result = r->skipping ? RECORD_MORE : RECORD_DAMAGED;
    const uint8_t *separator = find_separator(all.ptr, all.len);
    r->state = RECORD_START;
    r->skipping = true;
    if (separator)
        *used = (size_t)(separator - all.ptr) + RECORD_SEPARATOR_LEN;
    else if (at_end)
        *used = all.len;
    else /* what may be the beginning of a separator stays */
        *used = all.len >= RECORD_SEPARATOR_LEN ? all.len - RECORD_SEPARATOR_LEN + 1 : 0;
    return result;
}

static enum record_result take(struct record_reader *r, const struct header *h, struct span payload,
                               size_t behind, size_t *used, struct msg **msg)
{
    r->state = RECORD_START;
    r->skipping = false;
    *used = h->len + payload.len + behind;
    return make(h, payload, msg);
}

/* A record that tells its length: the separator must follow, and the checksum agree. */
static enum record_result read_by_length(struct record_reader *r, const struct header *h,
                                         struct span all, bool at_end, size_t *used,
                                         struct msg **msg)
{
    struct span rest = span_from(all, h->len);
    if (h->length == 0 || h->length > r->max_payload)
        return skip(r, all, at_end, used);
    if (rest.len < h->length + RECORD_SEPARATOR_LEN && !at_end)
        return RECORD_MORE;
    if (rest.len < h->length)
        return skip(r, all, at_end, used);
    struct span payload = span_of(rest.ptr, (size_t)h->length);
    struct span tail = span_from(rest, payload.len);
    size_t behind = tail.len < RECORD_SEPARATOR_LEN ? tail.len : RECORD_SEPARATOR_LEN;
    if (memcmp(tail.ptr, record_separator, behind) != 0 ||
        (uint32_t)crc32_z(0, payload.ptr, payload.len) != h->crc)
        return skip(r, all, at_end, used);
    return take(r, h, payload, behind, used, msg);
}

/* Goes on framing the payload of a record without LENGTH, over bytes not framed yet. */
static void frame_on(struct record_reader *r, struct span payload)
{
    while (r->state == RECORD_FRAMING && r->framed < payload.len) {
        size_t n = 0;
        struct span next = span_from(payload, r->framed);
        enum http_verdict v = http_framer_feed(&r->framer, next.ptr, next.len, &n);
        r->framed += n;
        if (v == HTTP_HEAD)
            v = http_framer_head(&r->framer, payload.ptr, r->framed);
        if (v == HTTP_DONE)
            r->state = RECORD_FRAMED;
        else if (v == HTTP_BAD || r->framer.view.body == HTTP_BODY_UNTIL_CLOSE)
            r->state = RECORD_UNFRAMED;
    }
}

/* After a framed payload: LFs that gor's relay added, one a hop, then the separator. Bytes to there
 * and over it; 0: something else follows; SIZE_MAX: not known yet. */
static size_t behind_framed(struct span tail, bool at_end)
{
    size_t lfs = 0;
    while (lfs < MAX_HOPS && lfs + 1 < tail.len && tail.ptr[lfs] == '\n' &&
           tail.ptr[lfs + 1] == '\n')
        lfs++;
    tail = span_from(tail, lfs);
    size_t n = tail.len < RECORD_SEPARATOR_LEN ? tail.len : RECORD_SEPARATOR_LEN;
    if (memcmp(tail.ptr, record_separator, n) != 0)
        return 0;
    if (n == RECORD_SEPARATOR_LEN)
        return lfs + n;
    return at_end ? lfs + n : SIZE_MAX;
}

/* By the first separator: for what is not HTTP, or does not end where HTTP would. */
static enum record_result read_by_separator(struct record_reader *r, const struct header *h,
                                            struct span all, bool at_end, size_t *used,
                                            struct msg **msg)
{
    struct span rest = span_from(all, h->len);
    size_t from = r->searched > RECORD_SEPARATOR_LEN ? r->searched - RECORD_SEPARATOR_LEN : 0;
    struct span unsearched = span_from(rest, from);
    const uint8_t *separator = find_separator(unsearched.ptr, unsearched.len);
    r->searched = rest.len;
    if (!separator && !at_end && rest.len <= r->max_payload)
        return RECORD_MORE;
    /* a tail without a separator counts only when it is whole, and that is not known here */
    if (!separator || separator == rest.ptr)
        return skip(r, all, at_end, used);
    return take(r, h, span_of(rest.ptr, (size_t)(separator - rest.ptr)), RECORD_SEPARATOR_LEN, used,
                msg);
}

/* A record of gor's: framed as HTTP first, since a body may hold the separator. */
static enum record_result read_by_framing(struct record_reader *r, const struct header *h,
                                          struct span all, bool at_end, size_t *used,
                                          struct msg **msg)
{
    struct span rest = span_from(all, h->len);
    if (r->state == RECORD_START) {
        enum http_kind kind = h->type == MSG_REQUEST ? HTTP_REQUEST : HTTP_RESPONSE;
        http_framer_init(&r->framer, kind, &(struct http_limits){.max_head = r->max_payload});
        r->framed = r->searched = 0;
        r->state = RECORD_FRAMING;
    }
    frame_on(r, rest);
    if (r->state == RECORD_FRAMED) {
        size_t behind = behind_framed(span_from(rest, r->framed), at_end);
        if (behind == SIZE_MAX)
            return RECORD_MORE;
        if (behind > 0 || (at_end && rest.len == r->framed))
            return take(r, h, span_of(rest.ptr, r->framed), behind, used, msg);
        r->state = RECORD_UNFRAMED;
    }
    if (r->state == RECORD_FRAMING && !at_end && rest.len <= r->max_payload)
        return RECORD_MORE;
    r->state = RECORD_UNFRAMED;
    return read_by_separator(r, h, all, at_end, used, msg);
}

enum record_result record_read(struct record_reader *reader, const uint8_t *bytes, size_t n,
                               bool at_end, size_t *used, struct msg **msg)
{
    struct span all = span_of(bytes, n);
    struct header h;
    *used = 0;
    /* a separator with nothing before it: put there to end what an earlier run left torn */
    if (n >= RECORD_SEPARATOR_LEN && memcmp(bytes, record_separator, RECORD_SEPARATOR_LEN) == 0) {
        *used = RECORD_SEPARATOR_LEN;
        return RECORD_MORE;
    }
    const uint8_t *lf =
        n > 0 ? memchr(bytes, '\n', n < RECORD_HEADER_MAX ? n : RECORD_HEADER_MAX) : NULL;
    if (!lf && n < RECORD_HEADER_MAX && !(at_end && n > 0))
        return RECORD_MORE;
    if (!lf || !parse_header(span_of(bytes, (size_t)(lf - bytes)), &h))
        return n < RECORD_SEPARATOR_LEN && !at_end ? RECORD_MORE : skip(reader, all, at_end, used);
    return h.has_length ? read_by_length(reader, &h, all, at_end, used, msg)
                        : read_by_framing(reader, &h, all, at_end, used, msg);
}
