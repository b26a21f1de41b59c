/* SPDX-License-Identifier: MIT */
/* The header line of a record: writing and taking apart. */
#include <string.h>

#include "lib/crc.h"
#include "lib/record.h"
#include "lib/record_internal.h"

#define FIELDS_MIN 3 /* old files have no latency */
#define FIELDS_MAX 9
#define CRC_DIGITS 8
#define STREAM_DIGITS 16
#define DECIMAL_MAX 20 /* digits of UINT64_MAX */

static_assert(1 + MSG_ID_MAX + 4 * (DECIMAL_MAX + 1) + CRC_DIGITS + 2 * ENDPOINT_TEXT_MAX + 16 +
                      10 <=
                  RECORD_HEADER_MAX,
              "every header line has room");

/* 00 to 99. */
static const char two_digits[] =
    "00010203040506070809101112131415161718192021222324252627282930313233"
    "34353637383940414243444546474849505152535455565758596061626364656667"
    "6869707172737475767778798081828384858687888990919293949596979899";

static char *put_decimal(char *p, uint64_t n)
{
    char digits[DECIMAL_MAX];
    size_t i = sizeof(digits);
    for (; n >= 1000; n /= 100) {
        i -= 2;
        memcpy(digits + i, two_digits + 2 * (n % 100), 2);
    }
    if (n >= 100)
        *p++ = (char)('0' + n / 100);
    if (n >= 10)
        *p++ = two_digits[2 * (n % 100)];
    *p++ = (char)('0' + n % 10);
    if (i < sizeof(digits))
        memcpy(p, digits + i, sizeof(digits) - i);
    return p + (sizeof(digits) - i);
}

static char *put_signed(char *p, int64_t n)
{
    if (n < 0)
        *p++ = '-';
    return put_decimal(p, n < 0 ? -(uint64_t)n : (uint64_t)n);
}

/* The lowest so many bits. */
static char *put_hex(char *p, uint64_t n, int bits)
{
    for (int shift = bits - 4; shift >= 0; shift -= 4)
        *p++ = "0123456789abcdef"[n >> shift & 15];
    return p;
}

static char *put_endpoint(char *p, const struct endpoint *e)
{
    if (e->family != 4)
        return p + endpoint_format(p, e);
    for (int i = 0; i < 4; i++) {
        p = put_decimal(p, e->addr[i]);
        *p++ = i < 3 ? '.' : ':';
    }
    return put_decimal(p, e->port);
}

/* Other programs make ids too, and one with a space or a line end would forge the fields behind. */
static char *put_id(char *p, const struct msg *msg)
{
    if (msg->id_len == 0)
        *p++ = '-';
    for (size_t i = 0; i < msg->id_len; i++) {
        uint8_t c = (uint8_t)msg->id[i];
        *p++ = c > ' ' && c != 0x7f ? (char)c : '_';
    }
    return p;
}

/* Up to the latency, with nothing behind it. */
static char *put_first_four(char *p, const struct msg *msg)
{
    *p++ = (char)msg->type;
    *p++ = ' ';
    p = put_id(p, msg);
    *p++ = ' ';
    p = put_signed(p, msg->ts_ns);
    *p++ = ' ';
    return put_signed(p, msg->latency_ns);
}

size_t record_header_gor(char *out, const struct msg *msg)
{
    char *p = put_first_four(out, msg);
    *p++ = '\n';
    return (size_t)(p - out);
}

size_t record_header(char *out, const struct msg *msg)
{
    char *p = put_first_four(out, msg);
    *p++ = ' ';
    p = put_decimal(p, msg->len);
    *p++ = ' ';
    p = put_hex(p, crc32_add(0, msg->bytes, msg->len), 32);
    *p++ = ' ';
    p = put_endpoint(p, &msg->src);
    *p++ = ' ';
    p = put_endpoint(p, &msg->dst);
    if (msg->stream != 0) {
        *p++ = ' ';
        p = put_hex(p, msg->stream, 64);
        *p++ = ':';
        p = put_decimal(p, msg->number);
    }
    *p++ = '\n';
    return (size_t)(p - out);
}

static bool parse_unsigned(struct span s, uint64_t *out)
{
    uint64_t n = 0;
    if (s.len == 0)
        return false;
    size_t safe = s.len < 18 ? s.len : 18, i = 0; /* below 10^18 nothing can overflow */
    for (; i < safe; i++) {
        unsigned digit = (unsigned)s.ptr[i] - '0';
        if (digit > 9)
            return false;
        n = n * 10 + digit;
    }
    for (; i < s.len; i++) {
        unsigned digit = (unsigned)s.ptr[i] - '0';
        if (digit > 9 || n > ((uint64_t)INT64_MAX - digit) / 10)
            return false;
        n = n * 10 + digit;
    }
    *out = n;
    return true;
}

static bool parse_signed(struct span s, int64_t *out)
{
    uint64_t n;
    bool negative = s.len > 0 && s.ptr[0] == '-';
    if (!parse_unsigned(negative ? span_from(s, 1) : s, &n))
        return false;
    *out = negative ? -(int64_t)n : (int64_t)n;
    return true;
}

static bool parse_hex(struct span s, size_t digits, uint64_t *out)
{
    uint64_t n = 0;
    if (s.len != digits)
        return false;
    for (size_t i = 0; i < s.len; i++) {
        unsigned digit = (unsigned)s.ptr[i] - '0', letter = (s.ptr[i] | 0x20u) - 'a';
        if (digit > 9 && letter > 5)
            return false;
        n = n << 4 | (digit <= 9 ? digit : letter + 10);
    }
    *out = n;
    return true;
}

/* Splits the line at each SP; the last field takes what is beyond FIELDS_MAX. False when one of the
 * first three is empty. */
static bool split(struct span line, struct span field[FIELDS_MAX])
{
    for (size_t i = 0; i < FIELDS_MAX; i++) {
        const uint8_t *sp = line.len > 0 ? memchr(line.ptr, ' ', line.len) : NULL;
        field[i] = span_of(line.ptr, sp ? (size_t)(sp - line.ptr) : line.len);
        if (i < FIELDS_MIN && field[i].len == 0)
            return false;
        line = span_from(line, field[i].len + 1);
    }
    return true;
}

static bool is_visible(struct span s)
{
    for (size_t i = 0; i < s.len; i++)
        if (s.ptr[i] <= ' ' || s.ptr[i] == 0x7f)
            return false;
    return true;
}

/* LENGTH and CRC32 go together. gor writes neither, and what others append there is not for us to
 * understand; but when only one of the two can be read, the line is damaged. */
static bool parse_length(struct record_line *line, const struct span field[FIELDS_MAX])
{
    bool has_length = parse_unsigned(field[4], &line->length);
    uint64_t crc = 0;
    bool has_crc = parse_hex(field[5], CRC_DIGITS, &crc);
    line->crc = (uint32_t)crc;
    line->has_length = has_length && has_crc;
    if (field[5].len == 0)
        return true;
    return has_length == has_crc && (!has_length || line->length > 0);
}

/* STREAM:NUMBER, or anything: then it is not there. */
static void parse_origin(struct record_line *line, struct span field)
{
    struct span stream = span_of(field.ptr, field.len < STREAM_DIGITS ? field.len : STREAM_DIGITS);
    struct span rest = span_from(field, STREAM_DIGITS);
    uint64_t number = 0;
    if (rest.len < 2 || rest.ptr[0] != ':' || !parse_unsigned(span_from(rest, 1), &number) ||
        !parse_hex(stream, STREAM_DIGITS, &line->stream))
        line->stream = 0;
    line->number = number;
}

static bool parse_fields(struct span text, struct record_line *line)
{
    struct span field[FIELDS_MAX];
    if (!split(text, field))
        return false;
    line->type = field[0].ptr[0];
    line->id = field[1];
    line->src = field[6];
    line->dst = field[7];
    parse_origin(line, field[8]);
    if (field[0].len != 1 || line->type < '1' || line->type > '9')
        return false;
    if (line->id.len > MSG_ID_MAX || !is_visible(line->id))
        return false;
    if (!parse_signed(field[2], &line->ts_ns))
        return false;
    if (!parse_signed(field[3], &line->latency_ns))
        line->latency_ns = 0;
    return parse_length(line, field);
}

enum header_result record_line_parse(const uint8_t *bytes, size_t n, bool at_end,
                                     struct record_line *line)
{
    size_t look = n < RECORD_HEADER_MAX ? n : RECORD_HEADER_MAX;
    const uint8_t *lf = look > 0 ? memchr(bytes, '\n', look) : NULL;
    if (!lf)
        return look == RECORD_HEADER_MAX || at_end ? HEADER_BAD : HEADER_MORE;
    struct record_line found = {.len = (size_t)(lf - bytes) + 1};
    if (!parse_fields(span_of(bytes, found.len - 1), &found))
        return HEADER_BAD;
    *line = found;
    return HEADER_OK;
}

bool record_origin(struct span line, struct record_origin *origin)
{
    struct record_line found;
    if (record_line_parse(line.ptr, line.len, false, &found) != HEADER_OK || !found.has_length)
        return false;
    *origin = (struct record_origin){
        .line_len = found.len,
        .payload_len = found.length,
        .stream = found.stream,
        .number = found.number,
    };
    return true;
}
