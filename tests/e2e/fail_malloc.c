/* SPDX-License-Identifier: MIT */
/* Preloaded into refrain by test_memory.py: lets one allocation of the whole process fail, be it
 * refrain's or a library's. FAIL_AT=N: the Nth alone; FAIL_FROM=N: that and all after it.
 * FAIL_COUNT=FILE: how many there were is written there at the end. FAIL_NOT_IN=NAME:NAME...:
 * those of these libraries never fail, and are not counted. */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <pwd.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void *(*real_malloc)(size_t);
static void *(*real_calloc)(size_t, size_t);
static void *(*real_realloc)(void *, size_t);
static void *(*real_aligned_alloc)(size_t, size_t);
static int (*real_posix_memalign)(void **, size_t, size_t);
static int (*real_pthread_getattr_np)(pthread_t, pthread_attr_t *);
static int (*real_getpwnam_r)(const char *, struct passwd *, char *, size_t, struct passwd **);

static atomic_ulong count;
static unsigned long fail_at, fail_from;
static char spared[64];
static int count_fd = -1; /* opened at once: later a sandbox may not let it be */
/* Where to find it must not need an allocation. */
static __thread __attribute__((tls_model("initial-exec"))) int exempt;

static unsigned long number(const char *name)
{
    const char *text = getenv(name);
    return text ? strtoul(text, NULL, 10) : 0;
}

/* A function pointer from the void pointer of dlsym(). */
static void find(void *function, const char *name)
{
    void *symbol = dlsym(RTLD_NEXT, name);
    memcpy(function, &symbol, sizeof(symbol));
}

static void find_all(void)
{
    find(&real_calloc, "calloc");
    find(&real_realloc, "realloc");
    find(&real_aligned_alloc, "aligned_alloc");
    find(&real_posix_memalign, "posix_memalign");
    find(&real_pthread_getattr_np, "pthread_getattr_np");
    find(&real_getpwnam_r, "getpwnam_r");
    find(&real_malloc, "malloc");
}

__attribute__((constructor)) static void begin(void)
{
    const char *file = getenv("FAIL_COUNT");
    if (!real_malloc)
        find_all();
    if (file)
        count_fd = open(file, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    file = getenv("FAIL_NOT_IN");
    snprintf(spared, sizeof(spared) - 1, "%s", file ? file : ""); /* another NUL ends the list */
    for (char *colon = spared; (colon = strchr(colon, ':'));)
        *colon++ = '\0';
    fail_at = number("FAIL_AT");
    fail_from = number("FAIL_FROM");
    atomic_store(&count, 0);
}

__attribute__((destructor)) static void end(void)
{
    fail_at = fail_from = 0;
    if (count_fd != -1)
        dprintf(count_fd, "%lu\n", atomic_load(&count));
}

static int is_spared(void *caller)
{
    Dl_info info;
    if (!spared[0] || !dladdr(caller, &info) || !info.dli_fname)
        return 0;
    for (const char *name = spared; *name; name += strlen(name) + 1)
        if (strstr(info.dli_fname, name))
            return 1;
    return 0;
}

static int fails(void *caller)
{
    if (!real_malloc)
        find_all();
    if (exempt || is_spared(caller))
        return 0;
    unsigned long n = atomic_fetch_add(&count, 1) + 1;
    if ((!fail_at || n != fail_at) && (!fail_from || n < fail_from))
        return 0;
    errno = ENOMEM;
    return 1;
}

__attribute__((visibility("default"))) void *malloc(size_t size)
{
    return fails(__builtin_return_address(0)) ? NULL : real_malloc(size);
}

__attribute__((visibility("default"))) void *calloc(size_t n, size_t size)
{
    return fails(__builtin_return_address(0)) ? NULL : real_calloc(n, size);
}

__attribute__((visibility("default"))) void *realloc(void *ptr, size_t size)
{
    return fails(__builtin_return_address(0)) ? NULL : real_realloc(ptr, size);
}

__attribute__((visibility("default"))) void *aligned_alloc(size_t alignment, size_t size)
{
    return fails(__builtin_return_address(0)) ? NULL : real_aligned_alloc(alignment, size);
}

__attribute__((visibility("default"))) int posix_memalign(void **ptr, size_t alignment, size_t size)
{
    return fails(__builtin_return_address(0)) ? ENOMEM : real_posix_memalign(ptr, alignment, size);
}

/* The sanitizer asks it at the start of each thread, and stands no failure. */
__attribute__((visibility("default"))) int pthread_getattr_np(pthread_t thread,
                                                              pthread_attr_t *attr)
{
    exempt++;
    int r = real_pthread_getattr_np(thread, attr);
    exempt--;
    return r;
}

/* glibc 2.36 crashes in it when its first table of databases finds no memory. */
__attribute__((visibility("default"))) int
getpwnam_r(const char *name, struct passwd *entry, char *text, size_t size, struct passwd **found)
{
    exempt++;
    int r = real_getpwnam_r(name, entry, text, size, found);
    exempt--;
    return r;
}
