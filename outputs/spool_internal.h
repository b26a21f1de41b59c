/* SPDX-License-Identifier: MIT */
/* Between spool.c and spool_disk.c only. */
#pragma once

#include "lib/buf.h"
#include "outputs/spool.h"

/* A row of frames: in memory, or a part of a file. */
struct run {
    struct run *next;
    uint64_t first; /* number of its first frame */
    uint64_t frames; /* so many; valid ones only */
    uint64_t len; /* their bytes */
    uint8_t *data; /* in memory; NULL: on disk */
    uint64_t cap; /* in memory */
    uint64_t file, off; /* on disk: which, and where in it they begin */
    uint64_t before; /* frames in that file before these */
    bool last; /* of its file: that goes with it */
};

/* Who wants to hear that a message is handed over. */
struct waiting_receipt {
    uint64_t number; /* of its frame */
    struct receipt *receipt; /* a reference */
};

struct spool_disk;

/* Always true: acked <= sent <= written <= put; runs hold the frames behind acked up to written in
 * order, and those in pending the rest (in memory: none). The first run may begin before. */
struct spool {
    struct output *out;
    const char *tag;
    uint64_t max_bytes, bytes; /* bytes: of all runs and pending */
    uint64_t acked, sent, written, put;
    struct run *first, *last;
    struct run *at; /* where frame sent + 1 is, NULL: not looked for; at_off: in it */
    uint64_t at_off;
    struct buf waiting; /* struct waiting_receipt */
    struct spool_disk *disk; /* NULL: in memory */
    uint32_t payload_len[SPOOL_WINDOW]; /* of frame n at n % SPOOL_WINDOW, while it is sent */
};

/* All take a spool that is on disk. */
MUST_CHECK int spool_disk_open(struct spool *s, const struct spool_config *config, struct err *err);
void spool_disk_close(struct spool *s);
/* Appends a frame of msg. */
enum output_result spool_disk_put(struct spool *s, const struct msg *msg, uint64_t stream,
                                  uint64_t number);
/* As spool_next(), spool_tick(), spool_back(). */
struct span spool_disk_next(struct spool *s);
bool spool_disk_tick(struct spool *s, int64_t now_ns);
void spool_disk_back(struct spool *s);
/* The first frame of spool_disk_next() is len bytes long, and sent. */
void spool_disk_used(struct spool *s, size_t len);
/* That run is all acknowledged: its file may go. False: it is still being written. */
bool spool_disk_forget(struct spool *s, const struct run *run);

/* Those who wait for frames up to number are told. */
void spool_tell(struct spool *s, uint64_t number);
/* A new run at the end, zeroed but for first; NULL: no memory. */
struct run *spool_run_add(struct spool *s, uint64_t first);
