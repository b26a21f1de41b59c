/* SPDX-License-Identifier: MIT */
/* Shared by http_framer.c and http_head.c; nobody else includes this. */
#pragma once

#include "lib/http.h"

/* Parses a complete head and decides how the body is framed. */
enum http_fault http_head_parse(const struct http_framer *f, const uint8_t *head, size_t head_len,
                                struct http_view *view);
