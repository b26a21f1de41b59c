/* SPDX-License-Identifier: MIT */
#include "lib/units.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

static int digit_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return 99;
}

/* The n bytes at text as an unsigned literal; false when they are none, or overflow. */
static bool parse_literal(const char *text, size_t n, uint64_t *out)
{
    uint64_t base = 10, value = 0;
    size_t i = 0;
    bool digit_before = false;
    if (n > 1 && text[0] == '0') {
        char c = text[1];
        base = c == 'x' || c == 'X' ? 16 : c == 'b' || c == 'B' ? 2 : 8;
        i = base != 8 || c == 'o' || c == 'O' ? 2 : 1;
        digit_before = true; /* Go allows _ after the prefix */
    }
    if (i == n)
        return false;
    for (; i < n; i++) {
        if (text[i] == '_' && digit_before && i + 1 < n) {
            digit_before = false;
            continue;
        }
        uint64_t digit = (uint64_t)digit_value(text[i]);
        if (digit >= base || __builtin_mul_overflow(value, base, &value) ||
            __builtin_add_overflow(value, digit, &value))
            return false;
        digit_before = true;
    }
    *out = value;
    return true;
}

const char *units_parse_int(const char *text, int64_t *out)
{
    bool negative = text[0] == '-';
    size_t sign = negative || text[0] == '+';
    uint64_t value;
    if (!parse_literal(text + sign, strlen(text + sign), &value) || value > INT64_MAX)
        return "a whole number";
    *out = negative ? -(int64_t)value : (int64_t)value;
    return NULL;
}

const char *units_parse_size(const char *text, uint64_t *out)
{
    static const char expected[] = "a size: a whole number, alone (bytes) or with kb, mb, gb or tb";
    static const struct {
        const char *name;
        unsigned shift;
    } units[] = {{"kb", 10}, {"mb", 20}, {"gb", 30}, {"tb", 40},
                 {"k", 10},  {"m", 20},  {"g", 30},  {"t", 40}};
    size_t len = strlen(text);
    unsigned shift = 0;
    for (size_t i = 0; i < ARRAY_LEN(units) && shift == 0; i++) {
        size_t unit_len = strlen(units[i].name);
        if (len > unit_len && strcasecmp(text + len - unit_len, units[i].name) == 0) {
            shift = units[i].shift;
            len -= unit_len;
        }
    }
    uint64_t value;
    if (!parse_literal(text, len, &value))
        return expected;
    if (value > (UINT64_MAX >> 1) >> shift)
        return "a size below 8388608tb";
    *out = value << shift;
    return NULL;
}

static const char *unit_of(const char *text, int64_t *ns)
{
    static const struct {
        const char *name;
        int64_t ns;
    } units[] = {{"ns", 1},       {"us", NS_PER_US},    {"\xc2\xb5s", NS_PER_US}, {"ms", NS_PER_MS},
                 {"s", NS_PER_S}, {"m", 60 * NS_PER_S}, {"h", 3600 * NS_PER_S}};
    for (size_t i = 0; i < ARRAY_LEN(units); i++) {
        size_t len = strlen(units[i].name);
        if (strncmp(text, units[i].name, len) == 0) {
            *ns = units[i].ns;
            return text + len;
        }
    }
    return NULL;
}

/* One number with its unit at *p, added to *total. */
static const char *duration_part(const char **p, int64_t *total)
{
    static const char expected[] = "a duration, e.g. 300ms, 1.5s or 1h30m";
    static const char too_long[] = "a duration below 292 years";
    int64_t whole = 0, fraction = 0, scale = 1, unit, part;
    const char *text = *p;
    size_t n_digits = 0;
    for (; *text >= '0' && *text <= '9'; text++, n_digits++)
        if (__builtin_mul_overflow(whole, 10, &whole) ||
            __builtin_add_overflow(whole, *text - '0', &whole))
            return too_long;
    if (*text == '.')
        for (text++; *text >= '0' && *text <= '9'; text++, n_digits++)
            if (scale < INT64_C(1000000000000)) { /* more digits than ns in an hour say nothing */
                fraction = fraction * 10 + (*text - '0');
                scale *= 10;
            }
    if (n_digits == 0)
        return expected;
    if (*text == '\0')
        return "a duration: add a unit, e.g. 5s";
    text = unit_of(text, &unit);
    if (!text)
        return expected;
    int64_t rest = (int64_t)((__int128)fraction * unit / scale);
    if (__builtin_mul_overflow(whole, unit, &part) || __builtin_add_overflow(part, rest, &part) ||
        __builtin_add_overflow(*total, part, total))
        return too_long;
    *p = text;
    return NULL;
}

const char *units_parse_duration(const char *text, int64_t *out_ns)
{
    int64_t total = 0;
    if (strcmp(text, "0") != 0) {
        const char *p = text;
        do {
            const char *expected = duration_part(&p, &total);
            if (expected)
                return expected;
        } while (*p);
    }
    *out_ns = total;
    return NULL;
}

const char *units_parse_share(const char *text, double *out)
{
    static const char expected[] = "a share, e.g. 1%, 0.5% or 0.01";
    size_t len = strspn(text, "0123456789.");
    const char *dot = strchr(text, '.');
    bool percent = text[len] == '%';
    if (len == 0 || len > 30 || text[len + percent] != '\0' || strspn(text, ".") == len ||
        (dot && strchr(dot + 1, '.')))
        return expected;
    double value = strtod(text, NULL);
    if (percent)
        value /= 100;
    if (value > 1)
        return "a share of at most 100%";
    *out = value;
    return NULL;
}

const char *units_parse_bool(const char *text, bool *out)
{
    static const char *const yes[] = {"true", "t", "yes", "on", "1"};
    static const char *const no[] = {"false", "f", "no", "off", "0"};
    for (size_t i = 0; i < ARRAY_LEN(yes); i++) {
        if (strcasecmp(text, yes[i]) == 0 || strcasecmp(text, no[i]) == 0) {
            *out = strcasecmp(text, yes[i]) == 0;
            return NULL;
        }
    }
    return "true or false";
}
