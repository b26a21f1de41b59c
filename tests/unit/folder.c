/* SPDX-License-Identifier: MIT */
#include "tests/unit/folder.h"

#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char folder[PATH_MAX];

static void check(bool good, const char *what)
{
    if (good)
        return;
    perror(what);
    abort();
}

void folder_enter(void)
{
    const char *tmp = getenv("TMPDIR");
    snprintf(folder, sizeof(folder), "%s/refrain-test-XXXXXX", tmp ? tmp : "/tmp");
    check(mkdtemp(folder) && chdir(folder) == 0, folder);
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *where)
{
    (void)st;
    (void)type;
    (void)where;
    return remove(path);
}

void folder_leave(void)
{
    check(chdir("/") == 0 && nftw(folder, remove_one, 16, FTW_DEPTH | FTW_PHYS) == 0, folder);
}

static void put(const char *name, int flags, const void *bytes, size_t n)
{
    int fd = open(name, O_WRONLY | O_CREAT | flags, 0600);
    check(fd != -1 && write(fd, bytes, n) == (ssize_t)n && close(fd) == 0, name);
}

void file_put(const char *name, const void *bytes, size_t n)
{
    put(name, O_TRUNC, bytes, n);
}

void file_add(const char *name, const void *bytes, size_t n)
{
    put(name, O_APPEND, bytes, n);
}

uint8_t *file_get(const char *name, size_t *n)
{
    int64_t size = file_size(name);
    int fd = open(name, O_RDONLY);
    check(fd != -1 && size >= 0, name);
    uint8_t *bytes = calloc(1, (size_t)size + 1);
    check(bytes && read(fd, bytes, (size_t)size) == size && close(fd) == 0, name);
    *n = (size_t)size;
    return bytes;
}

int64_t file_size(const char *name)
{
    struct stat st;
    return stat(name, &st) == 0 ? st.st_size : -1;
}

void file_cut(const char *name, size_t n)
{
    check(truncate(name, (off_t)n) == 0, name);
}
