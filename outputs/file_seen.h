/* SPDX-License-Identifier: MIT */
/* Which messages of relays (msg.stream) an --output-file has written, also by an earlier run that
 * was killed: a relay hands over again what it does not know to have arrived, and it must not be in
 * the recording twice. Each such record names its message in its header line, so the recording
 * itself knows; a small file beside it (".NAME.relay") says what was in there when a file was last
 * begun, or some megabytes ago, and what came since is read from the recordings at the start.
 * Owned by the output's thread. */
#pragma once

#include "lib/base.h"
#include "lib/msg.h"

struct file_seen;

/* A file that is being written, all of whose records are in the file system. */
struct file_seen_place {
    const char *path;
    uint64_t len;
};

/* pattern: the value of --output-file. Reads what an earlier run left. 0, -ENOENT: there is
 * nothing, and create is false; or another -errno. */
MUST_CHECK int file_seen_open(struct file_seen **fp, const char *pattern, bool create);
void file_seen_free(struct file_seen *f);

bool file_seen_has(struct file_seen *f, const struct msg *msg);
/* msg is in a file, or will be with its next flush. False: no memory; it may be written twice. */
bool file_seen_add(struct file_seen *f, const struct msg *msg);

/* Everything that was added is in the files up to here; records that follow stand behind these n
 * places. 0 or -errno: then the earlier save holds. */
MUST_CHECK int file_seen_save(struct file_seen *f, const struct file_seen_place *places, size_t n);
