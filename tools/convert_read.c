/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "capture/file_stream.h"
#include "lib/hash.h"
#include "lib/log.h"
#include "lib/mem.h"
#include "tools/convert.h"
#include "tools/curl.h"
#include "tools/har.h"
#include "tools/json_get.h"
#include "tools/json_line.h"
#include "tools/text_in.h"

/* Faults that are told one by one; the others are only counted. */
#define TOLD_MAX 5

/* --- what it is --- */

/* pcap in either order of bytes, with microseconds or nanoseconds; pcapng; a capture of modified
 * pcap is for libpcap to refuse. */
static bool is_pcap(struct span s)
{
    static const uint8_t magics[][4] = {
        {0xa1, 0xb2, 0xc3, 0xd4}, {0xd4, 0xc3, 0xb2, 0xa1}, {0xa1, 0xb2, 0x3c, 0x4d},
        {0x4d, 0x3c, 0xb2, 0xa1}, {0x0a, 0x0d, 0x0d, 0x0a},
    };
    for (size_t i = 0; s.len >= 4 && i < ARRAY_LEN(magics); i++)
        if (memcmp(s.ptr, magics[i], 4) == 0)
            return true;
    return false;
}

/* A HAR's first member is its only one. */
static enum format format_of(struct span s)
{
    if (is_pcap(s))
        return FORMAT_PCAP;
    if (s.len >= 3 && memcmp(s.ptr, "\xef\xbb\xbf", 3) == 0)
        s = span_from(s, 3);
    s = span_trim(s);
    if ((s.len >= 5 && memcmp(s.ptr, "curl ", 5) == 0) ||
        (s.len >= 8 && memcmp(s.ptr, "printf '", 8) == 0))
        return FORMAT_CURL;
    if (s.len == 0 || s.ptr[0] != '{')
        return FORMAT_GOR;
    s = span_trim(span_from(s, 1));
    return s.len >= 5 && memcmp(s.ptr, "\"log\"", 5) == 0 ? FORMAT_HAR : FORMAT_JSON;
}

enum format convert_detect(const char *path)
{
    struct file_stream *stream;
    struct buf buf;
    struct err err;
    struct stat st;
    enum format format = FORMAT_GOR;
    /* opening a pipe and closing it again would end its writer */
    if (strcmp(path, "-") == 0 || stat(path, &st) == -1 || !S_ISREG(st.st_mode) ||
        file_stream_open(&stream, path, &err) < 0)
        return format;
    buf_init(&buf, MIB);
    if (file_stream_read(stream, &buf, 0, -1) >= 0)
        format = format_of(buf_span(&buf));
    buf_fini(&buf);
    file_stream_free(stream);
    return format;
}

/* --- reading --- */

static int put_counted(struct job *job, const struct msg *msg, convert_put *put)
{
    job->tally.read++;
    return put(job, msg);
}

static void note_fault(struct job *job, const char *path, const char *place, uint64_t n,
                       const char *why)
{
    if (++job->tally.damaged <= TOLD_MAX)
        log_warn("convert", "%s: %s %" PRIu64 ": %s", path, place, n, why);
}

static int read_recording(struct job *job, const char *path, convert_put *put)
{
    const struct recordings_config config = {
        .order = RECORDINGS_IN_TURN,
        .on_damage = job_tell_damage,
        .on_damage_arg = job,
    };
    struct recordings *in = NULL;
    int r = recordings_new(&in, &config, job->err);
    if (r == 0)
        r = recordings_add(in, path, job->err);
    while (r >= 0 && out_is_ok(job->out)) {
        struct msg *msg;
        r = recordings_next(in, &msg, job->err);
        if (r == READER_END)
            break;
        if (r == READER_READY)
            r = put_counted(job, msg, put);
    }
    recordings_free(in);
    return r < 0 ? r : 0;
}

static bool is_blank(struct span line)
{
    return span_trim(line).len == 0;
}

static int read_lines(struct job *job, const char *path, convert_put *put)
{
    struct text_in *in;
    struct span line;
    uint64_t n = 0;
    int r = text_in_open(&in, path, job->err);
    if (r < 0)
        return r;
    while (out_is_ok(job->out) && (r = text_in_line(in, &line, job->err)) > 0) {
        char why[WHY_MAX];
        struct msg *msg;
        n++;
        if (is_blank(line))
            continue;
        int fault = json_line_read(line, &msg, why);
        if (fault < 0)
            note_fault(job, path, "line", n, fault == -ENOMEM ? err_text(ENOMEM) : why);
        r = fault < 0 ? 0 : put_counted(job, msg, put);
        if (r < 0)
            break;
    }
    text_in_free(in);
    return r < 0 ? r : 0;
}

/* Commands tell no time and no id. */
static void set_command_id(struct msg *msg, uint64_t n)
{
    char id[32];
    int len = snprintf(id, sizeof(id), "%016llx%08x",
                       (unsigned long long)hash64(msg->bytes, msg->len, 1), (unsigned)n);
    bool fits = msg_set_id(msg, span_of(id, (size_t)len));
    assert(fits);
    (void)fits;
    msg_set_conn(msg);
}

static int read_commands(struct job *job, const char *path, convert_put *put)
{
    struct text_in *in;
    struct span command;
    uint64_t n = 0;
    int r = text_in_open(&in, path, job->err);
    if (r < 0)
        return r;
    while (out_is_ok(job->out) && (r = text_in_command(in, &command, job->err)) > 0) {
        char why[WHY_MAX];
        struct msg *msg;
        int fault = curl_read(command, &msg, why);
        n += fault < 0 || msg;
        if (fault < 0)
            note_fault(job, path, "command", n, fault == -ENOMEM ? err_text(ENOMEM) : why);
        if (fault < 0 || !msg)
            continue;
        set_command_id(msg, (uint64_t)n);
        r = put_counted(job, msg, put);
        if (r < 0)
            break;
    }
    text_in_free(in);
    return r < 0 ? r : 0;
}

static int put_both(struct job *job, struct msg *request, struct msg *response, convert_put *put)
{
    int r = put_counted(job, request, put);
    if (response && r < 0)
        msg_unref(response);
    else if (response)
        r = put_counted(job, response, put);
    return r;
}

static int read_entry(struct job *job, const char *path, struct span text, struct har_ids *ids,
                      uint64_t n, convert_put *put)
{
    struct msg *request, *response;
    json_error_t error;
    char why[WHY_MAX] = "no JSON";
    int r;
    json_t *entry = json_get_all(text, &error, &r);
    if (entry)
        r = har_read_entry(entry, ids, &request, &response, why);
    json_decref(entry);
    if (r == 0)
        return put_both(job, request, response, put);
    note_fault(job, path, "entry", n, r == -ENOMEM ? err_text(ENOMEM) : why);
    return 0;
}

static int read_har(struct job *job, const char *path, convert_put *put)
{
    struct text_in *in;
    struct span text;
    struct har_place place = {.state = HAR_BEGIN};
    struct har_ids ids = {.n = 0};
    uint64_t n = 0;
    int r = text_in_open(&in, path, job->err);
    if (r < 0)
        return r;
    while (out_is_ok(job->out) && (r = har_next(in, &place, &text, job->err)) > 0) {
        r = read_entry(job, path, text, &ids, ++n, put);
        if (r < 0)
            break;
    }
    text_in_free(in);
    return r < 0 ? r : 0;
}

int convert_read(struct job *job, const char *path, enum format format, convert_put *put)
{
    switch (format) {
    case FORMAT_JSON:
        return read_lines(job, path, put);
    case FORMAT_HAR:
        return read_har(job, path, put);
    case FORMAT_PCAP:
        return convert_read_pcap(job, path, put);
    case FORMAT_CURL:
        return read_commands(job, path, put);
    case FORMAT_GOR:
        break;
    }
    return read_recording(job, path, put);
}
