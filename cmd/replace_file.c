/* SPDX-License-Identifier: MIT */
#include "cmd/replace_file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

static int write_all(int fd, const char *text, size_t len)
{
    while (len > 0) {
        ssize_t n = write(fd, text, len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -errno;
        text += n;
        len -= (size_t)n;
    }
    return 0;
}

int replace_file(const struct replacing *to, const char *text, size_t len)
{
    char beside[PATH_MAX];
    int n = snprintf(beside, sizeof(beside), "%s%s", to->path, to->suffix);
    if (n < 0 || (size_t)n >= sizeof(beside))
        return -ENAMETOOLONG;
    unlink(beside); /* what a killed one has left, or somebody else has put there */
    int fd = open(beside, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd == -1)
        return -errno;
    int r = fchmod(fd, to->mode) < 0 ? -errno : write_all(fd, text, len);
    if (r == 0 && to->sync && fdatasync(fd) < 0)
        r = -errno;
    if (close(fd) < 0 && r == 0)
        r = -errno;
    if (r == 0 && rename(beside, to->path) < 0)
        r = -errno;
    if (r < 0)
        unlink(beside);
    return r;
}
