/* SPDX-License-Identifier: MIT */
/* The ZSTD frames of a relay: whole DATA frames, packed together. Memory is bounded by
 * RELAY_PACKED_MAX on both sides, whatever a frame says of itself. Owned by one thread. */
#pragma once

#include "lib/base.h"
#include "lib/relay_frame.h"
#include "lib/span.h"

/* Built with libzstd? */
bool relay_pack_is_built(void);

struct relay_packer;
/* 0, -ENOMEM, or -ENOTSUP: not built. */
MUST_CHECK int relay_packer_new(struct relay_packer **pp);
void relay_packer_free(struct relay_packer *p);
/* The ZSTD frame of these DATA frames; empty when they are not worth it. Valid until the next
 * call. */
struct span relay_pack(struct relay_packer *p, struct span frames);

struct relay_unpacker;
MUST_CHECK int relay_unpacker_new(struct relay_unpacker **up);
void relay_unpacker_free(struct relay_unpacker *u);
/* What the body of the ZSTD frame with that head holds; empty: it does not hold that. Valid until
 * the next call. */
struct span relay_unpack(struct relay_unpacker *u, const struct relay_head *h, struct span body);
