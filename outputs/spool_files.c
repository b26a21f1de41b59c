/* SPDX-License-Identifier: MIT */
#include "outputs/spool_files.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/clock.h"
#include "lib/mem.h"

#define SUFFIX ".frames"
#define DIGITS 20
#define NAME_SIZE (DIGITS + sizeof(SUFFIX))
#define SYNC_NS NS_PER_S
#define FLAGS (O_CLOEXEC | O_NOFOLLOW | O_NOCTTY)

static int make_folders(const char *folder)
{
    char path[PATH_MAX];
    int n = snprintf(path, sizeof(path), "%s", folder);
    if (n >= PATH_MAX)
        return -ENAMETOOLONG;
    for (char *p = path + 1; *p; p++) {
        if (*p != '/')
            continue;
        *p = '\0';
        if (mkdir(path, 0700) == -1 && errno != EEXIST)
            return -errno;
        *p = '/';
    }
    return mkdir(path, 0700) == -1 && errno != EEXIST ? -errno : 0;
}

static int open_all(struct spool_files *f, const char *folder)
{
    int r = make_folders(folder);
    if (r < 0)
        return r;
    f->dir = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    if (f->dir == -1)
        return -errno;
    f->lock = openat(f->dir, "lock", O_RDWR | O_CREAT | FLAGS, 0600);
    if (f->lock == -1)
        return -errno;
    if (flock(f->lock, LOCK_EX | LOCK_NB) == -1)
        return errno == EWOULDBLOCK ? -EBUSY : -errno;
    f->position = openat(f->dir, "position", O_RDWR | O_CREAT | FLAGS, 0600);
    return f->position == -1 ? -errno : 0;
}

int spool_files_open(struct spool_files *f, const char *folder, struct err *err)
{
    *f = (struct spool_files){.dir = -1, .lock = -1, .position = -1, .next = 1};
    int r = open_all(f, folder);
    if (r == 0)
        return 0;
    spool_files_close(f, folder, false);
    if (r == -EBUSY)
        return err_failure(err,
                           "--output-tcp-spool: %s: another output or process uses it: give each "
                           "its own folder",
                           folder);
    return err_sys(err, -r, "--output-tcp-spool: %s", folder);
}

void spool_files_close(struct spool_files *f, const char *folder, bool empty)
{
    if (empty && f->dir != -1) {
        (void)unlinkat(f->dir, "position", 0);
        (void)unlinkat(f->dir, "lock", 0);
        (void)rmdir(folder);
    }
    int fds[] = {f->position, f->lock, f->dir};
    for (size_t i = 0; i < sizeof(fds) / sizeof(fds[0]); i++)
        if (fds[i] != -1)
            close(fds[i]);
    f->dir = f->lock = f->position = -1;
}

static bool parse_name(const char *name, uint64_t *number)
{
    char *end;
    if (strlen(name) != NAME_SIZE - 1 || strcmp(name + DIGITS, SUFFIX) != 0 ||
        strspn(name, "0123456789") != DIGITS)
        return false;
    errno = 0;
    *number = strtoull(name, &end, 10);
    return errno == 0 && *number > 0 && *number < UINT64_MAX;
}

static int by_number(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

int64_t spool_files_list(struct spool_files *f, uint64_t **numbers)
{
    size_t n = 0;
    int fd = openat(f->dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = fd == -1 ? NULL : fdopendir(fd);
    uint64_t *list = dir ? mem_alloc(MEM_IO, SPOOL_FILES_MAX * sizeof(*list)) : NULL;
    if (!list) {
        int errnum = dir ? ENOMEM : errno;
        if (dir)
            closedir(dir);
        else if (fd != -1)
            close(fd);
        return -errnum;
    }
    while (n < SPOOL_FILES_MAX) {
        /* NOLINTNEXTLINE(concurrency-mt-unsafe): dir is ours alone */
        const struct dirent *e = readdir(dir);
        if (!e)
            break;
        n += parse_name(e->d_name, &list[n]);
    }
    closedir(dir);
    qsort(list, n, sizeof(*list), by_number);
    if (n > 0)
        f->next = list[n - 1] + 1;
    *numbers = list;
    return (int64_t)n;
}

static void name_of(char *out, uint64_t number)
{
    snprintf(out, NAME_SIZE, "%0*" PRIu64 SUFFIX, DIGITS, number);
}

int spool_files_new(struct spool_files *f)
{
    char name[NAME_SIZE];
    name_of(name, f->next);
    int fd = openat(f->dir, name, O_WRONLY | O_APPEND | O_CREAT | O_EXCL | FLAGS, 0600);
    if (fd == -1)
        return -errno;
    f->next++;
    int dir = f->sync ? openat(f->dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
    if (dir != -1)
        file_sync_add(f->sync, dir); /* its name */
    return fd;
}

int spool_files_append(int *fd, struct span bytes, uint64_t len)
{
    while (bytes.len > 0) {
        ssize_t n = write(*fd, bytes.ptr, bytes.len);
        if (n == -1 && errno == EINTR)
            continue;
        if (n <= 0) {
            int errnum = n == 0 ? ENOSPC : errno;
            if (ftruncate(*fd, (off_t)len) == -1) {
                close(*fd);
                *fd = -1;
            }
            return -errnum;
        }
        bytes = span_from(bytes, (size_t)n);
    }
    return 0;
}

void spool_files_done(struct spool_files *f, int fd)
{
    if (f->sync)
        file_sync_add(f->sync, fd);
    else
        close(fd);
}

bool spool_files_sync(struct spool_files *f, int fd, int64_t now_ns)
{
    if (!f->sync || now_ns < f->sync_due_ns)
        return false;
    f->sync_due_ns = now_ns + SYNC_NS;
    int copy = fcntl(fd, F_DUPFD_CLOEXEC, 3);
    if (copy != -1)
        file_sync_add(f->sync, copy);
    return copy != -1;
}

int spool_files_read(const struct spool_files *f, uint64_t number)
{
    char name[NAME_SIZE];
    name_of(name, number);
    int fd = openat(f->dir, name, O_RDONLY | FLAGS);
    return fd == -1 ? -errno : fd;
}

void spool_files_remove(const struct spool_files *f, uint64_t number)
{
    char name[NAME_SIZE];
    name_of(name, number);
    (void)unlinkat(f->dir, name, 0);
}

/* Two numbers in one line of a fixed length, so that writing them again is one small pwrite(2). */
#define LINE_LEN (2 * DIGITS + 2)

struct spool_position spool_files_position(const struct spool_files *f)
{
    char line[LINE_LEN + 1] = {0};
    struct spool_position p = {0};
    if (pread(f->position, line, LINE_LEN, 0) != LINE_LEN ||
        sscanf(line, "%" SCNu64 " %" SCNu64, &p.file, &p.frames) != 2)
        return (struct spool_position){0};
    return p;
}

void spool_files_note(const struct spool_files *f, struct spool_position p)
{
    char line[LINE_LEN + 1];
    snprintf(line, sizeof(line), "%0*" PRIu64 " %0*" PRIu64 "\n", DIGITS, p.file, DIGITS, p.frames);
    /* when it cannot be written, more is sent again, which the receiver notices */
    ssize_t n = pwrite(f->position, line, LINE_LEN, 0);
    (void)n;
}
