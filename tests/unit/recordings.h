/* SPDX-License-Identifier: MIT */
/* What stands in recordings, as tests want to know it. */
#pragma once

#include "lib/base.h"

/* "/0 /1 /2": the request targets of name's records in order (of others the payload's type), to be
 * freed with free(). *damaged may be NULL. Aborts when the file cannot be read. */
char *recording_targets(const char *name, uint64_t *damaged);
size_t recording_count(const char *name);
