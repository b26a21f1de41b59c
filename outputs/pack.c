/* SPDX-License-Identifier: MIT */
#include "outputs/pack.h"

#include <errno.h>
#include <limits.h>
#include <string.h>
#include <zlib.h>
#if HAVE_ZSTD
#include <zstd.h>
#endif

#include "lib/mem.h"

#define STEP_BYTES (256 * KIB)
/* tests/bench/pack on 9.7 MB of real records (2 cores of a shared machine, zlib 1.2.13): levels 1
 * to 3 pack 86, 83, 80 MB/s of CPU to a ratio of 1.70, 1.71, 1.72; 4 only 72 (1.74), 6 only 58
 * (1.75). Requests alone: 147, 143, 138 MB/s at 3.02 to 3.04, then 116 (3.10) and 100 (3.14). */
#define GZIP_LEVEL 2
#define GZIP_WINDOW (15 + 16) /* with gzip header and trailer */
/* The same: levels 1 and 3 pack 855 and 565 MB/s to 1.77 and 1.80; requests alone 1217 (3.13) and
 * 872 (3.14). */
#define ZSTD_LEVEL 1

struct packer {
    enum pack_format format;
    z_stream zip; /* when gzip */
    void *zstd; /* ZSTD_CCtx, when zstd */
};

enum pack_format pack_format_of(const char *path)
{
    size_t len = strlen(path);
    if (len >= 3 && strcasecmp(path + len - 3, ".gz") == 0)
        return PACK_GZIP;
    if (len >= 4 && strcasecmp(path + len - 4, ".zst") == 0)
        return PACK_ZSTD;
    return PACK_NONE;
}

bool pack_is_built(enum pack_format format)
{
    return format != PACK_ZSTD || HAVE_ZSTD;
}

/* --- gzip --- */

static int gzip_new(struct packer *p, int level)
{
    int z = deflateInit2(&p->zip, level ? level : GZIP_LEVEL, Z_DEFLATED, GZIP_WINDOW, 8,
                         Z_DEFAULT_STRATEGY);
    return z == Z_OK ? 0 : -ENOMEM;
}

static int gzip_pack(struct packer *p, struct span bytes, struct buf *out)
{
    int z = Z_OK;
    deflateReset(&p->zip);
    while (z != Z_STREAM_END) {
        int r = buf_reserve(out, STEP_BYTES);
        if (r < 0)
            return r;
        uInt in = bytes.len < UINT_MAX ? (uInt)bytes.len : UINT_MAX;
        p->zip.next_in = (Bytef *)bytes.ptr;
        p->zip.avail_in = in;
        p->zip.next_out = buf_tail(out);
        p->zip.avail_out = STEP_BYTES;
        z = deflate(&p->zip, in == bytes.len ? Z_FINISH : Z_NO_FLUSH);
        assert(z == Z_OK || z == Z_STREAM_END);
        bytes = span_from(bytes, in - p->zip.avail_in);
        buf_commit(out, STEP_BYTES - p->zip.avail_out);
    }
    return 0;
}

/* --- zstd --- */

#if HAVE_ZSTD
static int zstd_new(struct packer *p, int level)
{
    p->zstd = ZSTD_createCCtx();
    if (!p->zstd)
        return -ENOMEM;
    ZSTD_CCtx_setParameter(p->zstd, ZSTD_c_compressionLevel, level ? level : ZSTD_LEVEL);
    ZSTD_CCtx_setParameter(p->zstd, ZSTD_c_checksumFlag, 1);
    return 0;
}

static void zstd_free(struct packer *p)
{
    ZSTD_freeCCtx(p->zstd);
}

/* The frame says how long its content is, so that a decoder can do with so much memory. */
static int zstd_pack(struct packer *p, struct span bytes, struct buf *out)
{
    ZSTD_inBuffer in = {.src = bytes.ptr, .size = bytes.len};
    size_t left = 1;
    ZSTD_CCtx_reset(p->zstd, ZSTD_reset_session_only);
    ZSTD_CCtx_setPledgedSrcSize(p->zstd, bytes.len);
    while (left != 0) {
        int r = buf_reserve(out, STEP_BYTES);
        if (r < 0)
            return r;
        ZSTD_outBuffer to = {.dst = buf_tail(out), .size = STEP_BYTES};
        left = ZSTD_compressStream2(p->zstd, &to, &in, ZSTD_e_end);
        if (ZSTD_isError(left))
            return -ENOMEM; /* nothing else can go wrong: bytes are what was pledged */
        buf_commit(out, to.pos);
    }
    return 0;
}
#else
static int zstd_new(struct packer *p, int level)
{
    (void)p;
    (void)level;
    return -ENOTSUP;
}

static void zstd_free(struct packer *p)
{
    (void)p;
}

static int zstd_pack(struct packer *p, struct span bytes, struct buf *out)
{
    (void)p;
    (void)bytes;
    (void)out;
    return -ENOTSUP;
}
#endif

int packer_new(struct packer **pp, enum pack_format format, int level)
{
    assert(format != PACK_NONE);
    struct packer *p = mem_zalloc(MEM_IO, sizeof(*p));
    if (!p)
        return -ENOMEM;
    p->format = format;
    int r = format == PACK_GZIP ? gzip_new(p, level) : zstd_new(p, level);
    if (r < 0) {
        mem_free(p);
        return r;
    }
    *pp = p;
    return 0;
}

void packer_free(struct packer *p)
{
    if (!p)
        return;
    if (p->format == PACK_GZIP)
        deflateEnd(&p->zip);
    else
        zstd_free(p);
    mem_free(p);
}

int packer_pack(struct packer *p, struct span bytes, struct buf *out)
{
    return p->format == PACK_GZIP ? gzip_pack(p, bytes, out) : zstd_pack(p, bytes, out);
}
