/* SPDX-License-Identifier: MIT */
#include "lib/log_line.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "lib/span.h"
#include "lib/utf8.h"

/* --- what may be seen --- */

static uint32_t code_point(const uint8_t *p, size_t n)
{
    uint32_t code = n == 1 ? p[0] : p[0] & (0x7fU >> n);
    for (size_t i = 1; i < n; i++)
        code = code << 6 | (p[i] & 0x3f);
    return code;
}

static bool is_hidden(uint32_t c)
{
    return c < 0x20 || (c >= 0x7f && c < 0xa0) || /* controls */
           (c >= 0x200b && c <= 0x200f) || (c >= 0x2028 && c <= 0x202e) || /* direction, lines */
           (c >= 0x2060 && c <= 0x206f) || c == 0xfeff;
}

/* Bytes of the character at p that may be shown as they are; 0: none. */
static size_t shown(struct span s)
{
    size_t n = utf8_len(s);
    return n > 0 && !is_hidden(code_point(s.ptr, n)) ? n : 0;
}

static char *put(char *at, const char *text)
{
    while (*text)
        *at++ = *text++;
    return at;
}

/* backslash: how one is written. */
static char *put_hex(char *at, const char *backslash, uint8_t byte)
{
    static const char hex[] = "0123456789abcdef";
    at = put(at, backslash);
    *at++ = 'x';
    *at++ = hex[byte >> 4];
    *at++ = hex[byte & 15];
    return at;
}

size_t log_visible(char *out, const char *text, size_t len)
{
    char *at = out;
    for (struct span s = span_of(text, len); s.len > 0;) {
        size_t n = s.ptr[0] == '\n' ? 1 : shown(s);
        if (n == 0)
            at = put_hex(at, "\\", s.ptr[0]);
        memcpy(at, s.ptr, n);
        at += n;
        s = span_from(s, n > 0 ? n : 1);
    }
    return (size_t)(at - out);
}

/* The first max bytes of text; quoted: as the inside of a string of JSON. */
static char *put_visible(char *at, const char *text, size_t max, bool quoted)
{
    size_t len = strnlen(text, max + 1);
    bool whole = len <= max;
    for (struct span s = span_of(text, whole ? len : max - 3); s.len > 0;) {
        size_t n = shown(s);
        if (n == 0)
            at = put_hex(at, quoted ? "\\\\" : "\\", s.ptr[0]);
        else if (quoted && (s.ptr[0] == '"' || s.ptr[0] == '\\'))
            *at++ = '\\';
        memcpy(at, s.ptr, n);
        at += n;
        s = span_from(s, n > 0 ? n : 1);
    }
    return whole ? at : put(at, "...");
}

/* --- the forms --- */

static const char *const level_names[] = {"error", "warn", "info", "debug"};

static char *put_number(char *at, uint64_t n)
{
    return at + snprintf(at, 24, "%" PRIu64, n);
}

static char *put_time(char *at, int64_t wall_ns)
{
    struct tm tm;
    time_t s = (time_t)(wall_ns / NS_PER_S);
    if (!gmtime_r(&s, &tm))
        tm = (struct tm){.tm_mday = 1, .tm_year = 70};
    at += strftime(at, 32, "%Y-%m-%dT%H:%M:%S", &tm);
    return at + snprintf(at, 8, ".%03dZ", (int)(wall_ns % NS_PER_S / NS_PER_MS) % 1000);
}

static char *put_value(char *at, const struct log_field *field)
{
    if (field->kind == LOG_BOOL)
        return put(at, field->value.holds ? "true" : "false");
    if (field->kind == LOG_REAL)
        return at + snprintf(at, 32, "%.9g", field->value.real);
    return put_number(at, field->value.count);
}

/* A field's name and what stands around it: before, name, after. */
static char *put_key(char *at, const char *before, const struct log_field *field, const char *after)
{
    at = put(at, before);
    if (field->scope)
        at += snprintf(at, 16, "%s_", field->scope);
    at += snprintf(at, 40, "%s", field->key);
    return put(at, after);
}

static char *write_text(char *at, bool colour, const struct log_line *line)
{
    const char *on = !colour                    ? ""
                     : line->level == LOG_ERROR ? "\033[31m"
                     : line->level == LOG_WARN  ? "\033[33m"
                                                : "";
    at = put(at, "refrain: ");
    if (line->tag)
        at = put(put_visible(at, line->tag, LOG_TAG_MAX, false), ": ");
    at = put(at, on);
    if (line->level == LOG_WARN)
        at = put(at, "warning: ");
    at = put_visible(at, line->text, LOG_TEXT_MAX, false);
    for (size_t i = 0; i < line->n_fields; i++)
        at = put_value(put_key(at, i == 0 ? ": " : ", ", &line->fields[i], " "), &line->fields[i]);
    if (line->times > 1)
        at = put(put_number(put(at, " (repeated "), line->times), " times)");
    return put(at, *on ? "\033[0m" : "");
}

/* Bare, when no reader could take it for something else. */
static char *put_logfmt(char *at, const char *text, size_t max)
{
    bool bare = text[0] != '\0' && strlen(text) <= max;
    for (const char *p = text; *p && bare; p++)
        bare = *p > ' ' && *p < 0x7f && *p != '=' && *p != '"' && *p != '\\';
    if (bare)
        return put(at, text);
    return put(put_visible(put(at, "\""), text, max, true), "\"");
}

static char *write_logfmt(char *at, const struct log_line *line)
{
    at = put_time(put(at, "time="), line->wall_ns);
    at = put(put(at, " level="), level_names[line->level]);
    if (line->tag)
        at = put_logfmt(put(at, " source="), line->tag, LOG_TAG_MAX);
    at = put_logfmt(put(at, " msg="), line->text, LOG_TEXT_MAX);
    for (size_t i = 0; i < line->n_fields; i++)
        at = put_value(put_key(at, " ", &line->fields[i], "="), &line->fields[i]);
    return line->times > 1 ? put_number(put(at, " repeated="), line->times) : at;
}

static char *write_json(char *at, const struct log_line *line)
{
    at = put_time(put(at, "{\"time\":\""), line->wall_ns);
    at = put(put(put(at, "\",\"level\":\""), level_names[line->level]), "\"");
    if (line->tag)
        at = put(put_visible(put(at, ",\"source\":\""), line->tag, LOG_TAG_MAX, true), "\"");
    at = put(put_visible(put(at, ",\"msg\":\""), line->text, LOG_TEXT_MAX, true), "\"");
    for (size_t i = 0; i < line->n_fields; i++)
        at = put_value(put_key(at, ",\"", &line->fields[i], "\":"), &line->fields[i]);
    if (line->times > 1)
        at = put_number(put(at, ",\"repeated\":"), line->times);
    return put(at, "}");
}

size_t log_line_write(char *out, enum log_format format, bool colour, const struct log_line *line)
{
    char *at = format == LOG_JSON     ? write_json(out, line)
               : format == LOG_LOGFMT ? write_logfmt(out, line)
                                      : write_text(out, colour, line);
    *at++ = '\n';
    return (size_t)(at - out);
}
