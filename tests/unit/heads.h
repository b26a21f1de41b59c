/* SPDX-License-Identifier: MIT */
/* lib/http_head.c a second time, built without vector instructions: what both say must be the same.
 */
#pragma once

#include "lib/http_internal.h"

enum http_fault plain_http_head_parse(struct http_framer *f, const uint8_t *bytes, size_t n);
