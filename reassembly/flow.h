/* SPDX-License-Identifier: MIT */
/* TCP connections: the table that finds them by their endpoints, and the lists by which they are
 * forgotten. A flow that is idle costs FLOW_COST and no more: what a message in progress needs
 * (struct partial) is allocated while there is one.
 *
 * Every flow is in one list by age: ACTIVE (something came lately), IDLE (nothing came for the
 * expiry time: waits only to be forgotten), CLOSED (kept for a moment, so that a late
 * retransmission is known as such and not taken for a new request). Flows with a hole are in a
 * second list, by the time of the hole or of its acknowledgement. So time passing costs nothing but
 * a look at the heads.
 *
 * Most segments touch a flow that is ACTIVE already. That is not put in order then, for which
 * others would have to be touched as well, but when the oldest is asked for. */
#pragma once

#include "reassembly/segment.h"
#include "reassembly/stream.h"

struct partial;
struct pending;

enum flow_list {
    FLOW_ACTIVE = 0,
    FLOW_IDLE,
    FLOW_CLOSED,
    FLOW_LISTS,
};

/* How the bytes of one direction are read. */
enum reading {
    READ_FIRST = 0, /* nothing was read yet */
    READ_NEXT, /* between messages */
    READ_HUNT, /* lost the thread: a message may begin where a segment begins */
    READ_NOTHING, /* not HTTP, or not any more */
};

/* One direction. */
struct half {
    struct partial *partial; /* the message in progress; NULL: none */
    struct stream stream;
    uint8_t reading; /* enum reading */
    bool ended; /* FIN delivered, or RST */
};

enum direction {
    TO_SERVER = 0,
    TO_CLIENT = 1,
};

/* Among many flows none is in a cache when its segment comes: it lies in whole cache lines, and
 * what nearly no segment needs is behind the rest. */
struct flow {
    uint64_t scope;
    struct endpoint client, server;
    int64_t last_ns; /* when the last segment came */
    uint32_t number; /* among all flows of the table */
    uint8_t list; /* enum flow_list */
    bool has_syn : 1, has_answered : 1, is_barred : 1;
    bool upgrade : 1; /* an upgrade was asked for: what follows may not be HTTP */
    bool has_hole : 1; /* it is in a list by its hole: in the one of those acknowledged? */
    bool hole_acked : 1;
    bool touched : 1; /* since it was put in order: see flow_oldest() */
    struct half half[2]; /* by direction */
    struct pending *pending; /* requests that wait for their responses; NULL: none */
    uint32_t tag; /* of its place in the table */
    uint32_t syn; /* client's initial sequence number, when has_syn */
    uint32_t answered; /* what the client sent before it is answered, when has_answered */
    uint32_t barred_ack; /* what the client had received when it sent a malformed request, when
                            is_barred: see reassembly/conv.c */
} __attribute__((aligned(64)));
static_assert(offsetof(struct flow, half) == 64 && sizeof(struct flow) == 192, "three cache lines");
/* With its places in the table and in the lists. */
#define FLOW_COST (sizeof(struct flow) + 40)
static_assert(FLOW_COST <= 256, "at most 256 bytes when it is idle");

struct flow_table;

MUST_CHECK int flow_table_new(struct flow_table **tp, uint64_t seed);
/* Frees the table, not the flows. */
void flow_table_free(struct flow_table *t);

/* The flow of these endpoints, whichever end src is, and which way the segment goes; NULL: none. */
struct flow *flow_find(struct flow_table *t, const struct segment *segment, enum direction *dir);
/* These will be asked for next: where many flows are, all that is needed of theirs comes into the
 * cache at once, instead of one after another when it is waited for. */
void flow_expect(const struct flow_table *t, const struct segment *segments, size_t n);
/* Of these endpoints: the same in both directions. */
uint64_t flow_hash(const struct flow_table *t, const struct segment *segment);
/* A new one in list ACTIVE; NULL: no memory. */
struct flow *flow_add(struct flow_table *t, const struct segment *segment, bool from_client);
/* Takes it out of the table and all lists, and frees it. */
void flow_remove(struct flow_table *t, struct flow *f);
size_t flow_count(const struct flow_table *t);
/* All, as they lie in memory: begin with *at 0. What it returned may be removed. NULL: no more. */
struct flow *flow_next(const struct flow_table *t, uint32_t *at);

/* Makes f, whose last_ns is not before that of any other, the youngest of list. */
void flow_move(struct flow_table *t, struct flow *f, enum flow_list list);
/* The oldest of list, or NULL. */
struct flow *flow_oldest(struct flow_table *t, enum flow_list list);

/* Flows with a hole are in one of two lists, since holes that were acknowledged are waited for much
 * shorter. Who was noted first is first. */
void flow_note_hole(struct flow_table *t, struct flow *f, bool is_acked);
void flow_forget_hole(struct flow_table *t, struct flow *f);
struct flow *flow_oldest_hole(struct flow_table *t, bool is_acked);
