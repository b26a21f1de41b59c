/* SPDX-License-Identifier: MIT */
/* The .gor record: refrain-file(5) has the format.
 *
 *   TYPE ID TIMESTAMP_NS LATENCY_NS LENGTH CRC32 SRC DST LF  payload  LF 🐵🙈🙉 LF
 *
 * A message that came over a relay has a ninth field, STREAM:NUMBER. Written with all fields; read
 * with three or more, as gor writes them. The same bytes are
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

/* The same in gor's form: its first four fields. */
size_t record_header_gor(char *out, const struct msg *msg);

enum record_result {
    RECORD_MORE = 0, /* no whole record yet; when *used is 0 too: append bytes, or the end */
    RECORD_MSG = 1, /* *msg is a new message, the caller's alone */
    RECORD_DAMAGED = 2, /* bytes that belong to no valid record begin here: count one */
    RECORD_NO_MEMORY = 3, /* a whole record, but no memory for it */
};

/* For a message whose type, id, endpoints and payload were read: sets what follows from them, which
 * is the head's view, the connection and MSG_CUT. */
void record_finish(struct msg *msg);

/* The one record that bytes hold without a separator, as in Kafka: RECORD_MSG, RECORD_DAMAGED or
 * RECORD_NO_MEMORY. LENGTH and CRC32, where they are there, must be right. */
MUST_CHECK enum record_result record_alone(struct span bytes, struct msg **msg);

/* The record that bytes are, header line and payload, when its end is known without looking for it:
 * no separator, and LENGTH and CRC32 are not looked at. RECORD_MSG, RECORD_DAMAGED (no header line,
 * or no payload) or RECORD_NO_MEMORY. */
enum record_result record_whole(struct span bytes, struct msg **msg);

/* What is wrong with bytes that are RECORD_DAMAGED. */
enum record_fault {
    RECORD_FAULT_NONE = 0,
    RECORD_FAULT_HEADER,
    RECORD_FAULT_TORN,
    RECORD_FAULT_LENGTH,
    RECORD_FAULT_CRC,
    RECORD_FAULT_SEPARATOR,
    RECORD_FAULT_TOO_LONG,
    RECORD_FAULT_EMPTY,
    RECORD_FAULT_UNCHECKED,
};
/* The same for a person. */
const char *record_fault_text(enum record_fault fault);

/* Finds records in bytes that come in pieces. Owned by one thread. It looks at every byte a bounded
 * number of times however they are cut; the caller keeps unused bytes in front of the next ones. */
struct record_reader {
    size_t max_payload; /* a longer record is damage */
    bool only_checked; /* a record without LENGTH and CRC32 is damage: the bytes are in doubt */
    bool mends; /* a record whose separator alone is damaged is no damage: a message, with fault */
    enum record_fault fault; /* of the last call; RECORD_FAULT_NONE but for damage, and mends */
    size_t before; /* so many of the bytes used by the last call lie before what it found */
    /* --- inside --- */
    uint8_t state; /* see record.c */
    size_t scanned; /* bytes already searched for a separator */
    size_t header_len; /* of the current record, with its LF */
    size_t length; /* of its payload, when the header or framing says it */
    uint32_t crc;
    size_t separator; /* where its first separator begins, and how much of it there is */
    size_t separator_len;
    size_t framed; /* a chunked body was followed up to here */
    size_t followed; /* up to here an earlier one was followed in vain: not done twice */
    struct http_framer framer;
};

void record_reader_init(struct record_reader *reader, size_t max_payload);
/* Has it read a header line, whose payload is not complete? */
bool record_reader_is_inside(const struct record_reader *reader);

/* bytes: everything not yet used. at_end: nothing will follow, so that a last record without its
 * separator counts as whole when its LENGTH or framing says so, and a torn one as damage. Always
 * sets *used: so many bytes are done with, whatever the result, and must be dropped before the next
 * call (inside damage they are given up as they come, with RECORD_MORE). At the end, all are used
 * when there is no more.
 *
 * A record with LENGTH is taken by length and its CRC32 is checked; one without is framed as HTTP,
 * and ends at its first separator when that fails. LFs that gor's relay put before the separator,
 * one a hop, are left out. A separator with no header before it is passed over: a writer puts one
 * behind what an earlier run left torn. A request that is shorter than its head says gets MSG_CUT.
 */
enum record_result record_read(struct record_reader *reader, const uint8_t *bytes, size_t n,
                               bool at_end, size_t *used, struct msg **msg);

/* What the header line at the start of bytes says beside the message: how long the record is, and
 * which message of a relay's it is (stream 0: it came over none). False: no whole header line with
 * LENGTH. A recording that is played again is another message, so record_read() does not tell. */
struct record_origin {
    size_t line_len; /* with its LF */
    uint64_t payload_len;
    uint64_t stream, number;
};
bool record_origin(struct span bytes, struct record_origin *origin);
