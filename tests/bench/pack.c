/* SPDX-License-Identifier: MIT */
/* What compressing a recording costs: `pack FILE` packs the bytes of FILE in pieces of 1 MiB, as
 * the file output does, at each level, for about a second of CPU each. Prints, tab-separated:
 *
 *     format  level  MB/s of records per CPU second (user and system of this thread)  ratio
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/clock.h"
#include "outputs/pack.h"

#define PIECE MIB
#define BUDGET_NS (NS_PER_S * 7 / 10)

static void fail(const char *what)
{
    perror(what);
    exit(1);
}

static struct span read_all(const char *path)
{
    FILE *f = fopen(path, "re");
    if (!f || fseek(f, 0, SEEK_END) != 0)
        fail(path);
    long len = ftell(f);
    uint8_t *bytes = len > 0 ? malloc((size_t)len) : NULL;
    rewind(f);
    if (!bytes || fread(bytes, 1, (size_t)len, f) != (size_t)len)
        fail(path);
    fclose(f);
    return span_of(bytes, (size_t)len);
}

static void measure(const char *name, enum pack_format format, int level, struct span all)
{
    struct packer *p = NULL;
    struct buf out;
    uint64_t in = 0, packed = 0;
    buf_init(&out, 64 * MIB);
    if (packer_new(&p, format, level) < 0)
        fail(name);
    int64_t start_ns = clock_read_ns(CLOCK_THREAD_CPUTIME_ID), ns = 0;
    for (size_t at = 0; ns < BUDGET_NS || at != 0;
         ns = clock_read_ns(CLOCK_THREAD_CPUTIME_ID) - start_ns) {
        size_t len = all.len - at < PIECE ? all.len - at : PIECE;
        if (packer_pack(p, span_of(all.ptr + at, len), &out) < 0)
            fail(name);
        in += len;
        packed += buf_span(&out).len;
        buf_consume(&out, buf_span(&out).len);
        at = at + len < all.len ? at + len : 0;
    }
    printf("%s\t%d\t%.0f\t%.2f\n", name, level, (double)in * 1000 / (double)ns,
           (double)in / (double)packed);
    packer_free(p);
    buf_fini(&out);
}

int main(int argc, char **argv)
{
    if (argc != 2) {
        fputs("usage: pack FILE\n", stderr);
        return 2;
    }
    struct span all = read_all(argv[1]);
    for (int level = 1; level <= 9; level++)
        measure("gzip", PACK_GZIP, level, all);
    for (int level = -5; level <= 9 && pack_is_built(PACK_ZSTD); level += level == -1 ? 2 : 1)
        measure("zstd", PACK_ZSTD, level, all);
    free((void *)all.ptr);
    return 0;
}
