/* SPDX-License-Identifier: MIT */
#include "lib/relay_frame.h"

#include <inttypes.h>
#include <stdio.h>

#include "lib/crc.h"
#include "lib/cursor.h"

#define MAGIC 0xf5 /* in no text, and no first byte of UTF-8 */
#define SUMMED (RELAY_HEAD_LEN - 4) /* the CRC is the head's last field */
#define NAME "refrain-relay/"
#define NAME_LEN (sizeof(NAME) - 1)
#define PACK "pack=zstd"

static uint8_t *put_be(uint8_t *p, uint64_t n, unsigned bytes)
{
    for (unsigned i = 0; i < bytes; i++)
        p[i] = (uint8_t)(n >> 8 * (bytes - 1 - i));
    return p + bytes;
}

void relay_head_put(uint8_t *out, const struct relay_head *h, struct span line)
{
    uint8_t *p = put_be(out, MAGIC, 1);
    p = put_be(p, (uint64_t)h->type, 1);
    p = put_be(p, h->line_len, 2);
    p = put_be(p, h->body_len, 4);
    p = put_be(p, h->stream, 8);
    p = put_be(p, h->number, 8);
    uint32_t crc = crc32_add(0, out, SUMMED);
    if (line.len > 0)
        crc = crc32_add(crc, line.ptr, line.len);
    put_be(p, crc, 4);
}

size_t relay_data_put(uint8_t *out, const struct msg *msg, uint64_t stream, uint64_t number)
{
    size_t line_len = record_header((char *)out + RELAY_HEAD_LEN, msg);
    struct relay_head h = {.type = RELAY_DATA,
                           .line_len = (uint16_t)line_len,
                           .body_len = (uint32_t)(line_len + msg->len),
                           .stream = stream,
                           .number = number};
    relay_head_put(out, &h, span_of(out + RELAY_HEAD_LEN, line_len));
    memcpy(out + RELAY_HEAD_LEN + line_len, msg->bytes, msg->len);
    return relay_frame_len(&h);
}

static bool within_limits(const struct relay_head *h)
{
    switch (h->type) {
    case RELAY_DATA:
        return h->line_len > 0 && h->line_len <= RECORD_HEADER_MAX && h->body_len > h->line_len &&
               relay_payload_len(h) <= RELAY_PAYLOAD_MAX;
    case RELAY_ZSTD:
        return h->line_len == 0 && h->body_len > 0 && h->body_len <= RELAY_PACKED_MAX &&
               h->number > 0 && h->number <= RELAY_PACKED_MAX;
    case RELAY_PING:
    case RELAY_ACK:
    case RELAY_BYE:
        return h->line_len == 0 && h->body_len == 0;
    }
    return false;
}

bool relay_is_frame(struct span bytes)
{
    return bytes.ptr[0] == MAGIC;
}

struct relay_head relay_head_peek(const uint8_t *p)
{
    return (struct relay_head){
        .type = (enum relay_type)p[1],
        .line_len = load_be16(p + 2),
        .body_len = load_be32(p + 4),
        .stream = load_be64(p + 8),
        .number = load_be64(p + 16),
    };
}

enum relay_found relay_head_get(struct span bytes, struct relay_head *h)
{
    if (bytes.len > 0 && bytes.ptr[0] != MAGIC)
        return RELAY_BAD;
    if (bytes.len < RELAY_HEAD_LEN)
        return RELAY_SHORT;
    const uint8_t *p = bytes.ptr;
    struct relay_head found = relay_head_peek(p);
    if (!within_limits(&found))
        return RELAY_BAD;
    if (bytes.len < RELAY_HEAD_LEN + (size_t)found.line_len)
        return RELAY_SHORT;
    uint32_t crc = crc32_add(0, p, SUMMED);
    if (found.line_len > 0)
        crc = crc32_add(crc, p + RELAY_HEAD_LEN, found.line_len);
    if (crc != load_be32(p + SUMMED))
        return RELAY_BAD;
    *h = found;
    return RELAY_FOUND;
}

size_t relay_hello_put(char *out, const struct relay_hello *hello)
{
    int n = snprintf(out, RELAY_HELLO_MAX, NAME "%u sender=%016" PRIx64 " next=%" PRIu64 "%s",
                     hello->version, hello->sender, hello->next, hello->zstd ? " " PACK : "");
    memcpy(out + n, record_separator, RECORD_SEPARATOR_LEN);
    return (size_t)n + RECORD_SEPARATOR_LEN;
}

size_t relay_welcome_put(char *out, const struct relay_welcome *welcome)
{
    int n = snprintf(out, RELAY_HELLO_MAX, NAME "%u have=%" PRIu64 "%s\n", welcome->version,
                     welcome->have, welcome->zstd ? " " PACK : "");
    return (size_t)n;
}

bool relay_is_hello(struct span bytes)
{
    size_t n = bytes.len < NAME_LEN ? bytes.len : NAME_LEN;
    return n == 0 || memcmp(bytes.ptr, NAME, n) == 0;
}

/* A number in base 10 or 16 at the start of *text, which it is taken from. */
static bool take_number(struct span *text, unsigned base, uint64_t *out)
{
    uint64_t n = 0;
    size_t i = 0;
    for (; i < text->len; i++) {
        uint8_t c = text->ptr[i];
        unsigned digit = c >= 'a' && c <= 'f' ? c - 'a' + 10u : c - '0' + 0u;
        if (digit >= base)
            break;
        if (n > (UINT64_MAX - digit) / base)
            return false;
        n = n * base + digit;
    }
    *text = span_from(*text, i);
    *out = n;
    return i > 0;
}

static bool take_text(struct span *text, const char *wanted)
{
    size_t len = strlen(wanted);
    if (text->len < len || memcmp(text->ptr, wanted, len) != 0)
        return false;
    *text = span_from(*text, len);
    return true;
}

/* The first line of bytes, without LF, once it is there. */
static enum relay_found first_line(struct span bytes, struct span *line)
{
    size_t look = bytes.len < RELAY_HELLO_MAX ? bytes.len : RELAY_HELLO_MAX;
    if (!relay_is_hello(bytes))
        return RELAY_BAD;
    const uint8_t *lf = look > 0 ? memchr(bytes.ptr, '\n', look) : NULL;
    if (!lf)
        return look == RELAY_HELLO_MAX ? RELAY_BAD : RELAY_SHORT;
    *line = span_of(bytes.ptr, (size_t)(lf - bytes.ptr));
    return RELAY_FOUND;
}

/* What a later version puts behind these fields is not for us: nothing, or a space, follows. */
static bool ends_field(struct span text)
{
    return text.len == 0 || text.ptr[0] == ' ';
}

/* Is word among the fields that text begins with? */
static bool has_field(struct span text, const char *word)
{
    while (text.len > 0) {
        text = span_from(text, 1); /* the space */
        const uint8_t *end = text.len > 0 ? memchr(text.ptr, ' ', text.len) : NULL;
        size_t len = end ? (size_t)(end - text.ptr) : text.len;
        if (span_eq(span_of(text.ptr, len), span_str(word)))
            return true;
        text = span_from(text, len);
    }
    return false;
}

enum relay_found relay_hello_get(struct span bytes, struct relay_hello *hello, size_t *used)
{
    struct span line;
    uint64_t version = 0;
    struct relay_hello h = {0};
    enum relay_found r = first_line(bytes, &line);
    if (r != RELAY_FOUND)
        return r;
    struct span rest = span_from(bytes, line.len);
    size_t n = rest.len < RECORD_SEPARATOR_LEN ? rest.len : RECORD_SEPARATOR_LEN;
    if (memcmp(rest.ptr, record_separator, n) != 0)
        return RELAY_BAD;
    if (n < RECORD_SEPARATOR_LEN)
        return RELAY_SHORT;
    *used = line.len + RECORD_SEPARATOR_LEN;
    if (!take_text(&line, NAME) || !take_number(&line, 10, &version) ||
        !take_text(&line, " sender=") || !take_number(&line, 16, &h.sender) ||
        !take_text(&line, " next=") || !take_number(&line, 10, &h.next) || !ends_field(line))
        return RELAY_BAD;
    h.version = version < UINT16_MAX ? (unsigned)version : UINT16_MAX;
    if (h.version == 0 || h.sender == 0 || h.next == 0)
        return RELAY_BAD;
    h.zstd = has_field(line, PACK);
    *hello = h;
    return RELAY_FOUND;
}

enum relay_found relay_welcome_get(struct span bytes, struct relay_welcome *welcome, size_t *used)
{
    struct span line;
    struct relay_welcome w = {0};
    uint64_t v = 0;
    enum relay_found r = first_line(bytes, &line);
    if (r != RELAY_FOUND)
        return r;
    *used = line.len + 1;
    if (!take_text(&line, NAME) || !take_number(&line, 10, &v) || v > UINT16_MAX ||
        !take_text(&line, " have=") || !take_number(&line, 10, &w.have) || !ends_field(line))
        return RELAY_BAD;
    w.version = (unsigned)v;
    w.zstd = has_field(line, PACK);
    *welcome = w;
    return RELAY_FOUND;
}
