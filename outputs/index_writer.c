/* SPDX-License-Identifier: MIT */
#include "outputs/index_writer.h"

#include <fcntl.h>
#include <unistd.h>

void index_writer_init(struct index_writer *w, const char *path, uint64_t size, bool packed)
{
    w->fd = -1;
    w->fresh = size == 0;
    w->stretch = packed ? INDEX_STRETCH_PACKED : INDEX_STRETCH;
    w->line = (struct index_line){.start = size, .end = size};
    if (index_path(w->path, path) < 0)
        w->path[0] = '\0';
}

/* A recording that was there is indexed further only if it was before. */
static bool is_open(struct index_writer *w)
{
    int flags = O_WRONLY | O_APPEND | O_NOFOLLOW | O_CLOEXEC | O_NOCTTY;
    if (w->fd == -1 && w->path[0])
        w->fd = open(w->path, w->fresh ? flags | O_CREAT | O_TRUNC : flags, 0600);
    if (w->fd == -1)
        w->path[0] = '\0';
    w->fresh = false;
    return w->fd != -1;
}

static void put_line(struct index_writer *w)
{
    char text[INDEX_LINE_MAX];
    size_t len = index_format(text, &w->line);
    if (is_open(w) && write(w->fd, text, len) != (ssize_t)len) {
        close(w->fd);
        w->fd = -1;
        w->path[0] = '\0';
    }
    w->line.start = w->line.end;
}

void index_writer_add(struct index_writer *w, uint64_t at, struct span bytes, int64_t first_ns,
                      int64_t last_ns)
{
    struct index_line *l = &w->line;
    if (!w->path[0] || bytes.len == 0 || first_ns > last_ns)
        return;
    if (l->end != at || l->end == l->start) {
        /* a place that was passed over is what a reader looks at again */
        *l = (struct index_line){.start = l->end == at ? l->start : at,
                                 .first_ns = first_ns,
                                 .last_ns = last_ns,
                                 .check = index_check(bytes)};
    }
    l->end = at + bytes.len;
    l->first_ns = first_ns < l->first_ns ? first_ns : l->first_ns;
    l->last_ns = last_ns > l->last_ns ? last_ns : l->last_ns;
    if (l->end - l->start >= w->stretch)
        put_line(w);
}

void index_writer_fini(struct index_writer *w)
{
    if (w->fd != -1 && w->line.end > w->line.start)
        put_line(w);
    if (w->fd != -1)
        close(w->fd);
    w->fd = -1;
    w->path[0] = '\0';
}
