/* SPDX-License-Identifier: MIT */
#include "tools/out.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include "lib/mem.h"
#include "lib/record.h"

#define BUFFER (256U << 10)
#define SUFFIX ".XXXXXX" /* mkostemp(3) */

struct out {
    char *path; /* for messages: "standard output" for "-" */
    char *beside; /* the name that it has until it is whole; NULL: it has none of its own */
    bool force;
    int fd; /* stays open behind zip, to be synced */
    gzFile zip; /* also writes without compression */
    int errnum; /* the first fault; 0: none yet */
};

static void out_free(struct out *out)
{
    if (out->zip)
        gzclose(out->zip);
    if (out->fd != -1)
        close(out->fd);
    if (out->beside)
        unlink(out->beside);
    mem_free(out->beside);
    mem_free(out->path);
    mem_free(out);
}

static bool is_zip(const char *path)
{
    size_t len = strlen(path);
    return len > 3 && strcmp(path + len - 3, ".gz") == 0;
}

static int open_beside(struct out *out, const char *path, struct err *err)
{
    size_t size = strlen(path) + sizeof(SUFFIX);
    char *beside = mem_alloc(MEM_IO, size);
    if (!beside)
        return err_sys(err, ENOMEM, "--output-file %s", path);
    snprintf(beside, size, "%s" SUFFIX, path);
    out->fd = mkostemp(beside, O_CLOEXEC);
    if (out->fd == -1) {
        mem_free(beside);
        return err_sys(err, errno, "--output-file %s: cannot be made", path);
    }
    out->beside = beside;
    return 0;
}

static int open_file(struct out *out, const char *path, struct err *err)
{
    struct stat st;
    if (strcmp(path, "-") == 0) {
        out->fd = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3);
        return out->fd == -1 ? err_sys(err, errno, "standard output") : 0;
    }
    if (stat(path, &st) == -1)
        return open_beside(out, path, err);
    if (S_ISDIR(st.st_mode))
        return err_usage(err, "--output-file %s: this is a folder: name a file", path);
    if (S_ISREG(st.st_mode) && !out->force)
        return err_usage(err,
                         "--output-file %s: exists already: name another file, or give --force to "
                         "replace it",
                         path);
    if (S_ISREG(st.st_mode))
        return open_beside(out, path, err);
    out->fd = open(path, O_WRONLY | O_CLOEXEC | O_NOCTTY); /* a pipe, or a device */
    return out->fd == -1 ? err_sys(err, errno, "--output-file %s: cannot be opened", path) : 0;
}

/* zlib's own buffer and, for plain files, its way of writing without compression. */
static int open_zip(struct out *out, const char *path, struct err *err)
{
    int fd = fcntl(out->fd, F_DUPFD_CLOEXEC, 3);
    if (fd == -1)
        return err_sys(err, errno, "--output-file %s", path);
    out->zip = gzdopen(fd, is_zip(path) ? "wb6" : "wbT");
    if (!out->zip) {
        close(fd);
        return err_sys(err, ENOMEM, "--output-file %s", path);
    }
    gzbuffer(out->zip, BUFFER);
    return 0;
}

int out_open(struct out **outp, const char *path, bool force, struct err *err)
{
    struct out *out = mem_zalloc(MEM_IO, sizeof(*out));
    if (!out)
        return err_sys(err, ENOMEM, "--output-file %s", path);
    out->fd = -1;
    out->force = force;
    out->path = mem_strdup(MEM_IO, strcmp(path, "-") == 0 ? "standard output" : path);
    int r = out->path ? open_file(out, path, err) : err_sys(err, ENOMEM, "--output-file %s", path);
    if (r == 0)
        r = open_zip(out, path, err);
    if (r < 0) {
        out_free(out);
        return r;
    }
    *outp = out;
    return 0;
}

/* Its own name, which nobody else may have taken meanwhile. */
static int give_name(struct out *out)
{
    int r = out->force ? rename(out->beside, out->path)
                       : renameat2(AT_FDCWD, out->beside, AT_FDCWD, out->path, RENAME_NOREPLACE);
    if (r == -1 && !out->force && (errno == EINVAL || errno == ENOSYS)) {
        r = link(out->beside, out->path); /* an old kernel, or file system */
        if (r == 0)
            unlink(out->beside);
    }
    if (r == -1)
        return errno;
    mem_free(out->beside);
    out->beside = NULL;
    return 0;
}

static int gz_errno(gzFile zip)
{
    int code;
    gzerror(zip, &code);
    return code == Z_ERRNO && errno != 0 ? errno : code == Z_MEM_ERROR ? ENOMEM : EIO;
}

int out_close(struct out *out, bool keep, struct err *err)
{
    if (!out)
        return 0;
    errno = 0;
    int code = gzclose(out->zip);
    out->zip = NULL;
    if (out->errnum == 0 && code != Z_OK)
        out->errnum = code == Z_ERRNO && errno != 0 ? errno : EIO;
    if (out->errnum == 0 && keep && out->beside)
        out->errnum = fsync(out->fd) == -1 ? errno : give_name(out);
    int r = out->errnum == 0 ? 0 : err_sys(err, out->errnum, "%s: cannot be written", out->path);
    out_free(out);
    return r;
}

bool out_is_ok(const struct out *out)
{
    return out->errnum == 0;
}

void out_put(struct out *out, struct span bytes)
{
    errno = 0;
    if (out->errnum == 0 && bytes.len > 0 && gzfwrite(bytes.ptr, 1, bytes.len, out->zip) == 0)
        out->errnum = gz_errno(out->zip);
}

void out_record(struct out *out, const struct msg *msg)
{
    char header[RECORD_HEADER_MAX];
    out_put(out, span_of(header, record_header(header, msg)));
    out_put(out, msg_payload(msg));
    out_put(out, span_of(record_separator, RECORD_SEPARATOR_LEN));
}
