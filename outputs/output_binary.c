/* SPDX-License-Identifier: MIT */
/* output-binary: the payloads of requests as they were recorded, over TCP; what was one connection
 * when it was recorded keeps to one of --output-binary-workers. */
#include <errno.h>

#include "lib/mem.h"
#include "lib/output.h"
#include "outputs/binary_conn.h"
#include "outputs/conn_set.h"
#include "outputs/outputs.h"

#define DEFAULT_WORKERS 10 /* gor begins with so many */
#define DEFAULT_TIMEOUT_NS (5 * NS_PER_S) /* gor's */
#define DEFAULT_ANSWER (100 * KIB) /* gor's */

struct binary {
    struct output base;
    struct tcp_peer peer;
    struct conn_set conns;
};

static void binary_close(struct output *out)
{
    if (!out)
        return;
    struct binary *b = container_of(out, struct binary, base);
    conn_set_fini(&b->conns);
    mem_free(b);
}

static int set_up(struct binary *b, const struct output_args *args, struct err *err)
{
    int64_t timeout_ns = options_duration_ns(args->options, "output-binary-timeout");
    size_t workers = 0;
    int r =
        conn_set_workers(&workers, args->options, "output-binary-workers", DEFAULT_WORKERS, err);
    if (r == 0)
        r = tcp_peer_init(&b->peer, "output-binary", args->address, err);
    if (r < 0)
        return r;
    if (timeout_ns <= 0)
        timeout_ns = DEFAULT_TIMEOUT_NS;
    while (b->conns.n < workers) {
        r = binary_conn_new(&b->conns.conns[b->conns.n], &b->base, &b->peer, timeout_ns);
        if (r < 0)
            return err_sys(err, -r, "--output-binary %s", args->address);
        b->conns.n++;
    }
    return 0;
}

static void binary_needs(struct needs *needs, const struct output_args *args)
{
    tcp_peer_needs(needs, "output-binary", args->address);
}

static int binary_open(struct output **outp, const struct output_args *args, struct err *err)
{
    struct binary *b = mem_zalloc(MEM_IO, sizeof(*b));
    if (!b)
        return err_sys(err, ENOMEM, "--output-binary %s", args->address);
    b->base = (struct output){.ops = &output_binary, .books = args->books};
    int r = set_up(b, args, err);
    if (r < 0) {
        binary_close(&b->base);
        return r;
    }
    *outp = &b->base;
    return 0;
}

static int binary_start(struct output *out, struct err *err)
{
    (void)err;
    if (out->answer_max == 0)
        out->answer_max = DEFAULT_ANSWER;
    return 0;
}

static enum output_result binary_write(struct output *out, const struct msg *msg)
{
    if (msg->type != MSG_REQUEST)
        return OUTPUT_SKIPPED;
    return conn_set_write(&container_of(out, struct binary, base)->conns, msg);
}

static void binary_poll(struct output *out, int wake_fd, int timeout_ms)
{
    conn_set_poll(&container_of(out, struct binary, base)->conns, wake_fd, timeout_ms);
}

static enum output_result binary_flush(struct output *out)
{
    return conn_set_flush(&container_of(out, struct binary, base)->conns);
}

const struct output_ops output_binary = {
    .option = "output-binary",
    .answers = "output-binary-track-response",
    .answer_max = "output-tcp-response-buffer",
    .requests_only = true,
    .needs = binary_needs,
    .open = binary_open,
    .start = binary_start,
    .write = binary_write,
    .poll = binary_poll,
    .flush = binary_flush,
    .close = binary_close,
};
