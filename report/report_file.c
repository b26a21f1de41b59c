/* SPDX-License-Identifier: MIT */
#include "report/report_file.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/mem.h"
#include "report/report.h"

static bool ends_in(const char *path, const char *ending)
{
    size_t len = strlen(path), n = strlen(ending);
    return len > n && strcmp(path + len - n, ending) == 0 && path[len - n - 1] != '/';
}

static int make_part(struct report_file *file, struct err *err)
{
    static const char suffix[] = ".part";
    size_t size = strlen(file->path) + sizeof(suffix);
    struct stat st;
    file->part = mem_alloc(MEM_OTHER, size);
    if (!file->part)
        return err_sys(err, ENOMEM, "--report %s", file->path);
    snprintf(file->part, size, "%s%s", file->path, suffix);
    if (stat(file->path, &st) == 0 && !S_ISREG(st.st_mode))
        return err_failure(err, "--report %s: there is something of that name that is not a file",
                           file->path);
    /* what a killed run left behind; whatever it is, it is not written through */
    if (unlink(file->part) == -1 && errno != ENOENT)
        return err_sys(err, errno, "--report %s: cannot replace %s", file->path, file->part);
    int fd = open(file->part, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd == -1) {
        int errnum = errno;
        mem_free(file->part);
        file->part = NULL;
        return err_sys(err, errnum, "--report %s: cannot be written", file->path);
    }
    file->f = fdopen(fd, "w");
    if (file->f)
        return 0;
    int errnum = errno;
    close(fd);
    return err_sys(err, errnum, "--report %s", file->path);
}

int report_file_open(struct report_file *file, const char *path, struct err *err)
{
    *file = (struct report_file){.html = ends_in(path, ".html")};
    if (!file->html && !ends_in(path, ".json"))
        return err_usage(err,
                         "--report \"%s\": the name must end in .json or .html, which says what is "
                         "written",
                         path);
    file->path = mem_strdup(MEM_OTHER, path);
    int r = file->path ? make_part(file, err) : err_sys(err, ENOMEM, "--report %s", path);
    if (r < 0)
        report_file_close(file);
    return r;
}

int report_file_finish(struct report_file *file, const json_t *report, struct err *err)
{
    int r = -ENOMEM;
    if (report)
        r = file->html ? report_write_html(file->f, report) : report_write_json(file->f, report);
    if (fclose(file->f) == EOF && r == 0)
        r = -errno;
    file->f = NULL;
    if (r == 0 && rename(file->part, file->path) == -1)
        r = -errno;
    if (r < 0)
        return err_sys(err, -r, "--report %s: cannot be written", file->path);
    mem_free(file->part);
    file->part = NULL;
    return 0;
}

void report_file_close(struct report_file *file)
{
    if (file->f)
        fclose(file->f);
    if (file->part)
        unlink(file->part);
    mem_free(file->part);
    mem_free(file->path);
    *file = (struct report_file){.f = NULL};
}
