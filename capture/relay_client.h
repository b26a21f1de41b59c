/* SPDX-License-Identifier: MIT */
/* One sender of a relay listener: its socket and the bytes of its record in progress. Owned by the
 * input's thread. */
#pragma once

#include "lib/base.h"
#include "lib/buf.h"
#include "lib/ledger.h"
#include "lib/record.h"
#include "lib/sink.h"

/* A record with a longer payload is damage. */
#define RELAY_MAX_PAYLOAD (256 * MIB)
/* Bytes that one call of relay_client_read() takes from the socket at most. */
#define RELAY_READ_MAX ((size_t)256 * 1024)

/* What all clients of a listener share. */
struct relay_shared {
    struct books *books;
    struct sink *sink; /* takes the messages; set for the duration of a read */
    uint64_t buffered, max_buffered; /* bytes of records in progress, all clients together */
    uint8_t scratch[2 * RELAY_READ_MAX]; /* rest of one client, and what follows it */
};

struct relay_client {
    int fd;
    struct record_reader reader;
    struct buf rest; /* the beginning of a record whose end has not come */
};

enum relay_read {
    RELAY_IDLE = 0, /* nothing more to read now */
    RELAY_MORE = 1, /* there may be more in the socket */
    RELAY_END = 2, /* the sender has closed, and everything is put: close it */
    RELAY_BROKEN = 3, /* the connection broke, or memory is short: close it */
};

/* Takes fd. */
void relay_client_init(struct relay_client *client, int fd);
/* Closes; a record in progress is counted as damaged. */
void relay_client_fini(struct relay_client *client, struct relay_shared *shared);

/* Reads once, at most RELAY_READ_MAX bytes, and puts the records that are whole. */
enum relay_read relay_client_read(struct relay_client *client, struct relay_shared *shared);
