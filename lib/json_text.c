/* SPDX-License-Identifier: MIT */
#include "lib/json_text.h"

#include <stdio.h>
#include <string.h>

#include "lib/utf8.h"

static void put(struct json_text *j, struct span s)
{
    if (j->r == 0)
        j->r = buf_append(j->out, s.ptr, s.len);
}

void json_put_raw(struct json_text *j, const char *text)
{
    put(j, span_str(text));
}

/* One character of a string: its length in s; nothing of it is written when it stands as it is. */
static size_t put_escape(struct json_text *j, struct span s, bool *as_it_is)
{
    static const char shorts[] = "\"\\\n\r\t";
    static const char *const escapes[] = {"\\\"", "\\\\", "\\n", "\\r", "\\t"};
    uint8_t c = s.ptr[0];
    size_t len = utf8_len(s);
    const char *found = c ? strchr(shorts, c) : NULL;
    char text[8];
    *as_it_is = false;
    if (found) {
        json_put_raw(j, escapes[found - shorts]);
    } else if (c < 0x20 || c == '<' || c == '>' || c == '&') {
        snprintf(text, sizeof(text), "\\u%04x", c);
        json_put_raw(j, text);
    } else if (len == 0) {
        json_put_raw(j, "\\ufffd");
    } else if (len == 3 && c == 0xe2 && s.ptr[1] == 0x80 && (s.ptr[2] & 0xfe) == 0xa8) {
        json_put_raw(j, s.ptr[2] == 0xa8 ? "\\u2028" : "\\u2029");
    } else {
        *as_it_is = true;
    }
    return len > 0 ? len : 1;
}

void json_put_escaped(struct json_text *j, struct span s)
{
    size_t kept = 0, at = 0;
    while (at < s.len && j->r == 0) {
        uint8_t c = s.ptr[at];
        if (c >= 0x20 && c < 0x80 && c != '"' && c != '\\' && c != '<' && c != '>' && c != '&') {
            at++;
            continue;
        }
        /* what came before goes out first */
        put(j, span_of(s.ptr + kept, at - kept));
        bool as_it_is;
        size_t len = put_escape(j, span_from(s, at), &as_it_is);
        kept = as_it_is ? at : at + len;
        at += len;
    }
    put(j, span_from(s, kept));
}

void json_put_string(struct json_text *j, struct span s)
{
    json_put_raw(j, "\"");
    json_put_escaped(j, s);
    json_put_raw(j, "\"");
}

void json_put_key(struct json_text *j, const char *key)
{
    struct span before = buf_span(j->out);
    if (j->r == 0 && before.ptr[before.len - 1] != '{')
        json_put_raw(j, ",");
    json_put_raw(j, "\"");
    json_put_raw(j, key);
    json_put_raw(j, "\":");
}

void json_put_pair(struct json_text *j, const char *key, struct span value)
{
    json_put_key(j, key);
    json_put_string(j, value);
}
