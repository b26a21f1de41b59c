/* SPDX-License-Identifier: MIT */
/* The door of reassembly: segments in, complete HTTP messages out. Pure: no sockets, no files, no
 * clock of its own (it lives in packet time), so that the same segments always give the same
 * messages. Owned by one thread.
 *
 * Inside: flow.c finds the connection (flow) of a segment, stream.c puts one direction's bytes in
 * order, conv.c frames both directions as HTTP, pairs responses with requests, and emits. */
#pragma once

#include "lib/base.h"
#include "lib/ledger.h"
#include "lib/shed.h"
#include "lib/sink.h"
#include "reassembly/segment.h"

struct port_set; /* reassembly/ports.h */

struct reassembly_config {
    const uint16_t *ports; /* server ports; n_ports 0: all. Copied. */
    size_t n_ports;
    bool track_responses; /* --input-raw-track-response */
    bool binary; /* --input-raw-protocol: not HTTP, see reassembly/turns.h */
    bool allow_incomplete; /* --input-raw-allow-incomplete: cut bodies come out, flagged MSG_CUT */
    size_t max_head; /* bytes of one head; 0: HTTP_MAX_HEAD */
    size_t max_body; /* bytes of one body; 0: 128 MiB */
    size_t max_memory; /* bytes for flows, pieces and unfinished messages; 0: 256 MiB */
    int64_t expire_ns; /* a message in progress to which nothing came for so long is given up;
                          0: 60 s. A response is waited for ten times as long. */
    int64_t gap_ns; /* a hole is waited for so long when no ACK tells; 0: 3 s */
    uint64_t seed; /* of the flow hash: secret in production, fixed in tests */
    struct shed *shed; /* says which connections to leave out; NULL: none. Borrowed */
    struct sink *sink; /* takes the messages. Borrowed */
    struct books *books; /* borrowed */
};

struct reassembly;

MUST_CHECK int reassembly_new(struct reassembly **rp, const struct reassembly_config *config);
/* Frees everything without emitting. */
void reassembly_free(struct reassembly *r);

/* The next segment in order of capture. Emits what it completes. */
void reassembly_segment(struct reassembly *r, const struct segment *segment);
/* n of them, all of whose payload is there: the same, and cheaper when there are many flows. */
void reassembly_segments(struct reassembly *r, const struct segment *segments, size_t n);
/* Time has come to now_ns (packet time) without a segment: expires what is due. Live captures call
 * it when idle; reassembly_segment() does it by itself as time goes on. */
void reassembly_tick(struct reassembly *r, int64_t now_ns);
/* The end: bodies that are read until close come out; the rest is counted as open. */
void reassembly_finish(struct reassembly *r);

/* Connections in the table now. */
size_t reassembly_flows(const struct reassembly *r);
