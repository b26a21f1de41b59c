/* SPDX-License-Identifier: MIT */
#include "outputs/elastic_answer.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>

enum elastic_fate elastic_fate_of(int64_t status)
{
    if (status >= 200 && status <= 299)
        return ELASTIC_STORED;
    return status == 429 || (status >= 500 && status <= 599) ? ELASTIC_AGAIN : ELASTIC_REFUSED;
}

/* Only what such names are made of: it goes into a log. */
static void note(struct elastic_fault *fault, int64_t status, const json_t *error)
{
    const char *type = json_string_value(json_object_get(error, "type"));
    size_t n = 0;
    fault->status = (int)status;
    for (; type && type[n] && n < sizeof(fault->type) - 1; n++) {
        char c = type[n];
        bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
        fault->type[n] = plain ? c : '?';
    }
    fault->type[n] = '\0';
}

/* {"index": {"status": 201, ...}} */
static int read_item(const json_t *item, enum elastic_fate *fate, struct elastic_fault *fault)
{
    const json_t *result = json_object_get(item, "index");
    const json_t *number = json_object_get(result, "status");
    json_int_t status = json_integer_value(number);
    if (!json_is_integer(number) || status < 100 || status > 999)
        return -EBADMSG;
    *fate = elastic_fate_of(status);
    if (*fate != ELASTIC_STORED && fault->status == 0)
        note(fault, status, json_object_get(result, "error"));
    return 0;
}

int elastic_answer_read(struct span bytes, size_t n, enum elastic_fate *fates,
                        struct elastic_fault *fault)
{
    json_t *root = json_loadb((const char *)bytes.ptr, bytes.len, 0, NULL);
    const json_t *items = json_object_get(root, "items");
    int r = json_is_array(items) && json_array_size(items) == n ? 0 : -EBADMSG;
    *fault = (struct elastic_fault){0};
    for (size_t i = 0; i < n && r == 0; i++)
        r = read_item(json_array_get(items, i), &fates[i], fault);
    json_decref(root);
    return r;
}
