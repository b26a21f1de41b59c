/* SPDX-License-Identifier: MIT */
/* The data of a chunked body (RFC 9112, 7.1), chunk by chunk, once the body is known to end. Bodies
 * that come from the framer are well-formed; what a file holds need not be. */
#pragma once

#include "lib/span.h"

enum http_chunk {
    HTTP_CHUNK_DATA = 0, /* *data: what there is of a chunk's data */
    HTTP_CHUNK_LAST = 1, /* *data: the trailer section with its empty line; the body ends */
    HTTP_CHUNK_CUT = 2, /* the body ends within a chunk, or goes on with what is none */
};

/* The chunk at *pos (0 to begin), which is moved behind it; after DATA only. */
enum http_chunk http_chunk_next(struct span body, size_t *pos, struct span *data);
