/* SPDX-License-Identifier: MIT */
/* Many recordings as one timeline: records come in the order in which they are due, those due
 * together in the order of their timestamps, then of the recordings. Each recording has a speed of
 * its own; all count from the first timestamp of all. Only as many files are open as overlap in
 * time, beside a few. Owned by one thread. */
#pragma once

#include "capture/file_reader.h"

struct merge;

/* config is borrowed and outlives the merge. */
MUST_CHECK int merge_new(struct merge **mp, const struct reader_config *config);
void merge_free(struct merge *m);

/* Adds a recording that is played at percent of its speed. Before the first merge_next(). 0, or
 * -errno with err filled. */
MUST_CHECK int merge_add(struct merge *m, const char *path, double percent, struct err *err);

/* Finds the next record. enum reader_result (WAIT also after a part of many files has been looked
 * at: call again), or -errno with err filled. READY: *offset_ns after the first one it is due. */
MUST_CHECK int merge_next(struct merge *m, int64_t *offset_ns, struct err *err);
/* After READER_READY: the caller's alone from now on. */
struct msg *merge_take(struct merge *m);

/* Passes over what is older than from_ns (see file_reader_seek). After merge_next() has said READY,
 * and what it found was taken. 0, or -errno with err filled. */
MUST_CHECK int merge_seek(struct merge *m, int64_t from_ns, struct err *err);

/* Sums over all recordings. */
struct reader_stats merge_stats(const struct merge *m);
size_t merge_n_files(const struct merge *m);
