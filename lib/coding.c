/* SPDX-License-Identifier: MIT */
#include "lib/coding.h"

#include <errno.h>
#include <zlib.h>
#if HAVE_BROTLI
#include <brotli/decode.h>
#endif

#include "lib/mem.h"

#define STEP (UINT32_C(64) * KIB) /* of output, before the bound is looked at */

bool coding_named(struct span name, enum coding *coding)
{
    static const struct {
        const char *name;
        enum coding coding;
    } known[] = {
        {"identity", CODING_IDENTITY},
        {"gzip", CODING_GZIP},
        {"x-gzip", CODING_GZIP},
        {"deflate", CODING_DEFLATE},
#if HAVE_BROTLI
        {"br", CODING_BROTLI},
#endif
    };
    for (size_t i = 0; i < ARRAY_LEN(known); i++) {
        if (!span_eq_nocase(name, span_str(known[i].name)))
            continue;
        *coding = known[i].coding;
        return true;
    }
    return false;
}

/* At least one byte of room, at most STEP: a buffer grows to its bound only when that is used. */
static int more_room(struct buf *out)
{
    if (buf_room(out) > 0)
        return 0;
    size_t left = out->max - buf_span(out).len;
    return buf_reserve(out, left == 0 || left > STEP ? STEP : left);
}

/* --- zlib --- */

#define WINDOW_ZLIB 15
#define WINDOW_GZIP (15 + 16)
#define WINDOW_RAW (-15)

static voidpf zip_alloc(voidpf unused, uInt n, uInt size)
{
    (void)unused;
    return n > 0 && size > 0 && size <= SIZE_MAX / n ? mem_alloc(MEM_OTHER, (size_t)n * size)
                                                     : NULL;
}

static void zip_free(voidpf unused, voidpf ptr)
{
    (void)unused;
    mem_free(ptr);
}

/* Until the stream ends: 0 with what is left in zip->avail_in. */
static int inflate_all(z_stream *zip, struct buf *out)
{
    for (;;) {
        int r = more_room(out);
        if (r < 0)
            return r;
        size_t room = buf_room(out) < STEP ? buf_room(out) : STEP;
        zip->next_out = buf_tail(out);
        zip->avail_out = (uInt)room;
        int z = inflate(zip, Z_NO_FLUSH);
        buf_commit(out, room - zip->avail_out);
        if (z == Z_STREAM_END)
            return 0;
        if (z == Z_MEM_ERROR)
            return -ENOMEM;
        if (z != Z_OK || (zip->avail_in == 0 && zip->avail_out > 0))
            return -EBADMSG;
    }
}

/* gzip: one member after the other (RFC 1952, 2.2). */
static int unzip(int window, struct span coded, struct buf *out)
{
    z_stream zip = {.zalloc = zip_alloc, .zfree = zip_free};
    if (coded.len > UINT32_MAX)
        return -EBADMSG;
    /* zlib does not write there, and its type says const only if it is built so */
    zip.next_in = (z_const Bytef *)coded.ptr;
    zip.avail_in = (uInt)coded.len;
    if (inflateInit2(&zip, window) != Z_OK)
        return -ENOMEM;
    int r = inflate_all(&zip, out);
    while (r == 0 && zip.avail_in > 0 && window == WINDOW_GZIP)
        r = inflateReset(&zip) == Z_OK ? inflate_all(&zip, out) : -EBADMSG;
    if (r == 0 && zip.avail_in > 0)
        r = -EBADMSG;
    (void)inflateEnd(&zip);
    return r;
}

static int undo_deflate(struct span coded, struct buf *out)
{
    size_t before = buf_span(out).len;
    int r = unzip(WINDOW_ZLIB, coded, out);
    /* zlib's frame is two bytes, whose check nearly always fails where there is none */
    if (r == -EBADMSG && buf_span(out).len == before)
        r = unzip(WINDOW_RAW, coded, out);
    return r;
}

/* --- brotli --- */

#if HAVE_BROTLI
static void *brotli_alloc(void *unused, size_t size)
{
    (void)unused;
    return mem_alloc(MEM_OTHER, size);
}

static void brotli_free(void *unused, void *ptr)
{
    (void)unused;
    mem_free(ptr);
}

static int brotli_all(BrotliDecoderState *state, struct span coded, struct buf *out)
{
    const uint8_t *in = coded.ptr;
    size_t in_left = coded.len;
    for (;;) {
        int r = more_room(out);
        if (r < 0)
            return r;
        uint8_t *at = buf_tail(out);
        size_t room = buf_room(out) < STEP ? buf_room(out) : STEP, left = room;
        BrotliDecoderResult result =
            BrotliDecoderDecompressStream(state, &in_left, &in, &left, &at, NULL);
        buf_commit(out, room - left);
        if (result == BROTLI_DECODER_RESULT_SUCCESS)
            return in_left == 0 ? 0 : -EBADMSG;
        if (result != BROTLI_DECODER_RESULT_NEEDS_MORE_OUTPUT)
            return -EBADMSG;
    }
}

static int undo_brotli(struct span coded, struct buf *out)
{
    BrotliDecoderState *state = BrotliDecoderCreateInstance(brotli_alloc, brotli_free, NULL);
    if (!state)
        return -ENOMEM;
    int r = brotli_all(state, coded, out);
    BrotliDecoderDestroyInstance(state);
    return r;
}
#endif

int coding_undo(enum coding coding, struct span coded, struct buf *out)
{
    switch (coding) {
    case CODING_IDENTITY:
        return buf_append(out, coded.ptr, coded.len);
    case CODING_GZIP:
        return unzip(WINDOW_GZIP, coded, out);
    case CODING_DEFLATE:
        return undo_deflate(coded, out);
    case CODING_BROTLI:
#if HAVE_BROTLI
        return undo_brotli(coded, out);
#endif
        break;
    }
    return -EBADMSG;
}
