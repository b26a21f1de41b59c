/* SPDX-License-Identifier: MIT */
/* Between record.c and record_header.c only. */
#pragma once

#include "lib/record.h"

enum header_result {
    HEADER_MORE = 0, /* no LF yet, but one may come */
    HEADER_OK = 1,
    HEADER_BAD = 2,
};

/* A header line, taken apart. The spans point into it. */
struct record_line {
    size_t len; /* with its LF */
    uint8_t type;
    bool has_length; /* and crc: the line is of our own form */
    struct span id, src, dst; /* src and dst may be empty */
    int64_t ts_ns, latency_ns;
    uint64_t length;
    uint32_t crc;
    uint64_t stream, number; /* stream 0: the line has none */
};

/* The header line at bytes. at_end: nothing follows them. Sets *line only with HEADER_OK. */
enum header_result record_line_parse(const uint8_t *bytes, size_t n, bool at_end,
                                     struct record_line *line);
