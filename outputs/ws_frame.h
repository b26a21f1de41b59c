/* SPDX-License-Identifier: MIT */
/* WebSocket frames (RFC 6455, section 5) as a client has them: what it sends is masked, what it
 * gets is not. Pure: no sockets, no allocation. */
#pragma once

#include "lib/base.h"

enum ws_opcode {
    WS_CONTINUATION = 0,
    WS_TEXT = 1,
    WS_BINARY = 2,
    WS_CLOSE = 8,
    WS_PING = 9,
    WS_PONG = 10,
};

#define WS_MASK_LEN 4
#define WS_HEAD_MAX 14
#define WS_CONTROL_MAX 125 /* payload of a control frame (5.5) */

/* Writes the head of a whole message in one frame, with len bytes of payload, to out (room for
 * WS_HEAD_MAX), and returns its length. */
size_t ws_head(uint8_t *out, enum ws_opcode opcode, uint64_t len, const uint8_t mask[WS_MASK_LEN]);
/* Masks n bytes that stand at offset in the payload. out may be in. */
void ws_mask(uint8_t *out, const uint8_t *in, size_t n, const uint8_t mask[WS_MASK_LEN],
             uint64_t offset);

enum ws_event {
    WS_MORE = 0, /* all bytes are used */
    WS_CONTROL = 1, /* a whole control frame: opcode, control, control_len */
    WS_BAD = 2, /* no server sends this: fault says why */
};

/* Reads what a server sends, in pieces of any size. Messages are passed over and counted. */
struct ws_reader {
    enum ws_opcode opcode; /* of the frame being read */
    uint8_t control[WS_CONTROL_MAX];
    size_t control_len;
    uint64_t data_bytes; /* payload of messages so far; the owner may set it to 0 */
    const char *fault;
    /* --- inside --- */
    uint8_t head[WS_HEAD_MAX - WS_MASK_LEN];
    size_t head_len; /* of it, read so far */
    uint64_t left; /* payload bytes to come, once the head is whole */
    bool in_payload;
    bool in_message; /* its last frame is still to come */
};

void ws_reader_init(struct ws_reader *reader);
/* The next n bytes, of which *used were read. After WS_BAD nothing more can be read. */
enum ws_event ws_read(struct ws_reader *reader, const uint8_t *bytes, size_t n, size_t *used);
