/* SPDX-License-Identifier: MIT */
#include "capture/unpack.h"

#include <errno.h>
#include <zlib.h>
#if HAVE_ZSTD
#include <zstd.h>
#endif

#include "lib/mem.h"

#define OUT_BYTES (256 * KIB)
#define GZIP_WINDOW (15 + 16)
/* A frame may ask for so much memory: 32 MiB, which is more than zstd -19 needs. */
#define ZSTD_WINDOW_LOG 25

struct unpack {
    enum unpack_format format;
    bool full; /* the room for the last output was used up */
    z_stream zip;
    void *zstd; /* ZSTD_DCtx */
};

enum unpack_format unpack_magic(struct span bytes)
{
    static const uint8_t frame[] = {0x28, 0xb5, 0x2f, 0xfd}, skippable[] = {0x2a, 0x4d, 0x18};
    const uint8_t *p = bytes.ptr;
    if (bytes.len >= 2 && p[0] == 0x1f && p[1] == 0x8b)
        return UNPACK_GZIP;
    if (bytes.len >= 4 &&
        (memcmp(p, frame, 4) == 0 || ((p[0] & 0xf0) == 0x50 && memcmp(p + 1, skippable, 3) == 0)))
        return UNPACK_ZSTD;
    return UNPACK_NONE;
}

/* RFC 1952, 2.3: deflate, known flags, a level and a system that exist. RFC 8878, 3.1.1.1: no
 * reserved bit. */
bool unpack_is_header(enum unpack_format format, const uint8_t *p)
{
    if (unpack_magic(span_of(p, UNPACK_HEADER)) != format)
        return false;
    if (format == UNPACK_ZSTD)
        return p[0] == 0x28 && (p[4] & 0x08) == 0;
    return p[2] == Z_DEFLATED && (p[3] & 0xe0) == 0 && (p[8] == 0 || p[8] == 2 || p[8] == 4) &&
           (p[9] <= 13 || p[9] == 255);
}

/* --- gzip --- */

static int gzip_some(struct unpack *u, struct span bytes, size_t *used, struct buf *out)
{
    u->zip.next_in = (Bytef *)bytes.ptr;
    u->zip.avail_in = (uInt)bytes.len;
    u->zip.next_out = buf_tail(out);
    u->zip.avail_out = OUT_BYTES;
    int z = inflate(&u->zip, Z_NO_FLUSH);
    *used = bytes.len - u->zip.avail_in;
    u->full = u->zip.avail_out == 0;
    buf_commit(out, OUT_BYTES - u->zip.avail_out);
    if (z == Z_STREAM_END)
        return UNPACK_END;
    if (z == Z_MEM_ERROR)
        return -ENOMEM;
    return z == Z_OK || z == Z_BUF_ERROR ? UNPACK_MORE : UNPACK_BAD;
}

/* --- zstd --- */

#if HAVE_ZSTD
static int zstd_new(struct unpack *u)
{
    u->zstd = ZSTD_createDCtx();
    if (!u->zstd)
        return -ENOMEM;
    ZSTD_DCtx_setParameter(u->zstd, ZSTD_d_windowLogMax, ZSTD_WINDOW_LOG);
    return 0;
}

static void zstd_free(struct unpack *u)
{
    ZSTD_freeDCtx(u->zstd);
}

static void zstd_begin(struct unpack *u)
{
    ZSTD_DCtx_reset(u->zstd, ZSTD_reset_session_only);
}

static int zstd_some(struct unpack *u, struct span bytes, size_t *used, struct buf *out)
{
    ZSTD_inBuffer in = {.src = bytes.ptr, .size = bytes.len};
    ZSTD_outBuffer to = {.dst = buf_tail(out), .size = OUT_BYTES};
    size_t left = ZSTD_decompressStream(u->zstd, &to, &in);
    *used = in.pos;
    u->full = to.pos == to.size;
    buf_commit(out, to.pos);
    if (ZSTD_isError(left))
        return UNPACK_BAD;
    return left == 0 ? UNPACK_END : UNPACK_MORE;
}
#else
static int zstd_new(struct unpack *u)
{
    (void)u;
    return -ENOTSUP;
}

static void zstd_free(struct unpack *u)
{
    (void)u;
}

static void zstd_begin(struct unpack *u)
{
    (void)u;
}

static int zstd_some(struct unpack *u, struct span bytes, size_t *used, struct buf *out)
{
    (void)u;
    (void)bytes;
    (void)out;
    *used = 0;
    return -ENOTSUP;
}
#endif

int unpack_new(struct unpack **up, enum unpack_format format)
{
    assert(format != UNPACK_NONE);
    struct unpack *u = mem_zalloc(MEM_IO, sizeof(*u));
    if (!u)
        return -ENOMEM;
    u->format = format;
    int r = 0;
    if (format == UNPACK_ZSTD)
        r = zstd_new(u);
    else if (inflateInit2(&u->zip, GZIP_WINDOW) != Z_OK)
        r = -ENOMEM;
    if (r < 0) {
        mem_free(u);
        return r;
    }
    *up = u;
    return 0;
}

void unpack_free(struct unpack *u)
{
    if (!u)
        return;
    if (u->format == UNPACK_GZIP)
        inflateEnd(&u->zip);
    else
        zstd_free(u);
    mem_free(u);
}

bool unpack_has_more(const struct unpack *u)
{
    return u->full;
}

int unpack_begin(struct unpack *u)
{
    u->full = false;
    if (u->format == UNPACK_GZIP)
        return inflateReset(&u->zip) == Z_OK ? 0 : -ENOMEM;
    zstd_begin(u);
    return 0;
}

int unpack_some(struct unpack *u, struct span bytes, size_t *used, struct buf *out)
{
    int r = buf_reserve(out, OUT_BYTES);
    *used = 0;
    if (r < 0)
        return r;
    return u->format == UNPACK_GZIP ? gzip_some(u, bytes, used, out)
                                    : zstd_some(u, bytes, used, out);
}
