/* SPDX-License-Identifier: MIT */
/* The .gor record: refrain-file(5) has the format.
 *
 *   TYPE ID TIMESTAMP_NS LATENCY_NS LENGTH CRC32 SRC DST LF  payload  LF 🐵🙈🙉 LF
 *
 * Written with all eight fields; read with three or more, as gor writes them. The same bytes are
 * used in files, on stdout and on the relay. */
#pragma once

#include "lib/base.h"
#include "lib/err.h"
#include "lib/msg.h"

/* 0a f0 9f 90 b5 f0 9f 99 88 f0 9f 99 89 0a */
#define RECORD_SEPARATOR_LEN 14
extern const uint8_t record_separator[RECORD_SEPARATOR_LEN];

/* Longest header line that is written or accepted, with its LF. */
#define RECORD_HEADER_MAX 512

/* Writes the header line to out (room for RECORD_HEADER_MAX) and returns its length. A record is
 * this, then the payload, then record_separator: three pieces for one writev(2). */
size_t record_header(char *out, const struct msg *msg);

enum record_result {
    RECORD_MORE = 0, /* no whole record yet; when *used is 0 too: append bytes, or the end */
    RECORD_MSG = 1, /* *msg is a new message, the caller's alone */
    RECORD_DAMAGED = 2, /* bytes that belong to no valid record begin here: count one */
    RECORD_NO_MEMORY = 3, /* a whole record, but no memory for it */
};

/* What the reader knows of the record at the start of the bytes. */
enum record_state {
    RECORD_START = 0,
    RECORD_FRAMING, /* no LENGTH: its payload is being framed as HTTP */
    RECORD_FRAMED, /* … and ended */
    RECORD_UNFRAMED, /* … and is none: it ends at the separator */
};

/* Finds records in bytes that come in pieces. Owned by one thread. It looks at every byte a bounded
 * number of times however they are cut; the caller keeps unused bytes in front of the next ones. */
struct record_reader {
    size_t max_payload; /* a longer record is damage */
    /* --- inside --- */
    enum record_state state;
    bool skipping; /* in damage that has been reported */
    struct http_framer framer;
    size_t framed; /* bytes of payload that the framer has seen */
    size_t searched; /* bytes of payload without a separator */
};

void record_reader_init(struct record_reader *reader, size_t max_payload);

/* bytes: everything not yet used. at_end: nothing will follow, so that a last record without its
 * separator counts as whole when its LENGTH or framing says so, and a torn one as damage. Always
 * sets *used: so many bytes are done with, whatever the result. A record with LENGTH is taken by
 * length and its CRC32 is checked; one without is framed as HTTP, and ends at the separator when
 * that fails. */
enum record_result record_read(struct record_reader *reader, const uint8_t *bytes, size_t n,
                               bool at_end, size_t *used, struct msg **msg);
