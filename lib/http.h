/* SPDX-License-Identifier: MIT */
/* HTTP/1.x on the wire (RFC 9112): finding where a message ends in a byte stream, and where its
 * parts lie. Both are done once, here; everyone else uses the offsets that this leaves behind.
 *
 * The framer is fed the bytes of one message in pieces of any size. It keeps a few words of state
 * and never looks back, so its verdict does not depend on how the bytes were cut. Only the head
 * (start line and header section) must lie in one piece when it is complete, because it is parsed
 * then, by http_framer_head().
 *
 *     http_framer_init(&f, HTTP_REQUEST, &limits);
 *     v = http_framer_feed(&f, bytes, n, &used);      // HTTP_HEAD: the head ends at used
 *     v = http_framer_head(&f, head, f.head_len);     // HTTP_MORE, HTTP_DONE or HTTP_BAD
 *     v = http_framer_feed(&f, bytes + used, ...);    // body bytes, until HTTP_DONE
 *
 * It does not allocate, and trusts no length: a declared length is compared with what comes.
 *
 * Where RFC 9112 leaves room, it reads as the servers do whose traffic is recorded: LF alone ends a
 * line, also of a chunk size; several SP may part a start line, and a target that begins with '/'
 * may hold SP; a field name may hold any visible byte. Whatever two readers could frame differently
 * is HTTP_BAD instead of a guess. */
#pragma once

#include "lib/base.h"
#include "lib/span.h"

enum http_kind {
    HTTP_REQUEST = 0,
    HTTP_RESPONSE = 1,
};

enum http_verdict {
    HTTP_MORE = 0, /* all bytes given belong to this message; it goes on */
    HTTP_HEAD = 1, /* the head is complete: call http_framer_head() */
    HTTP_DONE = 2, /* the message is complete */
    HTTP_BAD = 3, /* this is no HTTP message, or one that no two readers would frame alike */
};

/* Why HTTP_BAD, for counters and messages; http_fault_text() names them. */
enum http_fault {
    HTTP_FAULT_NONE = 0,
    HTTP_FAULT_START_LINE, /* not method SP target SP HTTP/1.x, nor a status line */
    HTTP_FAULT_FIELD, /* a field line without a name, or with SP before the colon */
    HTTP_FAULT_HEAD_TOO_BIG, /* beyond limits.max_head */
    HTTP_FAULT_LENGTH, /* Content-Length that is no number, overflows, or differs */
    HTTP_FAULT_TE_AND_CL, /* both Transfer-Encoding and Content-Length (RFC 9112, 6.1) */
    HTTP_FAULT_ENCODING, /* a request whose last transfer coding is not chunked */
    HTTP_FAULT_CHUNK, /* chunk size missing or overflowing, or its CRLF missing */
    HTTP_FAULT_TRUNCATED, /* the connection ended inside the message */
};
const char *http_fault_text(enum http_fault fault);

enum http_body {
    HTTP_BODY_NONE = 0,
    HTTP_BODY_LENGTH, /* Content-Length */
    HTTP_BODY_CHUNKED, /* ends with the last chunk and the trailer section */
    HTTP_BODY_UNTIL_CLOSE, /* responses only: ends with the connection (RFC 9112, 6.3 item 8) */
};

/* Where the parts of one message lie: offsets from its first byte. head_len 0: not HTTP, and
 * nothing else is meaningful. Fits in a message unchanged. */
struct http_view {
    uint32_t head_len; /* start line and header section, with the empty line */
    uint32_t start_off; /* start line: after any leading empty lines (RFC 9112, 2.2) */
    uint32_t fields_off; /* first field line, or the empty line when there is none */
    uint32_t target_off; /* request target; for a response the reason phrase */
    uint32_t target_len;
    uint16_t method_len; /* the method begins at start_off; 0 for a response */
    uint16_t status; /* of a response, 100-999; 0 for a request */
    uint8_t minor; /* HTTP/1.minor */
    uint8_t body; /* enum http_body */
    uint8_t close; /* the sender ends the connection after this message (RFC 9112, 9.6) */
    uint8_t upgrade; /* request: CONNECT or Upgrade asked; response: 101, or 2xx to CONNECT */
    uint64_t length; /* Content-Length, when body is HTTP_BODY_LENGTH */
};

struct http_limits {
    size_t max_head; /* bytes, at most UINT32_MAX; default HTTP_MAX_HEAD */
};
#define HTTP_MAX_HEAD (64 * 1024)

/* One message being framed. Fields above the line may be read by the owner at any time. */
struct http_framer {
    struct http_view view; /* complete after http_framer_head() */
    size_t head_len; /* bytes of head seen so far; all of it after HTTP_HEAD */
    uint64_t body_len; /* bytes of body on the wire seen so far (chunk framing included) */
    enum http_fault fault; /* after HTTP_BAD */
    /* --- inside --- */
    uint64_t left; /* bytes to go in this body or chunk */
    size_t max_head;
    size_t line_len; /* of the chunk line or trailer section being read: max_head bounds it too */
    uint8_t kind; /* enum http_kind */
    uint8_t state; /* see http_framer.c */
    uint8_t line_state; /* how much of a line end has been seen */
    uint8_t request_head; /* the request was a HEAD: the response has no body */
    uint8_t request_connect;
};

/* limits is copied; NULL for the defaults. */
void http_framer_init(struct http_framer *f, enum http_kind kind, const struct http_limits *limits);

/* For a response: the method of the request that it answers, which rules its body (RFC 9112, 6.3).
 * Call before the first feed; without it the method counts as GET. */
void http_framer_answers(struct http_framer *f, struct span request_method);

/* The next n bytes of the stream. *used: how many of them belong to this message; after HTTP_BAD,
 * how many were read before the fault. Nothing is used once the verdict is DONE or BAD. */
enum http_verdict http_framer_feed(struct http_framer *f, const uint8_t *bytes, size_t n,
                                   size_t *used);

/* After HTTP_HEAD: parses the head, whose head_len bytes lie at head, and decides how the body is
 * framed. HTTP_DONE when there is none. */
enum http_verdict http_framer_head(struct http_framer *f, const uint8_t *head, size_t head_len);

/* In place of the first feed and http_framer_head(), in one pass: true when bytes begin with a
 * whole and valid head. What follows it, from f->head_len on, is fed next, also when there is none.
 * False: f is as before, and must be fed. */
bool http_framer_whole_head(struct http_framer *f, const uint8_t *bytes, size_t n);

/* n bytes are missing here. HTTP_MORE or HTTP_DONE when they all lie in a body or chunk of known
 * length, so that what follows can be framed; else HTTP_BAD, and the framer is as before. */
enum http_verdict http_framer_skip(struct http_framer *f, uint64_t n);

/* The sender closed its side: HTTP_DONE ends a body read until close, everything else is HTTP_BAD
 * with HTTP_FAULT_TRUNCATED. HTTP_MORE when nothing, or only empty lines, has come. */
enum http_verdict http_framer_close(struct http_framer *f);

/* A whole message at the start of bytes: HTTP_DONE with *total, HTTP_MORE when it goes on beyond
 * n (or until close), HTTP_BAD. For records and answers that are read into one buffer, with the
 * default limits. *view is set once the head is complete and valid; until then head_len is 0. */
enum http_verdict http_frame(enum http_kind kind, const uint8_t *bytes, size_t n,
                             struct http_view *view, size_t *total);

/* Continues behind a head that was parsed earlier: f is then as after http_framer_head(), and the
 * same verdict is returned, with the default limits. view->head_len > 0. */
enum http_verdict http_framer_resume(struct http_framer *f, enum http_kind kind,
                                     const struct http_view *view);

/* Only the head, of any size: true and *view set when bytes begin with a complete, valid head of
 * that kind. */
bool http_parse_head(enum http_kind kind, const uint8_t *bytes, size_t n, struct http_view *view);

/* Could these bytes (at least one) be the beginning of a request or response? Used to find the
 * next message after a hole or in mid-stream. Says yes only when nothing seen contradicts a token
 * and a space, then a target ("HTTP/1." for a response); false as soon as a byte does. */
bool http_may_begin(enum http_kind kind, const uint8_t *bytes, size_t n);
/* The longest method that http_may_begin() believes: the longest registered one has 17 bytes, and a
 * longer word at a place where nothing is known is more likely a piece of some body. */
#define HTTP_METHOD_GUESS_MAX 32

/* One field line; spans point into the message. */
struct http_field {
    struct span name, value; /* value without surrounding white space; obs-fold kept as it is */
    size_t off, len; /* the whole field line(s) with line end, offset from the message */
};

/* The field line at *pos (start with view->fields_off); false when there is none left. Looks at the
 * header section only. *pos is moved behind it. */
bool http_field_next(struct span msg, const struct http_view *view, size_t *pos,
                     struct http_field *field);
/* The first field of that name, compared without case. */
bool http_field_find(struct span msg, const struct http_view *view, struct span name,
                     struct http_field *field);

/* Character classes, for those who make or change messages. */
bool http_is_token(struct span s); /* RFC 9110, 5.6.2; not empty */
bool http_is_target(struct span s); /* visible bytes and those beyond ASCII, no SP; not empty */
bool http_is_value(struct span s); /* no CR, LF or NUL; may be empty */
