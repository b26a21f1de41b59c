/* SPDX-License-Identifier: MIT */
/* Reading records from bytes that come in pieces.
 *
 * Time stays linear whatever the bytes say, because every search begins where the last one ended,
 * lengths are only jumped over, and a record whose place in the stream is in doubt is given up
 * whole. What looks beyond a record's first separator, following a chunked body or summing up a
 * payload whose separator is missing, is not done twice over the same bytes (followed). */
#include "lib/record.h"

#include <string.h>

#include "lib/crc.h"
#include "lib/record_internal.h"

const uint8_t record_separator[RECORD_SEPARATOR_LEN] = {'\n', 0xf0, 0x9f, 0x90, 0xb5, 0xf0, 0x9f,
                                                        0x99, 0x88, 0xf0, 0x9f, 0x99, 0x89, '\n'};

/* LFs before the separator that are taken for traces of gor's relay. */
#define HOPS_MAX 64
/* Behind a payload of the greatest length, its separator lies within so many bytes. */
#define BEHIND_MAX (HOPS_MAX + RECORD_SEPARATOR_LEN)
#define NOT_FOUND SIZE_MAX

enum state {
    STATE_HEADER = 0, /* a header line comes next */
    STATE_LENGTH, /* a payload of known length, with its checksum */
    STATE_SEARCH, /* a payload of unknown length: looking for the first separator */
    STATE_FOLLOW, /* … which is chunked */
    STATE_FRAMED, /* … whose length framing has told */
    STATE_SKIP, /* in damage: looking for a separator and a header */
};

/* One call of record_read(). bytes and n shrink from the front as they are used. */
struct reading {
    struct record_reader *r;
    const uint8_t *bytes;
    size_t n;
    bool at_end;
    size_t *used;
    struct msg **msg;
    struct record_line line; /* the header at bytes, when it was read in this call */
    bool has_line;
};

const char *record_fault_text(enum record_fault fault)
{
    static const char *const texts[] = {
        [RECORD_FAULT_NONE] = "nothing",
        [RECORD_FAULT_HEADER] = "no header line of a record",
        [RECORD_FAULT_TORN] = "a record that is cut short",
        [RECORD_FAULT_LENGTH] = "no record ends where its LENGTH says",
        [RECORD_FAULT_CRC] = "the payload is not the one that was recorded (CRC32)",
        [RECORD_FAULT_SEPARATOR] = "the separator behind a sound record is damaged",
        [RECORD_FAULT_TOO_LONG] = "a record longer than any can be",
        [RECORD_FAULT_EMPTY] = "a header line without payload",
        [RECORD_FAULT_UNCHECKED] = "a record without CRC32 among doubtful bytes",
    };
    return texts[fault];
}

void record_reader_init(struct record_reader *reader, size_t max_payload)
{
    *reader = (struct record_reader){.max_payload = max_payload};
}

bool record_reader_is_inside(const struct record_reader *reader)
{
    return reader->state != STATE_HEADER && reader->state != STATE_SKIP;
}

static size_t min(size_t a, size_t b)
{
    return a < b ? a : b;
}

static size_t less(size_t a, size_t b)
{
    return a > b ? a - b : 0;
}

static void drop(struct reading *rd, size_t n)
{
    assert(n <= rd->n);
    rd->bytes += n;
    rd->n -= n;
    *rd->used += n;
    rd->r->followed = less(rd->r->followed, n);
    rd->has_line &= n == 0;
}

static void enter(struct reading *rd, enum state state, size_t scanned)
{
    rd->r->state = (uint8_t)state;
    rd->r->scanned = scanned;
}

static enum record_result damaged(struct reading *rd, enum record_fault fault, size_t n,
                                  enum state next)
{
    rd->r->fault = fault;
    drop(rd, n);
    enter(rd, next, 0);
    return RECORD_DAMAGED;
}

/* Searches by the separator's second byte, which is rare in text. */
static size_t find_separator(const struct reading *rd, size_t from)
{
    while (rd->n >= RECORD_SEPARATOR_LEN && from <= rd->n - RECORD_SEPARATOR_LEN) {
        size_t places = rd->n - RECORD_SEPARATOR_LEN - from + 1;
        const uint8_t *p = memchr(rd->bytes + from + 1, record_separator[1], places);
        if (!p)
            break;
        from = (size_t)(p - rd->bytes) - 1;
        if (memcmp(rd->bytes + from, record_separator, RECORD_SEPARATOR_LEN) == 0)
            return from;
        from++;
    }
    return NOT_FOUND;
}

/* Where a search that found nothing goes on when there are more bytes. */
static size_t searched(const struct reading *rd, size_t from)
{
    size_t last = less(rd->n, RECORD_SEPARATOR_LEN - 1);
    return last > from ? last : from;
}

/* Gives up bytes as far as the next separator with a header behind it. False: not there yet. */
static bool resync(struct reading *rd)
{
    size_t from = 0;
    for (;;) {
        struct record_line line;
        size_t separator = find_separator(rd, from);
        if (separator == NOT_FOUND)
            break;
        size_t behind = separator + RECORD_SEPARATOR_LEN;
        switch (record_line_parse(rd->bytes + behind, rd->n - behind, rd->at_end, &line)) {
        case HEADER_OK:
            drop(rd, behind);
            enter(rd, STATE_HEADER, 0);
            return true;
        case HEADER_MORE:
            drop(rd, separator);
            return false;
        case HEADER_BAD:
            from = behind - 1; /* its LF may be the next one's first */
            break;
        }
    }
    drop(rd, rd->at_end ? rd->n : searched(rd, from));
    return false;
}

/* Does the request end before its head says so? */
static bool is_cut(const struct msg *msg)
{
    struct span body = msg_body(msg);
    struct http_framer f;
    size_t used;
    if (msg->type != MSG_REQUEST || msg->http.head_len == 0)
        return false;
    if (http_framer_resume(&f, HTTP_REQUEST, &msg->http) != HTTP_MORE)
        return false;
    return http_framer_feed(&f, body.ptr, body.len, &used) == HTTP_MORE;
}

void record_finish(struct msg *msg)
{
    msg_parse_head(msg);
    msg_set_conn(msg);
    if (is_cut(msg))
        msg->flags |= MSG_CUT;
}

/* NULL: no memory. */
static struct msg *compose(const struct record_line *line, struct span payload)
{
    struct msg *msg = msg_new(payload.len);
    if (!msg)
        return NULL;
    bool fits = msg_set_id(msg, line->id);
    assert(fits); /* record_line_parse() saw to it */
    (void)fits;
    msg->type = line->type;
    msg->ts_ns = line->ts_ns;
    msg->latency_ns = line->latency_ns;
    endpoint_parse(line->src, &msg->src);
    endpoint_parse(line->dst, &msg->dst);
    msg->len = payload.len;
    memcpy(msg->bytes, payload.ptr, payload.len);
    record_finish(msg);
    return msg;
}

enum record_result record_whole(struct span bytes, struct msg **msg)
{
    struct record_line line;
    if (record_line_parse(bytes.ptr, bytes.len, true, &line) != HEADER_OK || line.len == bytes.len)
        return RECORD_DAMAGED;
    *msg = compose(&line, span_from(bytes, line.len));
    return *msg ? RECORD_MSG : RECORD_NO_MEMORY;
}

enum record_result record_alone(struct span bytes, struct msg **msg)
{
    struct record_line line;
    if (record_line_parse(bytes.ptr, bytes.len, true, &line) != HEADER_OK || line.len == bytes.len)
        return RECORD_DAMAGED;
    struct span payload = span_from(bytes, line.len);
    if (line.has_length &&
        (line.length != payload.len || crc32_add(0, payload.ptr, payload.len) != line.crc))
        return RECORD_DAMAGED;
    *msg = compose(&line, payload);
    return *msg ? RECORD_MSG : RECORD_NO_MEMORY;
}

static struct msg *make(const struct reading *rd, size_t len)
{
    struct record_line line = rd->line;
    enum header_result again =
        rd->has_line ? HEADER_OK : record_line_parse(rd->bytes, rd->n, true, &line);
    assert(again == HEADER_OK && line.len == rd->r->header_len);
    (void)again;
    return compose(&line, span_of(rd->bytes + line.len, len));
}

/* A whole record: len bytes of payload, and everything up to behind. */
static enum record_result take(struct reading *rd, size_t len, size_t behind)
{
    struct msg *msg = make(rd, len);
    drop(rd, behind);
    enter(rd, STATE_HEADER, 0);
    if (!msg)
        return RECORD_NO_MEMORY;
    *rd->msg = msg;
    return RECORD_MSG;
}

/* Is there a separator at off, but for LFs that hops added? Sets *behind. RECORD_MORE: the bytes do
 * not tell yet. RECORD_DAMAGED: no. At the end, what is torn of the separator counts as one. */
static enum record_result ends_at(const struct reading *rd, size_t off, size_t *behind)
{
    for (size_t hops = 0; hops <= HOPS_MAX; hops++, off++) {
        size_t have = min(rd->n - off, RECORD_SEPARATOR_LEN);
        if (have == 0 || memcmp(rd->bytes + off, record_separator, have) == 0) {
            if (have < RECORD_SEPARATOR_LEN && !rd->at_end)
                return RECORD_MORE;
            *behind = off + have;
            return RECORD_MSG;
        }
        if (rd->bytes[off] != '\n')
            break;
    }
    return RECORD_DAMAGED;
}

static bool crc_agrees(const struct record_reader *r, const struct reading *rd)
{
    return crc32_add(0, rd->bytes + r->header_len, r->length) == r->crc;
}

/* Not looked at twice: the payload up to end may be what was followed in vain. */
static bool is_sound(const struct reading *rd, size_t end)
{
    struct record_reader *r = rd->r;
    if (r->followed <= r->header_len && crc_agrees(r, rd))
        return true;
    if (r->followed < end)
        r->followed = end;
    return false;
}

/* No separator where LENGTH puts it. If the payload is sound and a header stands behind its place,
 * only the separator is damaged; else nothing says where this record ends: it may have been torn,
 * and what LENGTH covers may be the records that were written later. */
static enum record_result misplaced(struct reading *rd, size_t end)
{
    struct record_reader *r = rd->r;
    struct record_line line;
    size_t behind = min(end + RECORD_SEPARATOR_LEN, rd->n);
    switch (record_line_parse(rd->bytes + behind, rd->n - behind, rd->at_end, &line)) {
    case HEADER_MORE:
        return RECORD_MORE;
    case HEADER_OK:
        if (!is_sound(rd, end))
            break;
        r->fault = RECORD_FAULT_SEPARATOR;
        return r->mends ? take(rd, r->length, behind)
                        : damaged(rd, RECORD_FAULT_SEPARATOR, behind, STATE_HEADER);
    case HEADER_BAD:
        if (!r->mends || !is_sound(rd, end))
            break;
        r->fault = RECORD_FAULT_SEPARATOR;
        /* what is behind it is damage of its own, but for the end of the bytes */
        return take(rd, r->length, rd->at_end && behind == rd->n ? behind : end);
    }
    return damaged(rd, RECORD_FAULT_LENGTH, r->header_len - 1, STATE_SKIP);
}

static enum record_result read_by_length(struct reading *rd)
{
    struct record_reader *r = rd->r;
    size_t end = r->header_len + r->length, behind;
    if (rd->n < end)
        return rd->at_end ? damaged(rd, RECORD_FAULT_TORN, r->header_len - 1, STATE_SKIP)
                          : RECORD_MORE;
    enum record_result found = ends_at(rd, end, &behind);
    if (found == RECORD_MORE)
        return RECORD_MORE;
    if (found == RECORD_DAMAGED)
        return misplaced(rd, end);
    if (!crc_agrees(r, rd))
        return damaged(rd, RECORD_FAULT_CRC, behind, STATE_HEADER);
    return take(rd, r->length, behind);
}

/* Framing does not tell where the payload ends. */
static enum record_result read_by_separator(struct reading *rd)
{
    struct record_reader *r = rd->r;
    size_t len = r->separator - r->header_len;
    if (r->separator_len < RECORD_SEPARATOR_LEN) /* torn */
        return damaged(rd, RECORD_FAULT_TORN, rd->n, STATE_HEADER);
    if (len > r->max_payload)
        return damaged(rd, RECORD_FAULT_TOO_LONG, r->header_len - 1, STATE_SKIP);
    return take(rd, len, r->separator + r->separator_len);
}

static enum record_result read_framed(struct reading *rd)
{
    struct record_reader *r = rd->r;
    size_t end = r->header_len + r->length, behind;
    if (r->length > r->max_payload || (rd->n < end && rd->at_end))
        return read_by_separator(rd);
    if (rd->n < end)
        return RECORD_MORE;
    enum record_result found = ends_at(rd, end, &behind);
    if (found == RECORD_MORE)
        return RECORD_MORE;
    return found == RECORD_MSG ? take(rd, r->length, behind) : read_by_separator(rd);
}

static enum record_result follow_chunks(struct reading *rd)
{
    struct record_reader *r = rd->r;
    size_t limit = min(rd->n, r->header_len + r->max_payload), used;
    if (r->followed > r->separator)
        limit = min(limit, r->separator);
    enum http_verdict v = HTTP_MORE;
    if (limit > r->framed) {
        v = http_framer_feed(&r->framer, rd->bytes + r->framed, limit - r->framed, &used);
        r->framed += used;
    }
    if (v == HTTP_DONE) {
        r->length = r->framed - r->header_len;
        enter(rd, STATE_FRAMED, 0);
        return read_framed(rd);
    }
    if (v == HTTP_MORE && limit == rd->n && !rd->at_end)
        return RECORD_MORE;
    if (r->followed < r->framed)
        r->followed = r->framed;
    return read_by_separator(rd);
}

/* The first separator is known, or there is none up to the end. A head cannot hold one, so the head
 * lies before it, if the payload is HTTP; where the body ends is another matter. */
static enum record_result frame(struct reading *rd)
{
    struct record_reader *r = rd->r;
    enum http_kind kind = rd->bytes[0] == MSG_REQUEST ? HTTP_REQUEST : HTTP_RESPONSE;
    struct span payload = span_of(rd->bytes + r->header_len, r->separator - r->header_len);
    struct http_view view;
    if (!http_parse_head(kind, payload.ptr, payload.len, &view))
        return read_by_separator(rd);
    if (view.body == HTTP_BODY_CHUNKED) {
        http_framer_resume(&r->framer, kind, &view);
        r->framed = r->header_len + view.head_len;
        enter(rd, STATE_FOLLOW, 0);
        return follow_chunks(rd);
    }
    /* to nobody's surprise, an answer to HEAD ends with its head */
    bool head_only = kind == HTTP_RESPONSE && payload.len == view.head_len;
    r->length = payload.len;
    if (view.body == HTTP_BODY_NONE || head_only)
        r->length = view.head_len;
    else if (view.body == HTTP_BODY_LENGTH)
        r->length = view.length < r->max_payload ? view.head_len + view.length : SIZE_MAX;
    enter(rd, STATE_FRAMED, 0);
    return read_framed(rd);
}

/* How much of a separator the bytes end with. One LF alone is more likely the payload's. */
static size_t torn_separator(const struct reading *rd)
{
    size_t payload_len = rd->n - rd->r->header_len;
    for (size_t len = min(RECORD_SEPARATOR_LEN - 1, payload_len); len > 1; len--)
        if (memcmp(rd->bytes + rd->n - len, record_separator, len) == 0)
            return len;
    return 0;
}

static enum record_result search(struct reading *rd)
{
    struct record_reader *r = rd->r;
    size_t found = find_separator(rd, r->scanned);
    r->separator_len = RECORD_SEPARATOR_LEN;
    if (found == NOT_FOUND) {
        if (rd->n - r->header_len > r->max_payload + BEHIND_MAX)
            return damaged(rd, RECORD_FAULT_TOO_LONG, r->header_len - 1, STATE_SKIP);
        r->scanned = searched(rd, r->scanned);
        if (!rd->at_end)
            return RECORD_MORE;
        r->separator_len = torn_separator(rd);
        found = rd->n - r->separator_len;
    }
    if (found <= r->header_len) /* no payload */
        return damaged(rd, RECORD_FAULT_EMPTY, found + r->separator_len, STATE_HEADER);
    r->separator = found;
    return frame(rd);
}

/* What is no header ends at its LF, which may begin a separator. */
static enum record_result not_a_header(struct reading *rd)
{
    size_t look = min(rd->n, RECORD_HEADER_MAX);
    const uint8_t *lf = memchr(rd->bytes, '\n', look);
    return damaged(rd, RECORD_FAULT_HEADER, lf ? (size_t)(lf - rd->bytes) : look, STATE_SKIP);
}

static enum record_result read_header(struct reading *rd)
{
    struct record_reader *r = rd->r;
    struct record_line *line = &rd->line;
    size_t have;
    while ((have = min(rd->n, RECORD_SEPARATOR_LEN)) > 0 &&
           memcmp(rd->bytes, record_separator, have) == 0) {
        if (have < RECORD_SEPARATOR_LEN && !rd->at_end)
            return RECORD_MORE;
        drop(rd, have);
    }
    r->before = *rd->used;
    if (have == 0)
        return RECORD_MORE;
    switch (record_line_parse(rd->bytes, rd->n, rd->at_end, line)) {
    case HEADER_MORE:
        return RECORD_MORE;
    case HEADER_BAD:
        return not_a_header(rd);
    case HEADER_OK:
        break;
    }
    rd->has_line = true;
    r->header_len = line->len;
    r->length = (size_t)line->length;
    r->crc = line->crc;
    if (line->has_length ? line->length > r->max_payload : r->only_checked)
        return damaged(rd, line->has_length ? RECORD_FAULT_TOO_LONG : RECORD_FAULT_UNCHECKED,
                       line->len - 1, STATE_SKIP);
    enter(rd, line->has_length ? STATE_LENGTH : STATE_SEARCH, line->len - 1);
    return line->has_length ? read_by_length(rd) : search(rd);
}

enum record_result record_read(struct record_reader *reader, const uint8_t *bytes, size_t n,
                               bool at_end, size_t *used, struct msg **msg)
{
    struct reading rd = {reader, bytes, n, at_end, used, msg, .has_line = false};
    reader->fault = RECORD_FAULT_NONE;
    reader->before = 0;
    *used = 0;
    switch ((enum state)reader->state) {
    case STATE_SKIP:
        return resync(&rd) ? read_header(&rd) : RECORD_MORE;
    case STATE_LENGTH:
        return read_by_length(&rd);
    case STATE_SEARCH:
        return search(&rd);
    case STATE_FOLLOW:
        return follow_chunks(&rd);
    case STATE_FRAMED:
        return read_framed(&rd);
    case STATE_HEADER:
        break;
    }
    return read_header(&rd);
}
