/* SPDX-License-Identifier: MIT */
#include "tools/json_text.h"

#include <inttypes.h>
#include <math.h>
#include <openssl/evp.h>
#include <stdio.h>

/* Bytes that are encoded at once: a multiple of 3. */
#define BASE64_PIECE 3072

static void put(struct json_text *t, const void *bytes, size_t n)
{
    if (t->error == 0 && n > 0)
        t->error = buf_append(t->buf, bytes, n);
}

void json_text_raw(struct json_text *t, const char *text)
{
    put(t, text, strlen(text));
}

static void begin(struct json_text *t)
{
    if (t->comma)
        put(t, ",", 1);
    t->comma = true;
}

void json_text_open(struct json_text *t, char bracket)
{
    begin(t);
    put(t, &bracket, 1);
    t->comma = false;
}

void json_text_close(struct json_text *t, char bracket)
{
    put(t, &bracket, 1);
    t->comma = true;
}

void json_text_key(struct json_text *t, const char *name)
{
    begin(t);
    put(t, "\"", 1);
    json_text_raw(t, name);
    put(t, "\":", 2);
    t->comma = false;
}

void json_text_int(struct json_text *t, int64_t n)
{
    char text[24];
    begin(t);
    put(t, text, (size_t)snprintf(text, sizeof(text), "%" PRId64, n));
}

void json_text_real(struct json_text *t, double x)
{
    char text[64];
    begin(t);
    assert(isfinite(x) && fabs(x) < 1e20);
    put(t, text, (size_t)snprintf(text, sizeof(text), "%.3f", x));
}

void json_text_bool(struct json_text *t, bool value)
{
    begin(t);
    json_text_raw(t, value ? "true" : "false");
}

/* The length of the UTF-8 character at s (RFC 3629, 4), or 0. */
static size_t utf8_len(struct span s)
{
    static const struct {
        uint8_t low, high; /* of the first byte */
        uint8_t next_low, next_high; /* of the second; the others are 80 to bf */
        uint8_t len;
    } forms[] = {
        {0x00, 0x7f, 0, 0, 1},       {0xc2, 0xdf, 0x80, 0xbf, 2}, {0xe0, 0xe0, 0xa0, 0xbf, 3},
        {0xe1, 0xec, 0x80, 0xbf, 3}, {0xed, 0xed, 0x80, 0x9f, 3}, {0xee, 0xef, 0x80, 0xbf, 3},
        {0xf0, 0xf0, 0x90, 0xbf, 4}, {0xf1, 0xf3, 0x80, 0xbf, 4}, {0xf4, 0xf4, 0x80, 0x8f, 4},
    };
    for (size_t i = 0; i < ARRAY_LEN(forms); i++) {
        size_t len = forms[i].len;
        if (s.ptr[0] < forms[i].low || s.ptr[0] > forms[i].high)
            continue;
        if (len > s.len)
            return 0;
        for (size_t k = 1; k < len; k++)
            if (s.ptr[k] < (k == 1 ? forms[i].next_low : 0x80) ||
                s.ptr[k] > (k == 1 ? forms[i].next_high : 0xbf))
                return 0;
        return len;
    }
    return 0;
}

static bool is_utf8(struct span s)
{
    while (s.len > 0) {
        size_t len = utf8_len(s);
        if (len == 0)
            return false;
        s = span_from(s, len);
    }
    return true;
}

bool json_text_is_plain(struct span s)
{
    for (size_t i = 0; i < s.len; i++) {
        uint8_t c = s.ptr[i];
        if ((c < ' ' && c != '\t' && c != '\n' && c != '\r') || c == 0x7f)
            return false;
    }
    return is_utf8(s);
}

static void put_escaped(struct json_text *t, uint8_t c, bool latin)
{
    static const char letters[] = "\tt\nn\rr\"\"\\\\";
    char text[8];
    for (size_t i = 0; letters[i]; i += 2) {
        if ((uint8_t)letters[i] != c)
            continue;
        put(t, (char[]){'\\', letters[i + 1]}, 2);
        return;
    }
    if (c < ' ' || c == 0x7f || (latin && c >= 0x80))
        put(t, text, (size_t)snprintf(text, sizeof(text), "\\u%04x", (unsigned)c));
    else
        put(t, &c, 1);
}

void json_text_string(struct json_text *t, struct span s)
{
    bool latin = !is_utf8(s);
    size_t from = 0;
    begin(t);
    put(t, "\"", 1);
    for (size_t i = 0; i < s.len; i++) {
        uint8_t c = s.ptr[i];
        if (c >= ' ' && c != '"' && c != '\\' && c != 0x7f && !(latin && c >= 0x80))
            continue;
        put(t, s.ptr + from, i - from);
        put_escaped(t, c, latin);
        from = i + 1;
    }
    if (s.len > from)
        put(t, s.ptr + from, s.len - from);
    put(t, "\"", 1);
}

void json_text_base64(struct json_text *t, struct span s)
{
    uint8_t text[BASE64_PIECE / 3 * 4 + 1];
    begin(t);
    put(t, "\"", 1);
    while (s.len > 0) {
        size_t n = s.len < BASE64_PIECE ? s.len : BASE64_PIECE;
        put(t, text, (size_t)EVP_EncodeBlock(text, s.ptr, (int)n));
        s = span_from(s, n);
    }
    put(t, "\"", 1);
}
