/* SPDX-License-Identifier: MIT */
/* Writing JSON piece by piece into a buffer. Escapes are those of Go's encoder, so that what gor
 * writes comes out to the byte; what is not UTF-8 becomes U+FFFD, as it does there. */
#pragma once

#include "lib/buf.h"
#include "lib/span.h"

struct json_text {
    struct buf *out; /* borrowed */
    int r; /* the first error (-ENOBUFS, -ENOMEM); nothing is written behind it */
};

/* As it stands. */
void json_put_raw(struct json_text *json, const char *text);
/* The inside of a string; a whole one. */
void json_put_escaped(struct json_text *json, struct span s);
void json_put_string(struct json_text *json, struct span s);
/* "key": with a comma in front of it, unless an object has just begun. */
void json_put_key(struct json_text *json, const char *key);
/* "key":"value" */
void json_put_pair(struct json_text *json, const char *key, struct span value);
