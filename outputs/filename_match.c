/* SPDX-License-Identifier: MIT */
#include "outputs/filename_match.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "lib/mem.h"
#include "outputs/filename.h"

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_instance(char c)
{
    return c >= 'a' && c <= 'z';
}

static bool is_id(char c)
{
    return is_digit(c) || is_instance((char)ascii_lower((uint8_t)c)) || c == '-' || c == '_';
}

/* What a placeholder may have become: so many of such characters. */
struct shape {
    const char *placeholder;
    bool (*is_part)(char c);
    size_t min, max;
};

static const struct shape *shape_at(const char *p)
{
    static const struct shape shapes[] = {
        {"%NS", is_digit, 1, 9}, {"%Y", is_digit, 4, 4},    {"%m", is_digit, 2, 2},
        {"%d", is_digit, 2, 2},  {"%H", is_digit, 2, 2},    {"%M", is_digit, 2, 2},
        {"%S", is_digit, 2, 2},  {"%i", is_instance, 8, 8}, {"%r", is_id, 1, 255},
        {"%t", is_digit, 1, 1},
    };
    for (size_t i = 0; i < ARRAY_LEN(shapes); i++)
        if (strncmp(p, shapes[i].placeholder, strlen(shapes[i].placeholder)) == 0)
            return &shapes[i];
    return NULL;
}

/* NOLINTNEXTLINE(misc-no-recursion): as deep as the user's template has placeholders */
static bool matches(const char *p, const char *name)
{
    for (; *p; p++, name++) {
        const struct shape *shape = *p == '%' ? shape_at(p) : NULL;
        if (!shape && *p != *name)
            return false;
        if (!shape)
            continue;
        const char *rest = p + strlen(shape->placeholder);
        for (size_t n = 1; n <= shape->max && shape->is_part(name[n - 1]); n++)
            if (n >= shape->min && matches(rest, name + n))
                return true;
        return false;
    }
    return *name == '\0';
}

bool filename_matches(const char *pattern, const char *name, bool indexed)
{
    char plain[NAME_MAX + 1];
    size_t stem = filename_stem(name), end = stem;
    if (!indexed)
        return matches(pattern, name);
    while (end > 0 && is_digit(name[end - 1]))
        end--;
    if (end == stem || end < 2 || name[end - 1] != '_')
        return false;
    int n = snprintf(plain, sizeof(plain), "%.*s%s", (int)end - 1, name, name + stem);
    return n < (int)sizeof(plain) && matches(pattern, plain);
}

static int add_file(struct buf *found, const char *path)
{
    struct stat st;
    if (lstat(path, &st) == -1 || !S_ISREG(st.st_mode))
        return 0;
    struct filename_found f = {
        .path = mem_strdup(MEM_IO, path),
        .written_ns = (int64_t)st.st_mtim.tv_sec * NS_PER_S + st.st_mtim.tv_nsec,
        .size = (uint64_t)st.st_size,
    };
    int r = f.path ? buf_append(found, &f, sizeof(f)) : -ENOMEM;
    if (r < 0)
        mem_free(f.path);
    return r;
}

/* Looks at the entries of folder ("" is the current one, else with its slash) for the first part
 * of pattern, and below them for the rest of it. */
/* NOLINTNEXTLINE(misc-no-recursion): as deep as the user's template has folders */
static int walk(struct buf *found, const char *folder, const char *pattern, bool indexed)
{
    char part[PATH_MAX], path[PATH_MAX];
    const char *slash = strchr(pattern, '/');
    if (slash) {
        snprintf(part, sizeof(part), "%.*s", (int)(slash - pattern), pattern);
        if (!strchr(part, '%')) { /* also "", of "//", and ".." */
            int n = snprintf(path, sizeof(path), "%s%s/", folder, part);
            return n < PATH_MAX ? walk(found, path, slash + 1, indexed) : 0;
        }
    } else {
        snprintf(part, sizeof(part), "%s", pattern);
    }
    DIR *dir = opendir(*folder ? folder : ".");
    int r = 0;
    if (!dir)
        return 0;
    /* NOLINTNEXTLINE(concurrency-mt-unsafe): dir is ours alone */
    for (struct dirent *e = readdir(dir); e && r == 0; e = readdir(dir)) {
        if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0 ||
            !filename_matches(part, e->d_name, indexed && !slash) ||
            snprintf(path, sizeof(path), "%s%s%s", folder, e->d_name, slash ? "/" : "") >= PATH_MAX)
            continue;
        r = slash ? walk(found, path, slash + 1, indexed) : add_file(found, path);
    }
    closedir(dir);
    return r;
}

static int by_age(const void *a, const void *b)
{
    const struct filename_found *x = a, *y = b;
    if (x->written_ns != y->written_ns)
        return x->written_ns < y->written_ns ? -1 : 1;
    return strverscmp(x->path, y->path);
}

int filename_find(struct buf *found, const char *pattern, bool indexed)
{
    int r = walk(found, "", pattern, indexed);
    if (found->len > found->start)
        qsort(found->data + found->start, buf_span(found).len / sizeof(struct filename_found),
              sizeof(struct filename_found), by_age);
    return r;
}

void filename_found_free(struct buf *found)
{
    struct span all = buf_span(found);
    for (size_t at = 0; at < all.len; at += sizeof(struct filename_found)) {
        struct filename_found f;
        memcpy(&f, all.ptr + at, sizeof(f));
        mem_free(f.path);
    }
    buf_fini(found);
}
