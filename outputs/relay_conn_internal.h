/* SPDX-License-Identifier: MIT */
/* Between relay_conn.c and relay_talk.c only. */
#pragma once

#include "lib/relay_frame.h"
#include "lib/relay_pack.h"
#include "outputs/relay_conn.h"

enum peer_kind {
    PEER_UNKNOWN = 0,
    PEER_PLAIN,
    PEER_FRAMES, /* it will never be taken for a gor again */
};

enum phase {
    GREETING = 0, /* HELLO is to be sent, once the link is up */
    WELCOMING, /* the answer is awaited */
    FRAMES,
    PLAIN,
    LEAVING, /* no more goes out: the peer stops, but for the rest of what is begun */
};

/* Always true: off bytes of the first frame that is not sent (PLAIN, LEAVING: of its record; with
 * packed: of that) are. */
struct relay_conn {
    struct conn base;
    struct output *out;
    struct tcp_link link;
    struct spool *spool;
    uint64_t session, salt, number; /* number: of the last message that began here */
    enum peer_kind peer;
    enum phase phase;
    bool said_bye; /* LEAVING: the peer acknowledges still */
    bool upgrade; /* LEAVING: a plain peer turned out to acknowledge; it is to read all first */
    bool shut;
    size_t off;
    struct relay_packer *packer; /* NULL: frames go as they are */
    bool packs; /* the peer understands it */
    struct span packed; /* goes out instead of the next packed_frames frames; empty: they do */
    uint64_t packed_frames;
    int64_t deadline_ns; /* of WELCOMING and LEAVING */
    int64_t heard_ns, pinged_ns, moved_ns; /* moved: its kernel took bytes of a long frame */
    int queued; /* bytes that ours held then */
    uint8_t in[2 * RELAY_HELLO_MAX];
    size_t in_len;
    uint8_t control[RELAY_HELLO_MAX]; /* goes out before the next frame */
    size_t control_len, control_off;
};

/* The connection is lost, and that is said. */
void relay_conn_lost(struct relay_conn *c, const char *what, int errnum, int64_t now_ns);
/* Sends as far as that goes. False: lost. */
bool relay_conn_talk(struct relay_conn *c, bool *did, int64_t now_ns);
