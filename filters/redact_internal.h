/* SPDX-License-Identifier: MIT */
/* Shared by the files of --redact; nobody else includes this. */
#pragma once

#include "lib/filter.h"
#include "lib/token.h"

enum redact_kind {
    REDACT_FIELD = 0, /* header:Authorization */
    REDACT_COOKIE, /* cookie:sid */
    REDACT_PARAM, /* param:token */
    REDACT_JSON, /* json:user.email */
    REDACT_FORM, /* form:password */
    REDACT_KINDS,
};

struct redact_rule {
    enum redact_kind kind;
    struct span name; /* into an option, or a constant */
};

/* The rules and the key. */
struct redact {
    struct filter base;
    struct token_key key;
    bool has[REDACT_KINDS];
    size_t n;
    struct redact_rule rules[];
};

/* A run of body bytes that lie together on the wire: chunk framing parts them. */
struct redact_piece {
    size_t plain, raw, len; /* offset in the body, offset in the payload, bytes */
};

/* One message at work. */
struct redaction {
    const struct redact *rules;
    const struct msg *msg;
    struct msg *copy; /* the changed one; NULL until the first change */
    bool failed; /* no memory */
    struct span body; /* without chunk framing: into msg, or plain */
    uint8_t *plain; /* the body of a chunked message, put together; else NULL */
    struct redact_piece *pieces;
    size_t n_pieces;
    struct span trailer; /* behind the last chunk: field lines, and an empty one */
};

/* Puts a token of the same length in the place of value, which lies in the message or its body. */
void redact_value(struct redaction *r, struct span value, enum token_alphabet alphabet);
/* The same for all bytes of the body, which could not be searched. */
void redact_whole_body(struct redaction *r);
/* Is there a rule of that kind for this name? "*" is for all names. Field names compare without
 * case; names of parameters and form fields as they are after percent-decoding. */
bool redact_wants(const struct redaction *r, enum redact_kind kind, struct span name);

/* Start line and fields: header, cookie and param. */
void redact_head(struct redaction *r);
/* The same for the fields behind the last chunk (RFC 9112, 7.1.2). */
void redact_trailer(struct redaction *r, struct span trailer);
/* The pairs of "a=1&b=2" (RFC 1866, 8.2.1) that have a rule of that kind. */
void redact_pairs(struct redaction *r, struct span pairs, enum redact_kind kind);
/* Body and trailer: json and form, and the trailer's fields. */
void redact_body(struct redaction *r);
/* One or more JSON values (RFC 8259). False: not JSON from some place on. */
bool redact_json(struct redaction *r, struct span text);
