/* SPDX-License-Identifier: MIT */
/* The requests of one connection that wait for their responses, in the order in which they were
 * sent. Only made when responses are tracked. */
#pragma once

#include "lib/msg.h"
#include "reassembly/stream.h"

enum answer {
    ANSWER_PLAIN = 0,
    ANSWER_HEAD, /* has no body */
    ANSWER_CONNECT, /* 2xx has no body, and ends HTTP */
};

struct pending_request {
    uint32_t id;
    uint32_t seq; /* of the client's stream, at or behind its first byte */
    uint32_t end; /* behind its last byte, when complete */
    uint32_t ack; /* of the server's stream: what the client had received when it sent this, when
                     has_ack */
    int64_t first_ns, last_ns; /* when its first and its last byte came */
    struct msg *early; /* its response, when that was complete first; held counts its cost */
    uint8_t answer; /* enum answer */
    bool has_ack, complete, lost;
};

struct pending;

/* The request with that id, seq and ack has begun. Makes *pp when there is none; *held counts its
 * memory. False: no memory, or more requests wait than any client pipelines: pairing is no longer
 * possible. */
bool pending_start(struct pending **pp, const struct pending_request *begun, int64_t *held);
/* found, with its end, answer and last_ns, was found whole. Returns its response when that came
 * early: the caller's now. */
struct msg *pending_complete(struct pending *p, const struct pending_request *found);
/* It is lost, but its response will come. Returns as pending_complete(). */
struct msg *pending_lose(struct pending *p, uint32_t id);
/* The one whose response is next; NULL: none waits. Valid until the next call. */
struct pending_request *pending_first(struct pending *p);
void pending_pop(struct pending *p);
/* Was it sent before the client had received seq of the server's stream? What begins there can be
 * its response then. */
static inline bool pending_is_asked(const struct pending_request *request, uint32_t seq)
{
    return !request->has_ack || !seq_before(seq, request->ack);
}
/* A response begins at seq, which came at ns, and others may have been lost: it can only be that of
 * the latest request that was asked until then, so those before are given up. False: several were
 * sent at once, and nothing tells which of them it is. */
MUST_CHECK bool pending_realign(struct pending *p, uint32_t seq, int64_t ns);
/* Gives up all that were asked at seq and until then. */
void pending_give_up(struct pending *p, uint32_t seq, int64_t ns);
/* Returns how many early responses were dropped. p may be NULL. */
size_t pending_free(struct pending *p, int64_t *held);
