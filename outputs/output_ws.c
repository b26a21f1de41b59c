/* SPDX-License-Identifier: MIT */
/* output-ws: to a WebSocket server, each message as a binary frame that holds its record in gor's
 * form. One connection, so that everything stays in order; with --output-ws-workers N each recorded
 * connection keeps to one of N. */
#include <errno.h>
#include <stdio.h>

#include <curl/curl.h>

#include "lib/mem.h"
#include "lib/output.h"
#include "outputs/conn_set.h"
#include "outputs/curl_needs.h"
#include "outputs/http_target.h"
#include "outputs/outputs.h"
#include "outputs/ws_conn.h"

struct ws {
    struct output base;
    bool curl_ready;
    struct http_target target;
    struct conn_set conns;
    char tag[512];
};

static void ws_close(struct output *out)
{
    if (!out)
        return;
    struct ws *w = container_of(out, struct ws, base);
    conn_set_fini(&w->conns);
    http_target_fini(&w->target);
    if (w->curl_ready)
        curl_global_cleanup();
    mem_free(w);
}

static int set_up(struct ws *w, const struct output_args *args, struct err *err)
{
    size_t workers = 0;
    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
        return err_failure(err, "--output-ws \"%s\": libcurl does not start", args->address);
    w->curl_ready = true;
    int r = conn_set_workers(&workers, args->options, "output-ws-workers", 0, err);
    if (r == 0)
        r = http_target_parse_ws(&w->target, args->address, err);
    if (r < 0)
        return r;
    snprintf(w->tag, sizeof(w->tag), "output-ws %s", w->target.shown);
    const struct ws_conn_config config = {
        .out = &w->base,
        .target = &w->target,
        .tag = w->tag,
        .skip_verify = options_bool(args->options, "output-ws-skip-verify"),
    };
    while (w->conns.n < workers) {
        r = ws_conn_new(&w->conns.conns[w->conns.n], &config);
        if (r < 0)
            return err_sys(err, -r, "--output-ws \"%s\"", args->address);
        w->conns.n++;
    }
    return 0;
}

static void ws_needs(struct needs *needs, const struct output_args *args)
{
    curl_needs(needs, "output-ws", args->address, 80);
}

static int ws_open(struct output **outp, const struct output_args *args, struct err *err)
{
    struct ws *w = mem_zalloc(MEM_IO, sizeof(*w));
    if (!w)
        return err_sys(err, ENOMEM, "--output-ws \"%s\"", args->address);
    w->base = (struct output){.ops = &output_ws, .books = args->books};
    int r = set_up(w, args, err);
    if (r < 0) {
        ws_close(&w->base);
        return r;
    }
    *outp = &w->base;
    return 0;
}

static enum output_result ws_write(struct output *out, const struct msg *msg)
{
    if (msg->type != MSG_REQUEST && msg->type != MSG_RESPONSE)
        return OUTPUT_SKIPPED; /* replayed answers do not travel: gor's rule */
    return conn_set_write(&container_of(out, struct ws, base)->conns, msg);
}

static void ws_poll(struct output *out, int wake_fd, int timeout_ms)
{
    conn_set_poll(&container_of(out, struct ws, base)->conns, wake_fd, timeout_ms);
}

static enum output_result ws_flush(struct output *out)
{
    return conn_set_flush(&container_of(out, struct ws, base)->conns);
}

const struct output_ops output_ws = {
    .option = "output-ws",
    .needs = ws_needs,
    .open = ws_open,
    .write = ws_write,
    .poll = ws_poll,
    .flush = ws_flush,
    .close = ws_close,
};
