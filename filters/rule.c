/* SPDX-License-Identifier: MIT */
#include "filters/rule.h"

#include <string.h>

#include "lib/http.h"

size_t rule_count(const struct options *options, const char *option)
{
    size_t n = 0;
    while (options_nth(options, option, n))
        n++;
    return n;
}

bool rule_split(const char *text, char separator, struct span *left, const char **right)
{
    for (const char *p = text; *p; p++) {
        if (*p == '\\' && p[1] != '\0') {
            p++;
        } else if (*p == separator) {
            *left = span_of(text, (size_t)(p - text));
            *right = p + 1;
            return true;
        }
    }
    return false;
}

int rule_field(const char *option, const char *text, struct span *name, const char **rest,
               struct err *err)
{
    const char *colon = strchr(text, ':');
    size_t len = colon ? (size_t)(colon - text) : strlen(text);
    *name = span_trim(span_of(text, len));
    if (!http_is_token(*name))
        return err_usage(err, "--%s \"%s\": at character 1: expected the name of a header field",
                         option, text);
    if (!colon)
        return err_usage(err, "--%s \"%s\": at character %zu: expected a colon", option, text,
                         len + 1);
    *rest = colon + 1 + strspn(colon + 1, " \t");
    return 0;
}
