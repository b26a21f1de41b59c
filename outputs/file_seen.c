/* SPDX-License-Identifier: MIT */
#include "outputs/file_seen.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include "lib/buf.h"
#include "lib/mem.h"
#include "lib/seen.h"
#include "outputs/file_scan.h"

#define MAGIC "refrain-seen/1\n"
#define MAX_BYTES (16 * MIB)

/* The file's beginning; n_places times a struct place and a path follow, then what seen_save()
 * made. In the machine's own byte order: it does not travel. */
struct head {
    char magic[16];
    uint32_t crc; /* of all behind it */
    uint32_t n_places;
};

struct place {
    uint64_t len;
    uint64_t path_len;
};

struct file_seen {
    struct seen *seen;
    char path[PATH_MAX];
};

/* "/a/b-%Y/c.gor" -> "/a/.b-_Y_c.gor.relay": the folder that is always there. */
static int path_beside(char out[PATH_MAX], const char *pattern)
{
    size_t fixed = strcspn(pattern, "%");
    while (fixed > 0 && pattern[fixed - 1] != '/')
        fixed--;
    int n = snprintf(out, PATH_MAX, "%.*s.%s.relay", (int)fixed, pattern, pattern + fixed);
    if (n >= PATH_MAX - 4)
        return -ENAMETOOLONG;
    for (char *p = out + fixed; *p; p++)
        if (*p == '/' || *p == '%')
            *p = '_';
    return 0;
}

void file_seen_free(struct file_seen *f)
{
    if (!f)
        return;
    seen_free(f->seen);
    mem_free(f);
}

static int read_all(const char *path, struct buf *into)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NOCTTY);
    ssize_t n = 1;
    int r = fd == -1 ? -errno : 0;
    while (r == 0 && n != 0) {
        r = buf_reserve(into, 64 * KIB);
        n = r == 0 ? read(fd, buf_tail(into), buf_room(into)) : 0;
        if (n > 0)
            buf_commit(into, (size_t)n);
        else if (n == -1)
            r = -errno;
    }
    if (fd != -1)
        close(fd);
    return r;
}

static void note_found(void *arg, uint64_t stream, uint64_t number)
{
    (void)seen_add(arg, stream, number);
}

/* Takes the saved state apart, then looks at what was recorded behind it. */
static int restore(struct file_seen *f, struct span bytes)
{
    struct head head;
    if (bytes.len < sizeof(head))
        return -EINVAL;
    memcpy(&head, bytes.ptr, sizeof(head));
    bytes = span_from(bytes, sizeof(head));
    if (memcmp(head.magic, MAGIC, sizeof(MAGIC)) != 0 ||
        head.crc != (uint32_t)crc32_z(0, bytes.ptr, bytes.len))
        return -EINVAL;
    struct span places = bytes;
    for (uint32_t i = 0; i < head.n_places; i++) {
        struct place place;
        if (bytes.len < sizeof(place))
            return -EINVAL;
        memcpy(&place, bytes.ptr, sizeof(place));
        bytes = span_from(bytes, sizeof(place));
        if (place.path_len >= PATH_MAX || place.path_len > bytes.len)
            return -EINVAL;
        bytes = span_from(bytes, place.path_len);
    }
    int r = seen_load(f->seen, bytes);
    for (uint32_t i = 0; i < head.n_places && r == 0; i++) {
        struct place place;
        char path[PATH_MAX] = "";
        memcpy(&place, places.ptr, sizeof(place));
        memcpy(path, places.ptr + sizeof(place), place.path_len);
        places = span_from(places, sizeof(place) + place.path_len);
        r = file_scan(path, place.len, note_found, f->seen);
        if (r == -ENOENT) /* moved away, with what is in it */
            r = 0;
    }
    return r;
}

int file_seen_open(struct file_seen **fp, const char *pattern, bool create)
{
    struct buf bytes;
    struct file_seen *f = mem_zalloc(MEM_IO, sizeof(*f));
    if (!f)
        return -ENOMEM;
    buf_init(&bytes, MAX_BYTES);
    int r = path_beside(f->path, pattern);
    if (r == 0)
        r = seen_new(&f->seen);
    if (r == 0)
        r = read_all(f->path, &bytes);
    if (r == 0)
        r = restore(f, buf_span(&bytes));
    if (create && (r == -ENOENT || r == -EINVAL))
        r = 0;
    buf_fini(&bytes);
    if (r < 0) {
        file_seen_free(f);
        return r;
    }
    *fp = f;
    return 0;
}

bool file_seen_has(struct file_seen *f, const struct msg *msg)
{
    return seen_has(f->seen, msg->stream, msg->number);
}

bool file_seen_add(struct file_seen *f, const struct msg *msg)
{
    return seen_add(f->seen, msg->stream, msg->number);
}

static int compose(const struct file_seen *f, const struct file_seen_place *places, size_t n,
                   struct buf *out)
{
    struct head head = {.magic = MAGIC, .n_places = (uint32_t)n};
    int r = buf_append(out, &head, sizeof(head));
    for (size_t i = 0; i < n && r == 0; i++) {
        struct place place = {.len = places[i].len, .path_len = strlen(places[i].path)};
        r = buf_append(out, &place, sizeof(place));
        if (r == 0)
            r = buf_append(out, places[i].path, place.path_len);
    }
    if (r == 0)
        r = seen_save(f->seen, out);
    if (r < 0)
        return r;
    struct span rest = span_from(buf_span(out), sizeof(head));
    head.crc = (uint32_t)crc32_z(0, rest.ptr, rest.len);
    memcpy(out->data + out->start, &head, sizeof(head));
    return 0;
}

static int replace(const char *path, struct span bytes)
{
    char fresh[PATH_MAX];
    snprintf(fresh, sizeof(fresh), "%.*s.new", PATH_MAX - 5, path);
    if (unlink(fresh) == -1 && errno != ENOENT)
        return -errno;
    int fd = open(fresh, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd == -1)
        return -errno;
    ssize_t n = write(fd, bytes.ptr, bytes.len);
    int r = n == (ssize_t)bytes.len ? 0 : n == -1 ? -errno : -ENOSPC;
    if (close(fd) == -1 && r == 0)
        r = -errno;
    if (r == 0 && rename(fresh, path) == -1)
        r = -errno;
    if (r < 0)
        (void)unlink(fresh);
    return r;
}

int file_seen_save(struct file_seen *f, const struct file_seen_place *places, size_t n)
{
    struct buf bytes;
    buf_init(&bytes, MAX_BYTES);
    int r = compose(f, places, n, &bytes);
    if (r == 0)
        r = replace(f->path, buf_span(&bytes));
    buf_fini(&bytes);
    return r;
}
