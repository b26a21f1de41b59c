/* SPDX-License-Identifier: MIT */
/* The recordings that a tool was given, read one after the other, or as one timeline. All are
 * opened before the first is read, so that a wrong name is told before anything is written; only a
 * few stay open. Owned by one thread. */
#pragma once

#include "capture/file_reader.h"
#include "tools/tool.h"

enum recordings_order {
    RECORDINGS_IN_TURN = 0, /* each as it stands in its file */
    RECORDINGS_BY_TIME = 1, /* all by their timestamps */
};

struct recordings;

/* How they are read; on_damage as in capture/file_reader.h, may be NULL. */
struct recordings_config {
    enum recordings_order order;
    size_t depth; /* records of read-ahead, by time */
    bool mends; /* see reader_config */
    void (*on_damage)(void *arg, const struct reader_damage *damage);
    void *on_damage_arg;
};

MUST_CHECK int recordings_new(struct recordings **rp, const struct recordings_config *config,
                              struct err *err);
void recordings_free(struct recordings *r);

/* Adds one file; "-" is standard input. Before the first recordings_next(). */
MUST_CHECK int recordings_add(struct recordings *r, const char *path, struct err *err);
/* Adds all files that --input-file, or the bare words, stand for. None is an error. */
MUST_CHECK int recordings_add_all(struct recordings *r, const struct tool_args *args,
                                  struct err *err);

/* READER_READY with *msg, which is the caller's alone; READER_END; or -errno with err filled. */
MUST_CHECK int recordings_next(struct recordings *r, struct msg **msg, struct err *err);

/* Sums over all recordings so far. damaged counts what was mended too. */
struct reader_stats recordings_stats(const struct recordings *r);

/* What stands in --input-file, to be asked for before reading: the files of value n. Errors name
 * the file, and not the option. list is to be freed. */
struct file_list;
MUST_CHECK int recordings_list(struct file_list *list, const char *pattern, struct err *err);
/* An error of capture/ names --input-file; here names stand for themselves. */
void recordings_name(struct err *err);
