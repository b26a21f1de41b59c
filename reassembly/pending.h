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
    uint32_t ack; /* of the server's stream: what the client had received when it sent this */
    int64_t last_ns; /* when its last byte came */
    struct msg *early; /* its response, when that was complete first; held counts its cost */
    uint8_t answer; /* enum answer */
    bool complete, lost;
};

struct pending;

/* The request with that id, seq and ack has begun. Makes *pp when there is none; *held counts its
 * memory. False: no memory, or more requests wait than any client pipelines: pairing is no longer
 * possible. */
bool pending_start(struct pending **pp, const struct pending_request *begun, int64_t *held);
/* It was found whole. Returns its response when that came early: the caller's now. */
struct msg *pending_complete(struct pending *p, uint32_t id, enum answer answer, int64_t last_ns);
/* It is lost, but its response will come. Returns as pending_complete(). */
struct msg *pending_lose(struct pending *p, uint32_t id);
/* The one whose response is next; NULL: none waits. Valid until the next call. */
struct pending_request *pending_first(struct pending *p);
void pending_pop(struct pending *p);
/* Responses were lost: of the requests that the server has acknowledged only the latest still can
 * be answered by what comes next. False: several were sent at once, and nothing tells which of them
 * that is. */
MUST_CHECK bool pending_realign(struct pending *p, const struct stream *client);
/* Returns how many early responses were dropped. p may be NULL. */
size_t pending_free(struct pending *p, int64_t *held);
