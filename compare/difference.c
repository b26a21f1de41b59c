/* SPDX-License-Identifier: MIT */
#include "compare/difference.h"

#include <stdio.h>
#include <string.h>

const char *difference_kind_name(enum difference_kind kind)
{
    static const char *const names[DIFFERENCE_KINDS] = {"changed", "type", "missing", "added"};
    return names[kind];
}

/* The length of the UTF-8 sequence (RFC 3629) at s, or 0: there is none. A value is shown in JSON,
 * which holds nothing else. */
static size_t utf8_len(struct span s)
{
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    uint8_t c = s.ptr[0];
    size_t len = c < 0x80 ? 1 : c >> 5 == 6 ? 2 : c >> 4 == 14 ? 3 : c >> 3 == 30 ? 4 : 0;
    if (len < 2 || len > s.len)
        return len == 1;
    uint32_t code = c & (0x7fU >> len);
    for (size_t i = 1; i < len; i++) {
        if (s.ptr[i] >> 6 != 2)
            return 0;
        code = code << 6 | (s.ptr[i] & 0x3f);
    }
    bool surrogate = code >= 0xd800 && code <= 0xdfff;
    return code >= least[len] && code <= 0x10ffff && !surrogate ? len : 0;
}

void difference_escape(char *out, size_t size, struct span text)
{
    size_t at = 0;
    while (text.len > 0) {
        size_t n = utf8_len(text);
        uint8_t c = text.ptr[0];
        /* U+0080 to U+009F move the cursor of some terminals too */
        bool control = c < 0x20 || c == 0x7f || (n == 2 && c == 0xc2 && text.ptr[1] < 0xa0);
        bool plain = n > 0 && !control;
        n = plain ? n : 1;
        if (at + (plain ? n : 4) >= size)
            break;
        if (plain)
            memcpy(out + at, text.ptr, n);
        else
            snprintf(out + at, size - at, "\\x%02x", c);
        at += plain ? n : 4;
        text = span_from(text, n);
    }
    out[at] = '\0';
}

/* The beginning of a text under way: more than this is not shown, even if all of it is escaped. */
struct beginning {
    uint8_t bytes[VALUE_MAX];
    size_t len;
};

/* Stops jansson when there is enough of it. */
static int add(const char *bytes, size_t n, void *arg)
{
    struct beginning *b = arg;
    size_t room = sizeof(b->bytes) - b->len;
    size_t take = n < room ? n : room;
    memcpy(b->bytes + b->len, bytes, take);
    b->len += take;
    return take < n ? -1 : 0;
}

void difference_value(const struct difference *d, size_t side, char out[VALUE_MAX])
{
    struct beginning b = {.len = 0};
    if (!d->json[0] && !d->json[1]) {
        difference_escape(out, VALUE_MAX, d->text[side]);
        return;
    }
    if (d->json[side])
        (void)json_dump_callback(d->json[side], add, &b,
                                 JSON_COMPACT | JSON_ENCODE_ANY | JSON_REAL_PRECISION(15));
    difference_escape(out, VALUE_MAX, span_of(b.bytes, b.len));
}
