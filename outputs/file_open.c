/* SPDX-License-Identifier: MIT */
#include "outputs/file_open.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/record.h"

/* Makes the folders that path needs. */
static int make_folders(const char *path)
{
    char folder[PATH_MAX];
    for (const char *slash = strchr(path, '/'); slash; slash = strchr(slash + 1, '/')) {
        int n = snprintf(folder, sizeof(folder), "%.*s", (int)(slash - path), path);
        if (n >= PATH_MAX)
            return -ENAMETOOLONG;
        if (n > 0 && mkdir(folder, 0700) == -1 && errno != EEXIST)
            return -errno;
    }
    return 0;
}

static int open_path(const char *path, enum file_mode mode)
{
    int flags = O_APPEND | O_CREAT | O_NOFOLLOW | O_CLOEXEC | O_NOCTTY;
    if (mode == FILE_NEW)
        flags |= O_WRONLY | O_EXCL;
    else
        flags |= O_RDWR; /* to look at its end */
    int fd = open(path, flags, 0600);
    if (fd == -1 && errno == ENOENT) {
        int r = make_folders(path);
        if (r < 0)
            return r;
        fd = open(path, flags, 0600);
    }
    return fd == -1 ? -errno : fd;
}

/* In a folder that all may write to (/tmp) a file that somebody else has put there is not ours to
 * fill. */
static bool is_planted(const char *path, const struct stat *st)
{
    char folder[PATH_MAX];
    struct stat dir;
    const char *slash = strrchr(path, '/');
    snprintf(folder, sizeof(folder), "%.*s", slash ? (int)(slash - path) + 1 : 1,
             slash ? path : ".");
    return st->st_uid != geteuid() && stat(folder, &dir) == 0 && (dir.st_mode & S_IWOTH);
}

/* What is at fd: 0, or why it cannot be written. */
static int look_at(struct file_fd *f, const char *path, enum file_mode mode)
{
    struct stat st;
    if (fstat(f->fd, &st) == -1)
        return -errno;
    f->regular = S_ISREG(st.st_mode);
    f->is_new = f->regular && st.st_size == 0;
    if (mode == FILE_APPEND && is_planted(path, &st))
        return -EPERM;
    if (!f->regular)
        return 0;
    /* a file system without locks is no reason not to write */
    if (flock(f->fd, LOCK_EX | LOCK_NB) == -1 && errno == EWOULDBLOCK)
        return -EBUSY;
    return 0;
}

int file_fd_open(struct file_fd *f, const char *path, enum file_mode mode)
{
    struct file_fd opened = {.fd = open_path(path, mode)};
    if (opened.fd < 0)
        return opened.fd;
    int r = look_at(&opened, path, mode);
    if (r < 0)
        close(opened.fd);
    else
        *f = opened;
    return r;
}

off_t file_fd_size(const struct file_fd *f)
{
    struct stat st;
    return f->regular && fstat(f->fd, &st) == 0 ? st.st_size : -1;
}

size_t file_fd_lacks(const struct file_fd *f)
{
    uint8_t tail[RECORD_SEPARATOR_LEN];
    off_t size = file_fd_size(f);
    size_t len = size < (off_t)sizeof(tail) ? (size_t)size : sizeof(tail);
    if (size <= 0)
        return 0;
    if (pread(f->fd, tail, len, size - (off_t)len) != (ssize_t)len)
        return RECORD_SEPARATOR_LEN;
    size_t has = len;
    while (has > 0 && memcmp(tail + len - has, record_separator, has) != 0)
        has--;
    /* one LF alone is more likely the payload's, and readers pass over one too many */
    return has == 1 ? RECORD_SEPARATOR_LEN : RECORD_SEPARATOR_LEN - has;
}

int file_fd_write(const struct file_fd *f, struct span bytes, size_t *done)
{
    *done = 0;
    while (*done < bytes.len) {
        ssize_t n = write(f->fd, bytes.ptr + *done, bytes.len - *done);
        if (n == -1 && errno == EINTR)
            continue;
        if (n == -1)
            return -errno;
        if (n == 0)
            return -ENOSPC;
        *done += (size_t)n;
    }
    return 0;
}

bool file_fd_cut_back(const struct file_fd *f, off_t before, size_t written, size_t excess)
{
    if (excess == 0)
        return true;
    off_t size = file_fd_size(f);
    return before >= 0 && size == before + (off_t)written &&
           ftruncate(f->fd, size - (off_t)excess) == 0;
}

int file_fd_sync(const struct file_fd *f)
{
    return f->regular && fdatasync(f->fd) == -1 ? -errno : 0;
}

int file_fd_folder(const char *path)
{
    char folder[PATH_MAX];
    const char *slash = strrchr(path, '/');
    int n = snprintf(folder, sizeof(folder), "%.*s", slash ? (int)(slash - path) + 1 : 1,
                     slash ? path : ".");
    if (n >= PATH_MAX)
        return -ENAMETOOLONG;
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return fd == -1 ? -errno : fd;
}
