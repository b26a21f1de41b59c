/* SPDX-License-Identifier: MIT */
#include "capture/file_list.h"

#include <errno.h>
#include <glob.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "lib/mem.h"

static bool is_folder(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

static bool is_there(const char *path)
{
    struct stat st;
    return lstat(path, &st) == 0;
}

static int by_name(const void *a, const void *b)
{
    return strverscmp(*(char *const *)a, *(char *const *)b);
}

/* Copies those of names that are wanted. */
static int take(struct file_list *list, char *const *names, size_t n, bool folders)
{
    list->paths = mem_zalloc(MEM_OTHER, n * sizeof(*list->paths));
    if (!list->paths)
        return -ENOMEM;
    for (size_t i = 0; i < n; i++) {
        if (!folders && is_folder(names[i]))
            continue;
        list->paths[list->n] = mem_strdup(MEM_OTHER, names[i]);
        if (!list->paths[list->n])
            return -ENOMEM;
        list->n++;
    }
    qsort(list->paths, list->n, sizeof(*list->paths), by_name);
    return 0;
}

static int expand(struct file_list *list, const char *pattern, struct err *err)
{
    glob_t found = {0};
    /* NOLINTNEXTLINE(concurrency-mt-unsafe): without GLOB_TILDE it reads nothing shared */
    int g = glob(pattern, GLOB_NOSORT, NULL, &found);
    int r = 0;
    if (g == 0)
        r = take(list, found.gl_pathv, found.gl_pathc, false);
    if (g == GLOB_NOSPACE || r == -ENOMEM)
        r = err_sys(err, ENOMEM, "--input-file %s", pattern);
    else if (list->n == 0)
        r = err_usage(err, "--input-file %s: no such file%s", pattern,
                      strpbrk(pattern, "*?[") ? ", and none that matches" : "");
    globfree(&found);
    return r;
}

int file_list_make(struct file_list *list, const char *pattern, struct err *err)
{
    struct file_list made = {0};
    int r;
    if (strncmp(pattern, "s3://", 5) == 0)
        return err_usage(err,
                         "--input-file %s: S3 is not supported: use a pipe, "
                         "aws s3 cp %s - | refrain --input-file -",
                         pattern, pattern);
    if (*pattern == '\0')
        return err_usage(err, "--input-file: a file name is missing");
    if (strcmp(pattern, "-") == 0 || is_there(pattern)) {
        char *name = (char *)pattern;
        r = take(&made, &name, 1, true);
        if (r < 0)
            r = err_sys(err, ENOMEM, "--input-file %s", pattern);
    } else {
        r = expand(&made, pattern, err);
    }
    if (r < 0)
        file_list_free(&made);
    else
        *list = made;
    return r;
}

void file_list_free(struct file_list *list)
{
    for (size_t i = 0; i < list->n; i++)
        mem_free(list->paths[i]);
    mem_free(list->paths);
    *list = (struct file_list){0};
}
