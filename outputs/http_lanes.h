/* SPDX-License-Identifier: MIT */
/* Requests that wait for their answer or for a connection: one lane for each recorded connection,
 * so that its requests go out in order, one after the other. Bounded; all memory is taken at the
 * start. Owned by the output's thread. */
#pragma once

#include "lib/base.h"
#include "lib/msg.h"

struct http_lanes;

/* All requests of one recorded connection that are held. It is either ready (waits for a
 * connection; in line behind other lanes) or out (its first request is on one). */
struct http_lane;

/* max: requests held at most. */
MUST_CHECK int http_lanes_new(struct http_lanes **lanesp, size_t max);
/* No request may be held any more. */
void http_lanes_free(struct http_lanes *lanes);

/* Takes a reference of msg, at the end of its lane, which becomes ready unless it is out. False:
 * full. */
MUST_CHECK bool http_lanes_put(struct http_lanes *lanes, const struct msg *msg);

size_t http_lanes_held(const struct http_lanes *lanes);
/* None, while they are paused. */
size_t http_lanes_ready(const struct http_lanes *lanes);
void http_lanes_pause(struct http_lanes *lanes, bool paused);

/* The lane first in line goes out; NULL when none is ready. */
struct http_lane *http_lanes_next(struct http_lanes *lanes);
/* Which that will be. */
struct http_lane *http_lanes_first(const struct http_lanes *lanes);
uint64_t http_lane_conn(const struct http_lane *lane); /* msg.conn of its messages */
const struct msg *http_lane_msg(const struct http_lane *lane); /* its first; borrowed */

/* Of the first message of a lane: how often this was asked of it, this time included; how often it
 * was replaced; and by what it is replaced (takes msg). */
unsigned http_lane_try(struct http_lane *lane);
unsigned http_lane_hops(const struct http_lane *lane);
void http_lane_replace(struct http_lane *lane, const struct msg *msg);

/* A lane that is out comes back, to the front or the end of the line. Before that its first
 * message may be taken from it (the reference becomes the caller's); without messages it is gone
 * after http_lanes_back(). */
const struct msg *http_lane_pop(struct http_lanes *lanes, struct http_lane *lane);
void http_lanes_back(struct http_lanes *lanes, struct http_lane *lane, bool front);
