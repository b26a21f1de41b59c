/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "lib/log.h"
#include "lib/mem.h"
#include "lib/waiting.h"
#include "tools/convert.h"
#include "tools/curl.h"
#include "tools/har.h"
#include "tools/json_line.h"

/* Requests that wait for their response, to be one entry with it. */
#define WAITING_MSGS 65536
#define WAITING_BYTES (64 << 20)
/* Room that grew beyond this for one long message is given back. */
#define KEEP (4 * MIB)
#define REASONS_MAX 16

struct writer {
    struct job *job;
    enum format format;
    struct buf text; /* of one message */
    struct waiting *waiting; /* HAR */
    bool begun; /* HAR: an entry was written */
    struct {
        const char *why;
        uint64_t n;
    } left_out[REASONS_MAX];
};

int writer_new(struct writer **wp, struct job *job, enum format format)
{
    struct writer *w = mem_zalloc(MEM_IO, sizeof(*w));
    if (!w)
        return err_sys(job->err, ENOMEM, "refrain convert");
    w->job = job;
    w->format = format;
    buf_init(&w->text, TEXT_MAX);
    if (format == FORMAT_HAR && waiting_new(&w->waiting, WAITING_MSGS, WAITING_BYTES) < 0) {
        mem_free(w);
        return err_sys(job->err, ENOMEM, "refrain convert");
    }
    *wp = w;
    return 0;
}

void writer_free(struct writer *w)
{
    if (!w)
        return;
    waiting_free(w->waiting);
    buf_fini(&w->text);
    mem_free(w);
}

static void leave_out(struct writer *w, const char *why)
{
    w->job->tally.left_out++;
    for (size_t i = 0; i < REASONS_MAX; i++) {
        if (w->left_out[i].why && strcmp(w->left_out[i].why, why) != 0)
            continue;
        w->left_out[i].why = why;
        w->left_out[i].n++;
        return;
    }
}

/* What the text of n messages came to: it is written, or they are lost. */
static void settle(struct writer *w, int r, unsigned n, const char *why)
{
    if (r == 0) {
        out_put(w->job->out, buf_span(&w->text));
        w->job->tally.written += n;
    } else if (why) {
        leave_out(w, why);
    } else {
        w->job->tally.failed += n;
    }
    buf_consume(&w->text, buf_span(&w->text).len);
    if (w->text.cap > KEEP)
        buf_fini(&w->text);
}

/* Takes both; response may be NULL. */
static void put_entry(struct writer *w, const struct msg *request, const struct msg *response)
{
    const char *before = w->begun ? ",\n" : har_head;
    int r = buf_append(&w->text, before, strlen(before));
    if (r == 0)
        r = har_write_entry(&w->text, request, response);
    w->begun |= r == 0;
    settle(w, r, response ? 2 : 1, NULL);
    msg_unref(request);
    msg_unref(response);
}

static void put_har_request(struct writer *w, const struct msg *request)
{
    uint64_t note;
    waiting_put(w->waiting, request, 0);
    msg_unref(request);
    for (const struct msg *old = waiting_overflow(w->waiting, &note); old;
         old = waiting_overflow(w->waiting, &note))
        put_entry(w, old, NULL);
}

static void put_har(struct writer *w, const struct msg *msg)
{
    uint64_t note;
    const struct msg *request = NULL;
    if (msg->http.head_len == 0) {
        leave_out(w, "not HTTP");
        msg_unref(msg);
        return;
    }
    if (msg->type == MSG_REQUEST) {
        put_har_request(w, msg);
        return;
    }
    if (msg->type == MSG_RESPONSE)
        request = waiting_take(w->waiting, msg_id(msg), &note);
    if (request) {
        put_entry(w, request, msg);
        return;
    }
    leave_out(w, msg->type == MSG_RESPONSE ? "responses without their request before them"
                                           : "answers to a replay");
    msg_unref(msg);
}

static void put_line(struct writer *w, const struct msg *msg)
{
    settle(w, json_line_write(&w->text, msg), 1, NULL);
    msg_unref(msg);
}

static void put_curl(struct writer *w, const struct msg *msg)
{
    const char *why = "responses";
    int r = msg->type == MSG_REQUEST ? curl_write(&w->text, msg, &why) : -EINVAL;
    settle(w, r, 1, r == -EINVAL ? why : NULL);
    msg_unref(msg);
}

int writer_put(struct writer *w, const struct msg *msg)
{
    switch (w->format) {
    case FORMAT_JSON:
        put_line(w, msg);
        break;
    case FORMAT_HAR:
        put_har(w, msg);
        break;
    case FORMAT_CURL:
        put_curl(w, msg);
        break;
    case FORMAT_GOR:
    case FORMAT_PCAP:
        return job_write(w->job, msg);
    }
    return 0;
}

int writer_finish(struct writer *w)
{
    uint64_t note;
    if (w->format == FORMAT_HAR) {
        for (const struct msg *old = waiting_leave(w->waiting, &note); old;
             old = waiting_leave(w->waiting, &note))
            put_entry(w, old, NULL);
        if (!w->begun)
            out_put(w->job->out, span_str(har_head));
        out_put(w->job->out, span_str(har_tail));
    }
    for (size_t i = 0; i < REASONS_MAX && w->left_out[i].why; i++)
        log_warn("convert", "%" PRIu64 " left out: %s", w->left_out[i].n, w->left_out[i].why);
    return 0;
}
