/* SPDX-License-Identifier: MIT */
#include "lib/route_template.h"

#include "lib/lookup.h"

#define METHOD_MAX 24
#define EXTENSION_MAX 5
#define UUID_LEN 36
#define HEX_MIN 8
#define NUMBER_MIN 4 /* within a piece: years, but not versions */
#define ID_MIN 16
#define ID_CHANGES 4
/* Without digits only longer ones are taken for an id: CamelCase names change often, too. */
#define LONG_ID_MIN 32
#define LONG_ID_CHANGES 10

static bool is_digit(uint8_t c)
{
    return c >= '0' && c <= '9';
}

static bool is_letter(uint8_t c)
{
    return ascii_lower(c) >= 'a' && ascii_lower(c) <= 'z';
}

static bool is_hex(uint8_t c)
{
    return is_digit(c) || (ascii_lower(c) >= 'a' && ascii_lower(c) <= 'f');
}

static bool is_delimiter(uint8_t c)
{
    return c != '\0' && strchr("/;=,:@()'", c);
}

/* How many bytes at the beginning of s pass the test. */
static size_t run_of(struct span s, bool (*test)(uint8_t))
{
    size_t n = 0;
    while (n < s.len && test(s.ptr[n]))
        n++;
    return n;
}

static bool is_uuid(struct span s)
{
    for (size_t i = 0; i < s.len && s.len == UUID_LEN; i++) {
        bool dash = i == 8 || i == 13 || i == 18 || i == 23; /* RFC 9562, 4 */
        if (dash ? s.ptr[i] != '-' : !is_hex(s.ptr[i]))
            return false;
    }
    return s.len == UUID_LEN;
}

enum kind { KIND_OTHER = 0, KIND_DIGIT, KIND_SMALL, KIND_CAPITAL };

static enum kind kind_of(uint8_t c)
{
    if (is_digit(c))
        return KIND_DIGIT;
    if (!is_letter(c))
        return KIND_OTHER;
    return c >= 'a' ? KIND_SMALL : KIND_CAPITAL;
}

static bool is_id(struct span s)
{
    size_t digits = 0, changes = 0;
    enum kind before = KIND_OTHER;
    for (size_t i = 0; i < s.len; i++) {
        enum kind kind = kind_of(s.ptr[i]);
        if (kind == KIND_OTHER && !(s.ptr[i] && strchr("-_~+", s.ptr[i])))
            return false;
        digits += kind == KIND_DIGIT;
        changes += kind != before && kind != KIND_OTHER && before != KIND_OTHER;
        before = kind;
    }
    return (s.len >= ID_MIN && digits >= 2 && digits < s.len && changes >= ID_CHANGES) ||
           (s.len >= LONG_ID_MIN && changes >= LONG_ID_CHANGES);
}

/* What a piece stands for, or a part of one between letters and digits; NULL: itself. */
static const char *fold(struct span s, size_t number_min)
{
    size_t digits = 0;
    for (size_t i = 0; i < s.len; i++)
        digits += is_digit(s.ptr[i]);
    if (digits == s.len)
        return s.len >= number_min ? "{n}" : NULL;
    if (is_uuid(s))
        return "{uuid}";
    if (s.len >= HEX_MIN && digits > 0 && run_of(s, is_hex) == s.len)
        return "{hex}";
    return is_id(s) ? "{id}" : NULL;
}

static void put(struct route_text *out, const char *text, size_t len)
{
    static const char more[] = "...";
    if (out->cut)
        return;
    out->cut = out->len + len + sizeof(more) > sizeof(out->text);
    if (out->cut) {
        text = more;
        len = sizeof(more) - 1;
    }
    memcpy(out->text + out->len, text, len);
    out->len += len;
}

static void put_byte(struct route_text *out, uint8_t c)
{
    static const char hex[] = "0123456789ABCDEF";
    const char escaped[] = {'%', hex[c >> 4], hex[c & 15]};
    if (c > 0x20 && c < 0x7f)
        put(out, (const char *)&c, 1);
    else
        put(out, escaped, sizeof(escaped));
}

static bool is_alnum(uint8_t c)
{
    return is_letter(c) || is_digit(c);
}

/* A piece that stands for itself, but for what is folded in it. */
static void put_piece(struct route_text *out, struct span s)
{
    for (size_t i = 0; i < s.len;) {
        struct span rest = span_from(s, i);
        struct span part = span_of(rest.ptr, run_of(rest, is_alnum));
        struct span uuid = span_of(rest.ptr, rest.len < UUID_LEN ? rest.len : UUID_LEN);
        if (is_uuid(uuid))
            part = uuid;
        const char *folded = fold(part, NUMBER_MIN);
        if (folded)
            put(out, folded, strlen(folded));
        size_t end = i + (part.len > 0 ? part.len : 1);
        for (; i < end; i++)
            if (!folded)
                put_byte(out, s.ptr[i]);
    }
}

/* Where its extension begins, or its end. */
static size_t stem_of(struct span s)
{
    for (size_t n = 1; n <= EXTENSION_MAX + 1 && n < s.len; n++)
        if (s.ptr[s.len - n] == '.')
            return n > 1 && is_letter(s.ptr[s.len - n + 1]) ? s.len - n : s.len;
    return s.len;
}

static void fold_piece(struct route_text *out, struct span s)
{
    size_t stem = stem_of(s);
    const char *folded = fold(span_of(s.ptr, stem), 1);
    if (folded)
        put(out, folded, strlen(folded));
    else
        put_piece(out, span_of(s.ptr, stem));
    put_piece(out, span_from(s, stem));
}

void route_template(struct route_text *out, struct span method, struct span target)
{
    struct span path = lookup_path(target);
    size_t begin = 0;
    out->len = 0;
    out->cut = false;
    for (size_t i = 0; i < method.len && i < METHOD_MAX; i++)
        put_byte(out, method.ptr[i]);
    out->method_len = out->len;
    put(out, " ", 1);
    for (size_t i = 0; i <= path.len; i++) {
        if (i < path.len && !is_delimiter(path.ptr[i]))
            continue;
        struct span piece = span_from(path, begin);
        piece.len = i - begin;
        fold_piece(out, piece);
        if (i < path.len)
            put_byte(out, path.ptr[i]);
        begin = i + 1;
    }
    out->text[out->len] = '\0';
}
