/* SPDX-License-Identifier: MIT */
/* Any text in a line of the log: the line is one line, without a byte that a terminal obeys; as
 * JSON it is an object, as logfmt it can be taken apart, and both hold the same text. Input: the
 * tag, an LF, the text; both end at a zero. */
#include <stdlib.h>
#include <string.h>

#include "lib/log_line.h"
#include "tests/unit/log_parse.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool holds)
{
    if (!holds)
        abort();
}

static bool same(const json_t *a, const json_t *b, const char *key)
{
    const char *one = json_string_value(json_object_get(a, key));
    const char *two = json_string_value(json_object_get(b, key));
    return one && two ? strcmp(one, two) == 0 : one == two;
}

static size_t written(char *out, enum log_format format, const struct log_line *line)
{
    size_t len = log_line_write(out, format, false, line);
    check(len <= LOG_ROOM(1) && out[len - 1] == '\n' && !has_control_bytes(out, len - 1));
    return len;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *copy = malloc(size + 1);
    char *out = malloc(LOG_ROOM(1)), *visible = malloc(4 * size + 1);
    const struct log_field field = {"output", "seen", LOG_COUNT, {.count = size}};
    check(copy && out && visible);
    if (size > 0) /* or it is NULL */
        memcpy(copy, data, size);
    copy[size] = '\0';
    char *lf = strchr(copy, '\n');
    if (lf)
        *lf = '\0';
    struct log_line line = {.wall_ns = (int64_t)size * NS_PER_S,
                            .level = (enum log_level)(size % 4),
                            .tag = lf ? copy : NULL,
                            .text = lf ? lf + 1 : copy,
                            .times = size % 5,
                            .fields = &field,
                            .n_fields = size % 2};
    written(out, LOG_TEXT, &line);
    json_t *json = json_loadb(out, written(out, LOG_JSON, &line), 0, NULL);
    json_t *logfmt = logfmt_read(out, written(out, LOG_LOGFMT, &line) - 1);
    check(json_is_object(json) && json_object_size(json) == json_object_size(logfmt));
    check(same(json, logfmt, "msg") && same(json, logfmt, "source") && same(json, logfmt, "time"));
    json_decref(json);
    json_decref(logfmt);
    size_t n = log_visible(visible, (const char *)data, size);
    check(n <= 4 * size);
    for (size_t i = 0; i < n; i++)
        check(visible[i] == '\n' ||
              !has_control_bytes(&visible[i], (unsigned char)visible[i] < 0x80));
    free(copy);
    free(out);
    free(visible);
    return 0;
}
