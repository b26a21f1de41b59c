/* SPDX-License-Identifier: MIT */
#include "outputs/file_keep.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "lib/clock.h"
#include "lib/mem.h"
#include "lib/record_index.h"
#include "lib/span.h"
#include "lib/units.h"
#include "outputs/filename_match.h"

#define DAY_NS (24 * 3600 * NS_PER_S)
/* So many files that there may be; the rest waits for the next time. */
#define MAX_FILES 1000000

/* "7d". */
static bool parse_days(const char *text, int64_t *ns)
{
    int64_t days;
    char number[16];
    size_t len = strlen(text);
    if (len < 2 || len > sizeof(number) || text[len - 1] != 'd')
        return false;
    snprintf(number, sizeof(number), "%.*s", (int)len - 1, text);
    if (units_parse_int(number, &days) || days < 0 || days > INT64_MAX / DAY_NS)
        return false;
    *ns = days * DAY_NS;
    return true;
}

static bool parse_rule(struct file_keep *k, const char *text)
{
    int64_t number;
    uint64_t bytes;
    if (!units_parse_int(text, &number)) {
        k->files = (uint64_t)number;
        return number > 0;
    }
    /* 10m could be megabytes as well as minutes: what is not clear deletes nothing */
    if (ascii_lower((uint8_t)text[strlen(text) - 1]) == 'm')
        return false;
    if (!units_parse_size(text, &bytes)) {
        k->bytes = bytes;
        return bytes > 0;
    }
    return (parse_days(text, &k->age_ns) || !units_parse_duration(text, &k->age_ns)) &&
           k->age_ns > 0;
}

int file_keep_parse(struct file_keep *k, const char *text, struct err *err)
{
    *k = (struct file_keep){0};
    while (*text) {
        char rule[32];
        size_t len = strcspn(text, ",");
        int n = snprintf(rule, sizeof(rule), "%.*s", (int)len, text);
        if (len == 0 || n >= (int)sizeof(rule) || !parse_rule(k, rule))
            return err_usage(err,
                             "--output-file-keep \"%.*s\": expected a number of files (100), "
                             "bytes (20gb, 500mb) or an age (7d, 36h)",
                             (int)len, text);
        text += len + (text[len] == ',');
        if (text[-1] == ',' && *text == '\0')
            return err_usage(err, "--output-file-keep: there is nothing behind the last comma");
    }
    return 0;
}

static void delete_index(const char *path)
{
    char index[PATH_MAX];
    if (index_path(index, path) == 0)
        unlink(index); /* most have none */
}

/* Not while anybody writes to it, whose lock it has; nor where there are no locks. 0 when it is
 * gone, 1 when it is in use, else -errno. */
static int delete_one(const char *path)
{
    int r = 0;
    int fd = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    if (fd == -1)
        return errno == ENOENT ? 0 : -errno;
    if (flock(fd, LOCK_EX | LOCK_NB) == -1)
        r = errno == EWOULDBLOCK ? 1 : -errno;
    else if (unlink(path) == -1 && errno != ENOENT)
        r = -errno;
    if (r == 0)
        delete_index(path);
    close(fd);
    return r;
}

struct file_keep_result file_keep_run(const struct file_keep *k, const char *pattern, bool indexed,
                                      uint64_t more)
{
    struct file_keep_result result = {0};
    struct buf found;
    buf_init(&found, MAX_FILES * sizeof(struct filename_found));
    int r = filename_find(&found, pattern, indexed);
    result.fault = r == -ENOMEM ? ENOMEM : 0;
    struct span all = buf_span(&found);
    size_t n = all.len / sizeof(struct filename_found), left = n;
    struct filename_found f;
    for (size_t i = 0; i < n; i++) {
        memcpy(&f, all.ptr + i * sizeof(f), sizeof(f));
        result.bytes += f.size;
    }
    int64_t now_ns = clock_wall_ns();
    for (size_t i = 0; i < n; i++) {
        memcpy(&f, all.ptr + i * sizeof(f), sizeof(f));
        bool too_many = k->files > 0 && left > k->files;
        bool too_large = k->bytes > 0 && result.bytes + more > k->bytes;
        bool too_old = k->age_ns > 0 && now_ns - f.written_ns > k->age_ns;
        if (!too_many && !too_large && !too_old)
            break;
        r = delete_one(f.path);
        if (r < 0)
            result.fault = -r;
        if (r != 0)
            continue;
        result.deleted++;
        result.bytes -= f.size;
        left--;
    }
    filename_found_free(&found);
    return result;
}
