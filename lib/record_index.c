/* SPDX-License-Identifier: MIT */
#include "lib/record_index.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <zlib.h>

int index_path(char *out, const char *path)
{
    const char *slash = strrchr(path, '/');
    const char *base = slash ? slash + 1 : path;
    if (*base == '\0')
        return -ENOENT;
    int n = snprintf(out, PATH_MAX, "%.*s.%s.idx", (int)(base - path), path, base);
    return n < 0 || n >= PATH_MAX ? -ENAMETOOLONG : 0;
}

uint32_t index_check(struct span bytes)
{
    size_t len = bytes.len < INDEX_CHECKED ? bytes.len : INDEX_CHECKED;
    return (uint32_t)crc32(0, bytes.ptr, (uInt)len);
}

size_t index_format(char *out, const struct index_line *line)
{
    int n =
        snprintf(out, INDEX_LINE_MAX, "%" PRIu64 " %" PRIu64 " %" PRId64 " %" PRId64 " %08" PRIx32,
                 line->start, line->end, line->first_ns, line->last_ns, line->check);
    uint32_t crc = (uint32_t)crc32(0, (const Bytef *)out, (uInt)n);
    n += snprintf(out + n, INDEX_LINE_MAX - (size_t)n, " %08" PRIx32 "\n", crc);
    return (size_t)n;
}

bool index_parse(struct index_line *line, struct span text)
{
    char copy[INDEX_LINE_MAX], again[INDEX_LINE_MAX];
    struct index_line l;
    if (text.len + 2 > sizeof(copy))
        return false;
    memcpy(copy, text.ptr, text.len);
    copy[text.len] = '\0';
    /* NOLINTNEXTLINE(cert-err34-c): what does not come out the same again is refused */
    if (sscanf(copy, "%" SCNu64 " %" SCNu64 " %" SCNd64 " %" SCNd64 " %" SCNx32, &l.start, &l.end,
               &l.first_ns, &l.last_ns, &l.check) != 5)
        return false;
    size_t n = index_format(again, &l);
    if (n != text.len + 1 || memcmp(again, copy, text.len) != 0 || l.end <= l.start ||
        l.last_ns < l.first_ns)
        return false;
    *line = l;
    return true;
}
