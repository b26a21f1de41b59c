/* SPDX-License-Identifier: MIT */
#include "outputs/filename.h"

#include <dirent.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/random.h>
#include <time.h>

#define INSTANCE_LEN 8
/* Longest index that is believed: it fits into 64 bits, with the next one. */
#define MAX_DIGITS 18

static char instance[INSTANCE_LEN + 1];
static pthread_once_t instance_once = PTHREAD_ONCE_INIT;

/* Eight letters that tell runs apart. */
static void make_instance(void)
{
    uint64_t bits = 0;
    /* without random bytes O_EXCL still keeps two runs apart */
    if (getrandom(&bits, sizeof(bits), 0) == -1)
        bits = 0;
    for (int i = 0; i < INSTANCE_LEN; i++, bits /= 26)
        instance[i] = (char)('a' + bits % 26);
}

struct filename_uses filename_uses(const char *pattern)
{
    return (struct filename_uses){
        .record = strstr(pattern, "%r") || strstr(pattern, "%NS"),
        .type = strstr(pattern, "%t") != NULL,
    };
}

struct text {
    char *out;
    size_t len;
    bool full;
};

static void add(struct text *t, char c)
{
    if (t->len + 1 >= PATH_MAX)
        t->full = true;
    else
        t->out[t->len++] = c;
}

static void add_string(struct text *t, const char *s)
{
    for (; *s; s++)
        add(t, *s);
}

/* An id comes from outside: no slash, no "..", nothing that a shell would mind. */
static void add_id(struct text *t, struct span id)
{
    for (size_t i = 0; i < id.len; i++) {
        uint8_t c = id.ptr[i], lower = ascii_lower(c);
        bool plain = (lower >= 'a' && lower <= 'z') || (c >= '0' && c <= '9') || c == '-';
        add(t, plain ? (char)c : '_');
    }
}

/* The placeholder at p, which points at its '%': its length, or 0 when it is none. */
static size_t add_placeholder(struct text *t, const char *p, const struct filename_values *v,
                              const struct tm *tm)
{
    char digits[24];
    size_t len = 2;
    digits[0] = '\0';
    if (strncmp(p, "%NS", 3) == 0) {
        snprintf(digits, sizeof(digits), "%lld", (long long)(v->wall_ns % NS_PER_S));
        len = 3;
    } else if (p[1] == 'Y') {
        snprintf(digits, sizeof(digits), "%04d", tm->tm_year + 1900);
    } else if (p[1] == 'm') {
        snprintf(digits, sizeof(digits), "%02d", tm->tm_mon + 1);
    } else if (p[1] == 'd') {
        snprintf(digits, sizeof(digits), "%02d", tm->tm_mday);
    } else if (p[1] == 'H') {
        snprintf(digits, sizeof(digits), "%02d", tm->tm_hour);
    } else if (p[1] == 'M') {
        snprintf(digits, sizeof(digits), "%02d", tm->tm_min);
    } else if (p[1] == 'S') {
        snprintf(digits, sizeof(digits), "%02d", tm->tm_sec);
    } else if (p[1] == 'i') {
        pthread_once(&instance_once, make_instance);
        add_string(t, instance);
    } else if (p[1] == 'r') {
        add_id(t, v->id);
    } else if (p[1] == 't') {
        add_id(t, span_of(&v->type, v->type ? 1 : 0));
    } else {
        return 0;
    }
    add_string(t, digits);
    return len;
}

int filename_expand(char *out, const char *pattern, const struct filename_values *v)
{
    struct text t = {.out = out};
    struct tm tm = {0};
    time_t second = (time_t)(v->wall_ns / NS_PER_S);
    localtime_r(&second, &tm);
    for (const char *p = pattern; *p;) {
        size_t used = *p == '%' ? add_placeholder(&t, p, v, &tm) : 0;
        if (used == 0) {
            add(&t, *p);
            used = 1;
        }
        p += used;
    }
    out[t.len] = '\0';
    return t.full ? -ENAMETOOLONG : 0;
}

static bool is_one_of(struct span suffix, const char *const *list, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (span_eq_nocase(suffix, span_str(list[i])))
            return true;
    return false;
}

/* ".gor": a letter and up to seven more letters or digits. */
static bool looks_like_suffix(struct span s)
{
    for (size_t i = 1; i < s.len; i++) {
        uint8_t c = ascii_lower(s.ptr[i]);
        if (!(c >= 'a' && c <= 'z') && !(c >= '0' && c <= '9' && i > 1))
            return false;
    }
    return s.len >= 2 && s.len <= 9;
}

/* The last suffix of the first len bytes of base, with its dot; empty when there is none. A dot at
 * the start makes a hidden file, not a suffix. */
static struct span last_suffix(const char *base, size_t len)
{
    for (size_t i = len; i > 1; i--)
        if (base[i - 1] == '.')
            return span_of(base + i - 1, len - (i - 1));
    return span_of(base, 0);
}

size_t filename_stem(const char *name)
{
    static const char *const packed[] = {".gz", ".zst", ".xz", ".bz2"};
    static const char *const inner[] = {".gor", ".txt", ".log", ".http", ".json", ".dat", ".rec"};
    const char *slash = strrchr(name, '/');
    const char *base = slash ? slash + 1 : name;
    size_t len = strlen(base);
    struct span suffix = last_suffix(base, len);
    if (is_one_of(suffix, packed, ARRAY_LEN(packed))) {
        len -= suffix.len;
        suffix = last_suffix(base, len);
        if (is_one_of(suffix, inner, ARRAY_LEN(inner)))
            len -= suffix.len;
    } else if (looks_like_suffix(suffix)) {
        len -= suffix.len;
    }
    return (size_t)(base - name) + len;
}

int filename_chunk(char *out, const char *name, uint64_t index)
{
    size_t stem = filename_stem(name);
    int n = snprintf(out, PATH_MAX, "%.*s_%llu%s", (int)stem, name, (unsigned long long)index,
                     name + stem);
    return n < 0 || n >= PATH_MAX ? -ENAMETOOLONG : 0;
}

/* entry is stem, '_', digits, extension: the digits as a number. */
static bool read_index(const char *entry, struct span stem, struct span extension, uint64_t *index)
{
    struct span e = span_str(entry);
    uint64_t n = 0;
    if (e.len <= stem.len + 1 + extension.len || entry[stem.len] != '_' ||
        !span_eq(span_of(e.ptr, stem.len), stem) ||
        !span_eq(span_from(e, e.len - extension.len), extension))
        return false;
    struct span digits = span_of(e.ptr + stem.len + 1, e.len - stem.len - 1 - extension.len);
    if (digits.len > MAX_DIGITS)
        return false;
    for (size_t i = 0; i < digits.len; i++) {
        if (digits.ptr[i] < '0' || digits.ptr[i] > '9')
            return false;
        n = n * 10 + (uint64_t)(digits.ptr[i] - '0');
    }
    *index = n;
    return true;
}

int filename_next(const char *name, uint64_t *index)
{
    const char *slash = strrchr(name, '/');
    const char *base = slash ? slash + 1 : name;
    char folder[PATH_MAX] = ".";
    if (slash &&
        snprintf(folder, sizeof(folder), "%.*s", (int)(slash - name) + 1, name) >= PATH_MAX)
        return -ENAMETOOLONG;
    size_t len = strlen(base), stem = filename_stem(name) - (size_t)(base - name);
    size_t gor_stem = len - last_suffix(base, len).len;
    DIR *dir = opendir(folder);
    if (!dir && (errno == ENOENT || errno == EACCES)) {
        *index = 0; /* a folder that may only be written to: the caller finds a free index */
        return 0;
    }
    if (!dir)
        return -errno;
    uint64_t next = 0, found;
    errno = 0;
    /* NOLINTNEXTLINE(concurrency-mt-unsafe): dir is ours alone */
    for (struct dirent *e = readdir(dir); e; e = readdir(dir))
        if ((read_index(e->d_name, span_of(base, stem), span_str(base + stem), &found) ||
             read_index(e->d_name, span_of(base, gor_stem), span_str(base + gor_stem), &found)) &&
            found >= next)
            next = found + 1;
    int errnum = errno;
    closedir(dir);
    if (errnum != 0)
        return -errnum;
    *index = next;
    return 0;
}
