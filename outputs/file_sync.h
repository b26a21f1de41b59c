/* SPDX-License-Identifier: MIT */
/* Brings files to the disk on a thread of its own, for --output-file-fsync interval: an fsync may
 * take seconds on a busy disk, and nobody waits for it. */
#pragma once

#include "lib/base.h"

enum file_fsync {
    FSYNC_NEVER = 0, /* the kernel chooses */
    FSYNC_INTERVAL, /* once per flush interval, and what was closed meanwhile */
    FSYNC_ALWAYS, /* after each write; delivered means on the disk */
};

struct file_sync;

/* 0 or -ENOMEM. Its thread begins with the first descriptor, and not while the program starts:
 * cmd/sandbox.h. */
MUST_CHECK int file_sync_new(struct file_sync **sp);
/* Waits until all is on the disk. NULL is fine. */
void file_sync_free(struct file_sync *s);

/* Takes fd, to be synced and closed. When very many wait already, it waits with them;
 * when there can be no thread, it does it itself. */
void file_sync_add(struct file_sync *s, int fd);
/* The errno of an fsync that failed since the last call; 0: none did. */
int file_sync_fault(struct file_sync *s);
