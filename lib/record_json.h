/* SPDX-License-Identifier: MIT */
/* A message as gor's JSON object, for Kafka. gor's keys, all strings but the last, in gor's order:
 *
 *   Req_URL Req_Type Req_ID Req_Ts Req_Method Req_Body Req_Headers{}
 *
 * and behind them, so that nothing is lost:
 *
 *   Req_Latency, Req_Src, Req_Dst   as in a record
 *   Req_Proto                       "HTTP/1.1"
 *   Req_Status                      of a response: "200 OK"
 *   Req_Lines[]                     the field lines as they were: order, case, duplicates
 *   Req_Head                        instead of these three, when they could not tell all: the whole
 *                                   head in base64
 *   Req_Body_Base64                 true: Req_Body is not UTF-8, and stands there in base64
 *
 * Req_Body is the body as it was on the wire, with its chunk framing. */
#pragma once

#include "lib/buf.h"
#include "lib/msg.h"
#include "lib/record.h"

/* Appends the object to out, without a line end. 0, -ENOBUFS or -ENOMEM: out then holds anything.
 */
MUST_CHECK int record_json_write(struct buf *out, const struct msg *msg);

/* What such an object says, gor's own included: RECORD_MSG, RECORD_DAMAGED or RECORD_NO_MEMORY.
 * The payload is put together from Req_Head, or from method, URL, protocol, status and lines, or,
 * where these are missing, from the headers; with the body behind it. gor's responses do not tell
 * their status: they count as damaged. Any thread. */
MUST_CHECK enum record_result record_json_read(struct span bytes, struct msg **msg);
