/* SPDX-License-Identifier: MIT */
/* Members of a JSON object that strangers wrote. */
#pragma once

#include <jansson.h>

#include "lib/base.h"
#include "lib/span.h"

/* jansson takes its memory from lib/mem.h from now on, so that json_get_all() can tell a want of it
 * from a fault of the text: by itself it calls most of them syntax errors. Once, before all else.
 */
void json_get_own_memory(void);

/* The value that text is; NULL with *fault -ENOMEM, or -EINVAL and *error filled: it is none. */
MUST_CHECK json_t *json_get_all(struct span text, json_error_t *error, int *fault);

/* False: there is none of that name, or it is no string. */
static inline bool json_get_string(const json_t *object, const char *name, struct span *value)
{
    const json_t *member = json_object_get(object, name);
    if (!json_is_string(member))
        return false;
    *value = span_of(json_string_value(member), json_string_length(member));
    return true;
}

static inline bool json_get_int(const json_t *object, const char *name, int64_t *value)
{
    const json_t *member = json_object_get(object, name);
    if (!json_is_integer(member))
        return false;
    *value = json_integer_value(member);
    return true;
}

static inline bool json_get_true(const json_t *object, const char *name)
{
    return json_is_true(json_object_get(object, name));
}
