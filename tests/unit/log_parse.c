/* SPDX-License-Identifier: MIT */
#include "tests/unit/log_parse.h"

#include <stdlib.h>
#include <string.h>

#include "lib/utf8.h"

/* The value at p, which ends before end: its length, with quotes; 0: it is none. */
static size_t value_len(const char *p, const char *end)
{
    if (p == end || *p != '"') {
        size_t n = 0;
        while (p + n < end && (unsigned char)p[n] > ' ' && p[n] != '"' && p[n] != '=')
            n++;
        return n;
    }
    for (size_t n = 1; p + n < end; n++) {
        if (p[n] == '\\')
            n++;
        else if (p[n] == '"')
            return n + 1;
    }
    return 0;
}

static json_t *value_of(const char *p, size_t len)
{
    return *p == '"' ? json_loadb(p, len, JSON_DECODE_ANY, NULL) : json_stringn(p, len);
}

json_t *logfmt_read(const char *line, size_t len)
{
    const char *end = line + len;
    json_t *all = json_object();
    for (const char *p = line; p < end;) {
        size_t n = strcspn(p, "= \"");
        char key[64] = "";
        bool fits = n > 0 && n < sizeof(key) && p + n < end && p[n] == '=';
        size_t n_value = fits ? value_len(p + n + 1, end) : 0;
        const char *next = p + n + 1 + n_value;
        if (n_value == 0 || (next < end && *next != ' '))
            goto bad;
        memcpy(key, p, n);
        json_t *value = value_of(p + n + 1, n_value);
        if (!json_is_string(value) || json_object_get(all, key)) {
            json_decref(value);
            goto bad;
        }
        json_object_set_new(all, key, value);
        p = next + (next < end);
    }
    return all;
bad:
    json_decref(all);
    return NULL;
}

bool has_control_bytes(const char *text, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)text[i];
        if (c < 0x20 || c == 0x7f)
            return true;
        if (c == 0xc2 && i + 1 < len && (unsigned char)text[i + 1] < 0xa0)
            return true;
    }
    return !utf8_valid(span_of(text, len));
}
