/* SPDX-License-Identifier: MIT */
/* CRC32 as zlib's crc32() has it, which stands in every record: several times faster where the
 * processor multiplies polynomials. Any thread. */
#pragma once

#include "lib/base.h"

/* Of the bytes summed up in crc so far (0: none) and of these. */
uint32_t crc32_add(uint32_t crc, const void *bytes, size_t n);
