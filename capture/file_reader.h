/* SPDX-License-Identifier: MIT */
/* The records of one recording, sorted by timestamp within a window of read-ahead: a recording is
 * written in the order in which messages were complete, which is not quite that of their
 * timestamps. Equal timestamps keep the order of the file. Owned by one thread. */
#pragma once

#include "lib/base.h"
#include "lib/err.h"
#include "lib/ledger.h"
#include "lib/msg.h"

enum reader_result {
    READER_READY = 0, /* the next record is known */
    READER_END = 1, /* there is none */
    READER_WAIT = 2, /* a pipe has nothing for now */
};

/* A stretch of a recording that holds no record that can be used. */
struct reader_damage {
    const char *path;
    uint64_t offset, len; /* in the recording; of a compressed one, in what it holds */
    bool compressed;
    uint64_t file_offset; /* of a compressed one: near where in the file */
    bool mended; /* the record is used all the same: see reader_config.mends */
    const char *what; /* is wrong */
};

/* How to read; shared by all readers, and outlives them. */
struct reader_config {
    size_t depth; /* records of read-ahead, >= 1 */
    int stop_fd;
    bool quiet; /* damage has been told of in an earlier round */
    struct playing *playing; /* how far it has come; NULL: nobody asks */
    struct books *books; /* records and damage are counted here */
    bool mends; /* a sound record whose separator alone is damaged is read */
    /* Optional: told of each damage when its end is known, before file_reader_next() returns with
     * what follows. May be called for damage that was seen before file_reader_park() again. */
    void (*on_damage)(void *arg, const struct reader_damage *damage);
    void *on_damage_arg;
};

struct reader_stats {
    uint64_t records, bytes; /* bytes of payload */
    uint64_t damaged, not_http;
    uint64_t out_of_order; /* records with a smaller timestamp than one before */
};

struct file_reader;

/* path is copied; "-" is standard input. Opens the file, to see that it can be read. 0 or -errno
 * with err filled. */
MUST_CHECK int file_reader_new(struct file_reader **rp, const char *path,
                               const struct reader_config *config, struct err *err);
void file_reader_free(struct file_reader *r);

/* Finds the next record. enum reader_result, or -errno with err filled: it cannot be read on. The
 * end is also where damage is told of, once per file. */
MUST_CHECK int file_reader_next(struct file_reader *r, struct err *err);

/* After READER_READY: the timestamp of the next record; that of the one before, or INT64_MIN, when
 * it has none. */
int64_t file_reader_key(const struct file_reader *r);
/* After READER_READY: the smallest timestamp of all that has been read ahead; INT64_MIN: none has
 * one. */
int64_t file_reader_first(const struct file_reader *r);
/* After READER_READY: the caller's alone from now on. */
struct msg *file_reader_take(struct file_reader *r);

/* Closes the file and forgets what was read ahead, until file_reader_next() opens it again at its
 * start: so that thousands of files can wait for their turn. Only before the first take; does
 * nothing for a pipe. */
void file_reader_park(struct file_reader *r);

/* Passes over records older than from_ns as far as an index tells where they end; what comes next
 * may still be older. Between two file_reader_next(), at any time. 0, or -errno with err filled. */
MUST_CHECK int file_reader_seek(struct file_reader *r, int64_t from_ns, struct err *err);

const struct reader_stats *file_reader_stats(const struct file_reader *r);
