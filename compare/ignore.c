/* SPDX-License-Identifier: MIT */
#include "compare/ignore.h"

#include <errno.h>
#include <string.h>

#include "lib/http.h"
#include "lib/mem.h"

#define OPTION "compare-ignore"
static const char of_header[] = "header:", of_json[] = "json:";

/* One of the two. */
struct rule {
    char *header;
    struct json_pattern *json;
};

struct ignore {
    size_t n;
    struct rule rules[];
};

/* They tell of the connection, of the time, or of how the body is coded, which is compared without
 * its coding. */
static const char *const always[] = {
    "date",         "age",           "expires",           "connection",     "keep-alive",
    "via",          "server-timing", "transfer-encoding", "content-length", "content-encoding",
    "x-request-id",
};

static int read_json(struct rule *rule, const char *text, struct err *err)
{
    const char *expected = NULL;
    size_t skip = strlen(of_json), at = 0;
    int r = json_pattern_parse(&rule->json, text + skip, &at, &expected);
    if (r == -ENOMEM)
        return err_sys(err, ENOMEM, "--" OPTION);
    if (r < 0)
        return err_usage(err, "--" OPTION " \"%s\": at character %zu: expected %s", text,
                         skip + at + 1, expected);
    return 0;
}

static int read_header(struct rule *rule, const char *text, struct err *err)
{
    size_t at = strlen(of_header);
    const char *name = text + at;
    while (text[at] && http_is_token(span_of(text + at, 1)))
        at++;
    if (text[at] == '\0' && name[0]) {
        rule->header = mem_strdup(MEM_OTHER, name);
        return rule->header ? 0 : err_sys(err, ENOMEM, "--" OPTION);
    }
    return err_usage(err, "--" OPTION " \"%s\": at character %zu: expected the name of a field",
                     text, at + 1);
}

static int read_rule(struct rule *rule, const char *text, struct err *err)
{
    if (strncmp(text, of_json, strlen(of_json)) == 0)
        return read_json(rule, text, err);
    if (strncmp(text, of_header, strlen(of_header)) == 0)
        return read_header(rule, text, err);
    return err_usage(
        err, "--" OPTION " \"%s\": at character 1: expected header:NAME or json:$.PATH", text);
}

int ignore_open(struct ignore **ignorep, const struct options *options, struct err *err)
{
    size_t n = 0;
    while (options_nth(options, OPTION, n))
        n++;
    struct ignore *ignore = mem_zalloc(MEM_OTHER, sizeof(*ignore) + n * sizeof(ignore->rules[0]));
    if (!ignore)
        return err_sys(err, ENOMEM, "--" OPTION);
    for (ignore->n = 0; ignore->n < n; ignore->n++) {
        int r = read_rule(&ignore->rules[ignore->n], options_nth(options, OPTION, ignore->n), err);
        if (r < 0) {
            ignore_free(ignore);
            return r;
        }
    }
    *ignorep = ignore;
    return 0;
}

void ignore_free(struct ignore *ignore)
{
    for (size_t i = 0; ignore && i < ignore->n; i++) {
        mem_free(ignore->rules[i].header);
        json_pattern_free(ignore->rules[i].json);
    }
    mem_free(ignore);
}

bool ignore_header(const struct ignore *ignore, struct span name)
{
    for (size_t i = 0; i < ARRAY_LEN(always); i++)
        if (span_eq_nocase(name, span_str(always[i])))
            return true;
    for (size_t i = 0; i < ignore->n; i++)
        if (ignore->rules[i].header && span_eq_nocase(name, span_str(ignore->rules[i].header)))
            return true;
    return false;
}

bool ignore_json(const struct ignore *ignore, const struct json_step *steps, size_t n)
{
    for (size_t i = 0; i < ignore->n; i++)
        if (ignore->rules[i].json && json_pattern_covers(ignore->rules[i].json, steps, n))
            return true;
    return false;
}
