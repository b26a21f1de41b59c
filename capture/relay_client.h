/* SPDX-License-Identifier: MIT */
/* One sender of a relay listener: its connection and the bytes of its record in progress. It is a
 * gor, with a plain stream of records, or a refrain that says HELLO and wants acknowledgements
 * (lib/relay_frame.h); its first bytes tell. Owned by the input's thread. */
#pragma once

#include "capture/relay_sessions.h"
#include "lib/base.h"
#include "lib/buf.h"
#include "lib/ledger.h"
#include "lib/record.h"
#include "lib/relay_frame.h"
#include "lib/relay_pack.h"
#include "lib/sink.h"
#include "lib/wire.h"

/* Bytes that one call of relay_client_read() takes from the socket at most. */
#define RELAY_READ_MAX ((size_t)256 * 1024)

/* What all clients of a listener share. */
struct relay_shared {
    struct books *books;
    struct sink *sink; /* takes the messages; set for the duration of a read */
    struct relay_sessions *sessions;
    const struct tls *tls; /* NULL: plain */
    struct relay_unpacker *unpacker; /* NULL: no ZSTD frames */
    int64_t now_ns; /* CLOCK_MONOTONIC */
    bool stopping; /* who comes now hears BYE at once */
    uint64_t buffered, max_buffered; /* bytes of records in progress, all clients together */
    uint64_t strange; /* of these: of strangers */
    uint8_t scratch[2 * RELAY_READ_MAX]; /* rest of one client, and what follows it */
};

enum relay_kind {
    RELAY_STRANGER = 0, /* nothing of use has come yet */
    RELAY_PLAIN,
    RELAY_FRAMES,
};

struct relay_client {
    struct wire wire;
    enum relay_kind kind;
    int64_t since_ns, heard_ns; /* CLOCK_MONOTONIC: when it connected; when bytes came */
    uint64_t got; /* bytes, while it is a stranger */
    bool ended; /* it sends no more, and waits for acknowledgements */
    struct record_reader reader;
    struct buf rest; /* the beginning of a record whose end has not come */
    uint64_t strange; /* bytes of it that shared counts as strange */
    size_t inner; /* so many bytes of what the ZSTD frame in front of rest holds are done with */
    struct relay_session *session; /* of FRAMES; it may have gone to another connection: NULL */
    bool framed; /* a frame has come */
    uint64_t told; /* the last number acknowledged */
    bool asked, bye; /* it wants an ACK; it is to hear that we stop */
    uint8_t out[RELAY_HELLO_MAX];
    size_t out_len;
};

enum relay_read {
    RELAY_IDLE = 0, /* nothing more to read now */
    RELAY_MORE = 1, /* there may be more in the socket, or in the rest */
    RELAY_END = 2, /* the sender has closed, and everything is put: close it */
    RELAY_BROKEN = 3, /* the connection broke (wire.fault: in TLS), or makes no sense, or memory is
                         short: close it */
};

/* Takes fd. */
void relay_client_init(struct relay_client *client, int fd, const struct relay_shared *shared);
/* Closes; a record in progress is counted as damaged, unless it will come again. */
void relay_client_fini(struct relay_client *client, struct relay_shared *shared);

/* Reads once, at most RELAY_READ_MAX bytes, and puts the records that are whole. Not to be called
 * for FRAMES while relay_sessions_full(). */
enum relay_read relay_client_read(struct relay_client *client, struct relay_shared *shared);

/* Tells the sender what is handed over, if there is news. False: close it, all is said, or it
 * broke. */
bool relay_client_answer(struct relay_client *client);
/* What epoll is to wait for. held_back: senders that wait for acknowledgements are not read. */
uint32_t relay_client_events(const struct relay_client *client, bool held_back);
