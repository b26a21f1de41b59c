/* SPDX-License-Identifier: MIT */
/* What waits on its way to a relay: DATA frames (lib/relay_frame.h) in order, from when a message
 * is put until the receiver has acknowledged it; in memory, or in a folder, where they outlive us.
 * The frames are numbered from 1 as the session numbers them:
 *
 *   ... acked | sent, not acknowledged | put, not sent | ...
 *
 * With a folder, only what the file system has is sent, so that a number never stands for two
 * messages, whenever we are killed; and what is sent is read from there, so that memory stays flat
 * however long the receiver is away. Without one, a full spool is a few megabytes.
 *
 * Messages are settled in the output's books: delivered when acknowledged; spooled, or (in memory)
 * abandoned, when they are still there at the end. Owned by the output's thread. */
#pragma once

#include "lib/base.h"
#include "lib/err.h"
#include "lib/output.h"
#include "lib/span.h"
#include "outputs/file_sync.h"

/* Frames that may be sent and not acknowledged. */
#define SPOOL_WINDOW ((size_t)32 * 1024)

struct spool;

struct spool_config {
    struct output *out; /* whose messages they are. Borrowed */
    const char *folder; /* made when it is missing; NULL: in memory. Borrowed until opened */
    struct file_sync *sync; /* of what is in a folder; NULL: the kernel chooses. Borrowed */
    uint64_t max_bytes;
    const char *tag; /* of log lines. Borrowed */
};

/* Takes over what an earlier run left in the folder: that counts as seen. 0 or a negative errno
 * with err. */
MUST_CHECK int spool_open(struct spool **spoolp, const struct spool_config *config,
                          struct err *err);
/* Settles what is left. NULL is fine. */
void spool_close(struct spool *spool);

/* Borrows msg, which goes as number of stream. OUTPUT_TAKEN; OUTPUT_BUSY: it is full, or the disk
 * is; OUTPUT_FAILED: it is too long, or no memory. */
enum output_result spool_put(struct spool *spool, const struct msg *msg, uint64_t stream,
                             uint64_t number);

/* Numbers of frames: the last that is acknowledged, sent, put. */
uint64_t spool_acked(const struct spool *spool);
uint64_t spool_sent(const struct spool *spool);
uint64_t spool_last(const struct spool *spool);

/* Whole frames, the first of which is number spool_sent() + 1; empty when there is none to send, or
 * the window is full. Valid until the next call. May read the disk. */
struct span spool_next(struct spool *spool);
/* The first frame of spool_next() is sent. */
void spool_sent_one(struct spool *spool);
/* Sends on from behind that number, acked <= number <= sent. */
void spool_back(struct spool *spool, uint64_t number);
/* All up to that number are acknowledged, acked <= number <= sent. */
void spool_ack(struct spool *spool, uint64_t number);

/* Writes what has waited for a while, and how far we are. Call it at least every SPOOL_SYNC_NS.
 * True when something was done. */
#define SPOOL_SYNC_NS (50 * NS_PER_MS)
bool spool_tick(struct spool *spool, int64_t now_ns);
bool spool_is_kept(const struct spool *spool); /* it is a folder */
