/* SPDX-License-Identifier: MIT */
/* HTTP messages put together from parts that came as text: JSON or HAR. Whatever could forge
 * another line or message is refused. */
#pragma once

#include "lib/buf.h"
#include "lib/msg.h"

/* Longest text or message of another format that is taken in: what JSON makes of the longest
 * message. */
#define TEXT_MAX (2 * MSG_LEN_MAX + 16 * MIB)

/* Why something cannot be used, for a person. */
#define WHY_MAX 160

/* One message under way. */
struct http_text {
    struct buf bytes;
    size_t head_len;
    int error; /* sticky: -EINVAL (why says it), -ENOMEM, -ENOBUFS */
    char why[WHY_MAX];
};

void http_text_init(struct http_text *t);
void http_text_fini(struct http_text *t);
/* The first fault counts. */
void http_text_refuse(struct http_text *t, const char *fmt, ...) PRINTF_LIKE(2, 3);

/* In this order: one start line, fields, the end of the head, the body. minor: of HTTP/1.minor. */
void http_text_request(struct http_text *t, struct span method, struct span target, int minor);
void http_text_response(struct http_text *t, int minor, int status, struct span reason);
void http_text_field(struct http_text *t, struct span name, struct span value);
void http_text_end_head(struct http_text *t);
void http_text_body(struct http_text *t, struct span bytes);
void http_text_body_base64(struct http_text *t, struct span text);

/* The message, the caller's alone, of type and with its payload set; NULL: see error. The head must
 * be there and sound, when end_head was called. */
struct msg *http_text_message(struct http_text *t, enum msg_type type);

/* Is the head just what the functions above would make of its parts? Then nothing is lost when only
 * these are written down. */
bool http_text_is_plain(const struct msg *msg);

/* "http://user@host:80/path?query#part" into host ("host:80") and target ("/path?query", which may
 * be empty); the scheme may be missing. False: there is no host. */
bool http_text_split_url(struct span url, struct span *host, struct span *target);
