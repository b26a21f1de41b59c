/* SPDX-License-Identifier: MIT */
#include "tests/unit/recordings.h"

#include <stdio.h>
#include <stdlib.h>

#include "capture/file_reader.h"

static FILE *text;

static size_t read_all(const char *name, uint64_t *damaged)
{
    static struct books books;
    struct reader_config config = {.depth = 1, .stop_fd = -1, .books = &books, .quiet = true};
    struct file_reader *r = NULL;
    struct err err = {0};
    size_t n = 0;
    if (file_reader_new(&r, name, &config, &err) < 0)
        abort();
    for (; file_reader_next(r, &err) == READER_READY; n++) {
        struct msg *msg = file_reader_take(r);
        struct span target = msg->type == MSG_REQUEST ? msg_target(msg) : span_of(&msg->type, 1);
        if (text)
            fprintf(text, "%s%.*s", n ? " " : "", (int)target.len, (const char *)target.ptr);
        msg_unref(msg);
    }
    if (damaged)
        *damaged = file_reader_stats(r)->damaged;
    file_reader_free(r);
    return n;
}

char *recording_targets(const char *name, uint64_t *damaged)
{
    char *out = NULL;
    size_t size;
    text = open_memstream(&out, &size);
    if (!text)
        abort();
    read_all(name, damaged);
    fclose(text);
    text = NULL;
    return out;
}

size_t recording_count(const char *name)
{
    return read_all(name, NULL);
}
