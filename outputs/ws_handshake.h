/* SPDX-License-Identifier: MIT */
/* The opening handshake of a WebSocket (RFC 6455, section 4), as a client has it: the request, and
 * whether the answer agrees to it. No sockets. */
#pragma once

#include "lib/base.h"
#include "lib/buf.h"
#include "lib/http.h"
#include "outputs/http_target.h"

#define WS_ANSWER_MAX ((size_t)16 * 1024) /* longest head of an answer */

#define WS_KEY_LEN 24 /* 16 bytes in base64 */
#define WS_ACCEPT_LEN 28 /* 20 */

struct ws_handshake {
    char key[WS_KEY_LEN + 1];
    char accept[WS_ACCEPT_LEN + 1]; /* what the server makes of it */
    char why[160]; /* not agreed; may hold bytes of the answer */
    /* --- inside --- */
    struct http_framer framer;
    size_t seen;
};

/* A new one, with a key that nobody knows. 0 or -EIO. */
MUST_CHECK int ws_handshake_init(struct ws_handshake *shake);
/* For tests: with that key. */
MUST_CHECK int ws_handshake_with(struct ws_handshake *shake, const uint8_t key[16]);

/* Appends the request to out. 0, or as buf_append(). */
MUST_CHECK int ws_handshake_request(const struct ws_handshake *shake,
                                    const struct http_target *target, struct buf *out);

enum ws_agreement {
    WS_UNDECIDED = 0, /* the answer goes on */
    WS_AGREED = 1, /* frames begin behind its head */
    WS_REFUSED = 2, /* why says why */
};

/* answer: all that has come so far; the same bytes may be shown again. *head_len is set when
 * AGREED.
 */
enum ws_agreement ws_handshake_answer(struct ws_handshake *shake, struct span answer,
                                      size_t *head_len);
