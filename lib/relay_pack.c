/* SPDX-License-Identifier: MIT */
#include "lib/relay_pack.h"

#include <errno.h>
#if HAVE_ZSTD
#include <zstd.h>
#endif

#include "lib/mem.h"

/* As for recordings: outputs/pack.c has the measurements. */
#define LEVEL 1
/* Less is not worth a frame of its own. */
#define PACK_MIN 256

struct relay_packer {
    void *zstd; /* ZSTD_CCtx */
    uint8_t out[RELAY_HEAD_LEN + RELAY_PACKED_MAX];
};

struct relay_unpacker {
    void *zstd; /* ZSTD_DCtx */
    uint8_t out[RELAY_PACKED_MAX];
};

bool relay_pack_is_built(void)
{
    return HAVE_ZSTD;
}

#if HAVE_ZSTD
static void *packer_zstd(void)
{
    return ZSTD_createCCtx();
}

static void packer_end(void *zstd)
{
    ZSTD_freeCCtx(zstd);
}

/* 0: it does not fit. */
static size_t pack(void *zstd, uint8_t *out, size_t room, struct span in)
{
    size_t n = ZSTD_compressCCtx(zstd, out, room, in.ptr, in.len, LEVEL);
    return ZSTD_isError(n) ? 0 : n;
}

static void *unpacker_zstd(void)
{
    return ZSTD_createDCtx();
}

static void unpacker_end(void *zstd)
{
    ZSTD_freeDCtx(zstd);
}

/* Straight into out: no window is allocated. */
static bool unpack(void *zstd, uint8_t *out, size_t len, struct span in)
{
    return ZSTD_decompressDCtx(zstd, out, len, in.ptr, in.len) == len;
}
#else
static void *packer_zstd(void)
{
    return NULL;
}

static void packer_end(void *zstd)
{
    (void)zstd;
}

static size_t pack(void *zstd, uint8_t *out, size_t room, struct span in)
{
    (void)zstd, (void)out, (void)room, (void)in;
    return 0;
}

static void *unpacker_zstd(void)
{
    return NULL;
}

static void unpacker_end(void *zstd)
{
    (void)zstd;
}

static bool unpack(void *zstd, uint8_t *out, size_t len, struct span in)
{
    (void)zstd, (void)out, (void)len, (void)in;
    return false;
}
#endif

int relay_packer_new(struct relay_packer **pp)
{
    struct relay_packer *p = mem_zalloc(MEM_IO, sizeof(*p));
    if (!p || !(p->zstd = packer_zstd())) {
        mem_free(p);
        return relay_pack_is_built() ? -ENOMEM : -ENOTSUP;
    }
    *pp = p;
    return 0;
}

void relay_packer_free(struct relay_packer *p)
{
    if (!p)
        return;
    packer_end(p->zstd);
    mem_free(p);
}

struct span relay_pack(struct relay_packer *p, struct span frames)
{
    if (frames.len < PACK_MIN || frames.len > RELAY_PACKED_MAX)
        return span_of(NULL, 0);
    size_t n = pack(p->zstd, p->out + RELAY_HEAD_LEN, RELAY_PACKED_MAX, frames);
    if (n == 0 || n >= frames.len)
        return span_of(NULL, 0);
    struct relay_head h = {.type = RELAY_ZSTD, .body_len = (uint32_t)n, .number = frames.len};
    relay_head_put(p->out, &h, span_of(NULL, 0));
    return span_of(p->out, relay_frame_len(&h));
}

int relay_unpacker_new(struct relay_unpacker **up)
{
    struct relay_unpacker *u = mem_zalloc(MEM_IO, sizeof(*u));
    if (!u || !(u->zstd = unpacker_zstd())) {
        mem_free(u);
        return relay_pack_is_built() ? -ENOMEM : -ENOTSUP;
    }
    *up = u;
    return 0;
}

void relay_unpacker_free(struct relay_unpacker *u)
{
    if (!u)
        return;
    unpacker_end(u->zstd);
    mem_free(u);
}

struct span relay_unpack(struct relay_unpacker *u, const struct relay_head *h, struct span body)
{
    assert(h->type == RELAY_ZSTD && h->number <= RELAY_PACKED_MAX);
    if (!unpack(u->zstd, u->out, (size_t)h->number, body))
        return span_of(NULL, 0);
    return span_of(u->out, (size_t)h->number);
}
