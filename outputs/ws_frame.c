/* SPDX-License-Identifier: MIT */
#include "outputs/ws_frame.h"

#include <string.h>

#define FIN 0x80
#define RESERVED 0x70
#define OPCODE 0x0f
#define MASKED 0x80
/* Values of the length that mean that two or eight bytes with it follow. */
#define LENGTH_16 126
#define LENGTH_64 127

static uint8_t *put_big_endian(uint8_t *p, uint64_t n, size_t bytes)
{
    for (size_t i = bytes; i > 0; i--)
        *p++ = (uint8_t)(n >> (8 * (i - 1)));
    return p;
}

size_t ws_head(uint8_t *out, enum ws_opcode opcode, uint64_t len, const uint8_t mask[WS_MASK_LEN])
{
    uint8_t *p = out;
    *p++ = (uint8_t)(FIN | opcode);
    if (len < LENGTH_16) {
        *p++ = (uint8_t)(MASKED | len);
    } else if (len <= UINT16_MAX) {
        *p++ = MASKED | LENGTH_16;
        p = put_big_endian(p, len, 2);
    } else {
        *p++ = MASKED | LENGTH_64;
        p = put_big_endian(p, len, 8);
    }
    memcpy(p, mask, WS_MASK_LEN);
    return (size_t)(p + WS_MASK_LEN - out);
}

void ws_mask(uint8_t *out, const uint8_t *in, size_t n, const uint8_t mask[WS_MASK_LEN],
             uint64_t offset)
{
    uint8_t turned[8]; /* eight bytes at once: the mask from offset on, twice */
    uint64_t word, key;
    size_t i = 0;
    for (size_t k = 0; k < sizeof(turned); k++)
        turned[k] = mask[(offset + k) % WS_MASK_LEN];
    memcpy(&key, turned, sizeof(key));
    for (; n - i >= sizeof(word); i += sizeof(word)) {
        memcpy(&word, in + i, sizeof(word));
        word ^= key;
        memcpy(out + i, &word, sizeof(word));
    }
    for (; i < n; i++)
        out[i] = in[i] ^ turned[i % sizeof(turned)];
}

void ws_reader_init(struct ws_reader *r)
{
    *r = (struct ws_reader){.opcode = WS_CONTINUATION};
}

static enum ws_event bad(struct ws_reader *r, const char *fault)
{
    r->fault = fault;
    return WS_BAD;
}

/* How long the head is, as far as its first two bytes tell. */
static size_t head_wanted(const struct ws_reader *r)
{
    if (r->head_len < 2 || (r->head[1] & ~MASKED) < LENGTH_16)
        return 2;
    return (r->head[1] & ~MASKED) == LENGTH_16 ? 4 : 10;
}

static enum ws_event check_first(const struct ws_reader *r, bool fin, const char **fault)
{
    switch (r->opcode) {
    case WS_CONTINUATION:
        *fault = "a continuation of nothing";
        return r->in_message ? WS_MORE : WS_BAD;
    case WS_TEXT:
    case WS_BINARY:
        *fault = "a message inside another";
        return r->in_message ? WS_BAD : WS_MORE;
    case WS_CLOSE:
    case WS_PING:
    case WS_PONG:
        *fault = "a control frame in pieces, or too long";
        return fin && r->left <= WS_CONTROL_MAX ? WS_MORE : WS_BAD;
    }
    *fault = "an unknown kind of frame";
    return WS_BAD;
}

/* The head is whole. */
static enum ws_event take_head(struct ws_reader *r)
{
    uint8_t first = r->head[0], length = r->head[1] & (uint8_t)~MASKED;
    bool fin = first & FIN;
    const char *fault = NULL;
    r->opcode = first & OPCODE;
    r->left = length;
    if (length >= LENGTH_16) {
        r->left = 0;
        for (size_t i = 2; i < r->head_len; i++)
            r->left = r->left << 8 | r->head[i];
        if (r->left < (length == LENGTH_16 ? LENGTH_16 : UINT64_C(1) << 16) || r->left >> 63)
            return bad(r, "a length that is not the shortest, or too long");
    }
    if (first & RESERVED)
        return bad(r, "an extension that was not agreed on");
    if (r->head[1] & MASKED)
        return bad(r, "a masked frame");
    if (check_first(r, fin, &fault) == WS_BAD)
        return bad(r, fault);
    if (r->opcode < WS_CLOSE)
        r->in_message = !fin;
    r->in_payload = true;
    r->control_len = 0;
    return WS_MORE;
}

static size_t take_payload(struct ws_reader *r, const uint8_t *bytes, size_t n)
{
    size_t part = n < r->left ? n : (size_t)r->left;
    if (r->opcode < WS_CLOSE) {
        r->data_bytes += part;
    } else if (part > 0) {
        memcpy(r->control + r->control_len, bytes, part);
        r->control_len += part;
    }
    r->left -= part;
    return part;
}

enum ws_event ws_read(struct ws_reader *r, const uint8_t *bytes, size_t n, size_t *used)
{
    *used = 0;
    if (r->fault)
        return WS_BAD;
    while (*used < n) {
        if (!r->in_payload) {
            r->head[r->head_len++] = bytes[(*used)++];
            if (r->head_len < 2 || r->head_len < head_wanted(r))
                continue;
            if (take_head(r) == WS_BAD)
                return WS_BAD;
        } /* a frame without payload ends with its head */
        *used += take_payload(r, bytes + *used, n - *used);
        if (r->left > 0)
            continue;
        r->in_payload = false;
        r->head_len = 0;
        if (r->opcode >= WS_CLOSE)
            return r->opcode == WS_CLOSE && r->control_len == 1
                       ? bad(r, "a closing with half a reason")
                       : WS_CONTROL;
    }
    return WS_MORE;
}
