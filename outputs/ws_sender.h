/* SPDX-License-Identifier: MIT */
/* What a WebSocket connection has to send, as bytes: of each message held one binary frame with its
 * record in gor's form, header line and payload; between them answers to pings, and the closing.
 * Bytes are made a piece at a time, so that a large message costs no more memory than a small one.
 * No sockets. Owned by the output's thread. */
#pragma once

#include "lib/base.h"
#include "lib/record.h"
#include "lib/span.h"
#include "outputs/held.h"
#include "outputs/ws_frame.h"

#define WS_PIECE ((size_t)64 * 1024)
/* A frame's beginning may stand behind a piece that is almost full. */
#define WS_PIECE_MAX (WS_PIECE + WS_HEAD_MAX + RECORD_HEADER_MAX)

/* Always true: at <= len; the bytes of [at, len) do not change until they are sent, which is how
 * TLS wants them. begun messages of held have a frame, all of them whole but for the last when
 * in_frame; the marks of whole ones say where in the stream they end. */
struct ws_sender {
    bool closing; /* a closing was made: nothing follows it */
    /* --- inside --- */
    struct held *held;
    size_t begun;
    bool in_frame;
    uint8_t mask[WS_MASK_LEN];
    size_t header_len, payload_at; /* of the frame being made */
    struct ws_control {
        bool wanted;
        uint8_t len;
        uint8_t bytes[WS_CONTROL_MAX];
    } pong, close;
    uint64_t made, sent; /* bytes of this connection */
    size_t at, len;
    uint8_t piece[WS_PIECE_MAX];
};

/* For a new connection: messages still held go out from their beginning. held is borrowed. */
void ws_sender_init(struct ws_sender *sender, struct held *held);

/* The bytes to send next; empty: nothing. *bytes is valid until they are sent. 0, or -EIO: there
 * is no randomness. */
MUST_CHECK int ws_sender_next(struct ws_sender *sender, struct span *bytes);
/* The first n of them were taken by the kernel. Messages that are all sent are settled as
 * delivered; returns how many. */
size_t ws_sender_sent(struct ws_sender *sender, size_t n);
/* Is there something to send? */
bool ws_sender_busy(const struct ws_sender *sender);

/* Answers a ping; only the last one is answered when several wait (RFC 6455, 5.5.3). */
void ws_sender_pong(struct ws_sender *sender, struct span payload);
/* Closes, before any other message. */
void ws_sender_close(struct ws_sender *sender, struct span payload);
