/* SPDX-License-Identifier: MIT */
/* One exchange as a document of Elasticsearch, as gor has it:
 *
 *   Req_URL Req_Method Req_User-Agent Req_Accept-Language Req_Accept Req_Accept-Encoding
 *   Req_If-Modified-Since Req_Connection Req_Cookies Resp_Status Resp_Status-Code Resp_Proto
 *   Resp_Content-Length Resp_Content-Type Resp_Transfer-Encoding Resp_Content-Encoding
 *   Resp_Expires Resp_Cache-Control Resp_Vary Resp_Set-Cookie RTT Timestamp
 *
 * All are strings but RTT, which is whole milliseconds. What the message does not have is left
 * out, but for URL, method, user agent and the status. A field that is there several times becomes
 * an array, which such an index takes like a string. Bytes that are not UTF-8 become U+FFFD. */
#pragma once

#include "lib/buf.h"
#include "lib/msg.h"

/* Appends the two lines of the bulk API: the action, for a document of that id, and the document.
 * answer has its request. 0, -ENOBUFS or -ENOMEM: behind what was in out stands anything then. */
MUST_CHECK int elastic_doc_write(struct buf *out, const struct msg *answer, const char *id);
