/* SPDX-License-Identifier: MIT */
/* Connections for tests: each side's segments, as a capture would show them, given to a reassembly
 * whose messages are collected. One scene per test; its end checks the books and the memory. */
#pragma once

#include "lib/ledger.h"
#include "lib/mem.h"
#include "reassembly/flow.h"
#include "reassembly/reassembly.h"

struct scene {
    struct reassembly_config config; /* set what differs before scene_begin() */
    struct reassembly *r;
    struct ledger *ledger;
    struct sink sink;
    int64_t now_ns; /* of the next segment */
    size_t n; /* messages that came */
    const struct msg **msgs; /* all of them, unless only_count */
    bool only_count;
    int64_t used; /* memory before */
};

/* One connection. Offsets count from the first byte behind the SYN. */
struct conn {
    struct endpoint end[2]; /* by the direction that goes there: [TO_SERVER] is the server */
    uint32_t start[2]; /* sequence number of offset 0 of what goes in that direction */
    uint32_t sent[2]; /* the offset of what comes next */
};

/* The ledger and the reassembly. 0, or -ENOMEM from reassembly_new(), with the rest set up. */
int scene_try(struct scene *s);
void scene_begin(struct scene *s);
/* Finishes, frees, and checks that the books balance and no memory is left. The messages and the
 * books stay until scene_end(). */
void scene_finish(struct scene *s);
void scene_end(struct scene *s);
uint64_t scene_book(const struct scene *s, enum book book);
/* Bytes that reassembly and its messages hold now, more than before. */
int64_t scene_memory(const struct scene *s);
/* Message i is of that type and text. */
void scene_expect(const struct scene *s, size_t i, enum msg_type type, const char *text);
void scene_pass(struct scene *s, int64_t ns);

/* A connection from a client of its own to port 80. */
struct conn conn_of(uint32_t n);
/* len bytes at offset; acknowledges all that the other side has sent. */
struct segment conn_segment(const struct conn *c, enum direction dir, uint32_t offset,
                            const void *bytes, size_t len);
void conn_give(struct scene *s, const struct segment *segment);
/* The next bytes in order. */
void conn_send(struct scene *s, struct conn *c, enum direction dir, const char *text);
void conn_send_bytes(struct scene *s, struct conn *c, enum direction dir, const void *bytes,
                     size_t len);
/* Bytes at that offset, which does not move what comes next. */
void conn_send_at(struct scene *s, const struct conn *c, enum direction dir, uint32_t offset,
                  const char *text);
/* The capture does not see the next n bytes. */
void conn_miss(struct conn *c, enum direction dir, uint32_t n);
/* A bare acknowledgement of all that the other side has sent. */
void conn_ack(struct scene *s, const struct conn *c, enum direction dir);
void conn_open(struct scene *s, const struct conn *c);
void conn_fin(struct scene *s, struct conn *c, enum direction dir);
void conn_rst(struct scene *s, const struct conn *c, enum direction dir);
