/* SPDX-License-Identifier: MIT */
/* Preloaded into refrain by test_power.py: notes in the file $LOG_WRITES what reaches the file
 * system below $LOG_BELOW, in order, so that the test can cut the power anywhere. Each note is
 *
 *     KIND FD OFFSET LENGTH PATH LF  and, for a write, LENGTH bytes
 *
 * KIND: o (opened; LENGTH is its size), w (written), t (cut to LENGTH), b (an fsync begins), s (it
 * has ended well). A folder's descriptor is noted like a file's. With 64-bit offsets the symbols
 * are open64, openat64 and ftruncate64. */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int (*real_open)(const char *, int, ...);
static int (*real_openat)(int, const char *, int, ...);
static ssize_t (*real_write)(int, const void *, size_t);
static int (*real_ftruncate)(int, off_t);
static int (*real_fsync)(int);
static int (*real_fdatasync)(int);
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static int log_fd = -1;
static char below[256];

static void find(void *function, const char *name)
{
    void *symbol = dlsym(RTLD_NEXT, name);
    memcpy(function, &symbol, sizeof(symbol));
}

__attribute__((constructor)) static void begin(void)
{
    find(&real_open, "open64");
    find(&real_openat, "openat64");
    find(&real_write, "write");
    find(&real_ftruncate, "ftruncate64");
    find(&real_fsync, "fsync");
    find(&real_fdatasync, "fdatasync");
    const char *log = getenv("LOG_WRITES"), *folder = getenv("LOG_BELOW");
    if (!log || !folder)
        return;
    snprintf(below, sizeof(below), "%s/", folder);
    log_fd = real_open(log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
}

/* The file's path, when it is one that is watched; else "". */
static void path_of(int fd, char path[512])
{
    char link[64];
    snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
    ssize_t n = log_fd == -1 || fd == log_fd ? -1 : readlink(link, path, 510);
    path[n > 0 ? n : 0] = '\0';
    if (strncmp(path, below, strlen(below) - 1) != 0)
        path[0] = '\0';
}

static void note(char kind, int fd, const char *path, long long offset, long long length)
{
    char line[768];
    int n = snprintf(line, sizeof(line), "%c %d %lld %lld %s\n", kind, fd, offset, length, path);
    if (real_write(log_fd, line, (size_t)n) != n)
        abort();
}

static long long size_of(int fd)
{
    struct stat st;
    return fstat(fd, &st) == 0 ? (long long)st.st_size : 0;
}

int open(const char *name, int flags, ...)
{
    char path[512];
    va_list args;
    va_start(args, flags);
    mode_t mode = flags & O_CREAT ? va_arg(args, mode_t) : 0;
    va_end(args);
    pthread_mutex_lock(&lock);
    int fd = real_open(name, flags, mode);
    int errnum = errno;
    path_of(fd, path);
    if (fd != -1 && path[0])
        note('o', fd, path, 0, size_of(fd));
    pthread_mutex_unlock(&lock);
    errno = errnum;
    return fd;
}

int openat(int folder, const char *name, int flags, ...)
{
    char path[512];
    va_list args;
    va_start(args, flags);
    mode_t mode = flags & O_CREAT ? va_arg(args, mode_t) : 0;
    va_end(args);
    pthread_mutex_lock(&lock);
    int fd = real_openat(folder, name, flags, mode);
    int errnum = errno;
    path_of(fd, path);
    if (fd != -1 && path[0])
        note('o', fd, path, 0, size_of(fd));
    pthread_mutex_unlock(&lock);
    errno = errnum;
    return fd;
}

ssize_t write(int fd, const void *bytes, size_t length)
{
    char path[512];
    path_of(fd, path);
    if (!path[0])
        return real_write(fd, bytes, length);
    pthread_mutex_lock(&lock);
    long long before = size_of(fd);
    ssize_t n = real_write(fd, bytes, length);
    int errnum = errno;
    if (n > 0) {
        note('w', fd, path, before, n);
        if (real_write(log_fd, bytes, (size_t)n) != n)
            abort();
    }
    pthread_mutex_unlock(&lock);
    errno = errnum;
    return n;
}

int ftruncate(int fd, off_t length)
{
    char path[512];
    path_of(fd, path);
    pthread_mutex_lock(&lock);
    int r = real_ftruncate(fd, length);
    int errnum = errno;
    if (r == 0 && path[0])
        note('t', fd, path, 0, length);
    pthread_mutex_unlock(&lock);
    errno = errnum;
    return r;
}

static int sync_with(int (*sync)(int), int fd)
{
    char path[512];
    path_of(fd, path);
    if (!path[0])
        return sync(fd);
    pthread_mutex_lock(&lock);
    note('b', fd, path, 0, 0);
    pthread_mutex_unlock(&lock);
    int r = sync(fd);
    int errnum = errno;
    pthread_mutex_lock(&lock);
    if (r == 0)
        note('s', fd, path, 0, 0);
    pthread_mutex_unlock(&lock);
    errno = errnum;
    return r;
}

int fsync(int fd)
{
    return sync_with(real_fsync, fd);
}

int fdatasync(int fd)
{
    return sync_with(real_fdatasync, fd);
}
