/* SPDX-License-Identifier: MIT */
/* output-tcp: to a relay, as gor's plain stream of records. One connection, so that everything
 * stays in order; with --output-tcp-workers N each recorded connection keeps to one of N. */
#include <errno.h>

#include "lib/mem.h"
#include "lib/output.h"
#include "outputs/conn_set.h"
#include "outputs/outputs.h"
#include "outputs/relay_conn.h"

struct tcp {
    struct output base;
    struct tcp_peer peer;
    struct conn_set conns;
};

static void tcp_close(struct output *out)
{
    if (!out)
        return;
    struct tcp *t = container_of(out, struct tcp, base);
    conn_set_fini(&t->conns);
    mem_free(t);
}

static int set_up(struct tcp *t, const struct output_args *args, struct err *err)
{
    size_t workers = 0;
    int r = conn_set_workers(&workers, args->options, "output-tcp-workers", 0, err);
    if (r == 0)
        r = tcp_peer_init(&t->peer, "output-tcp", args->address, err);
    if (r < 0)
        return r;
    while (t->conns.n < workers) {
        r = relay_conn_new(&t->conns.conns[t->conns.n], &t->base, &t->peer);
        if (r < 0)
            return err_sys(err, -r, "--output-tcp %s", args->address);
        t->conns.n++;
    }
    return 0;
}

static int tcp_open(struct output **outp, const struct output_args *args, struct err *err)
{
    struct tcp *t = mem_zalloc(MEM_IO, sizeof(*t));
    if (!t)
        return err_sys(err, ENOMEM, "--output-tcp %s", args->address);
    t->base = (struct output){.ops = &output_tcp, .books = args->books};
    int r = set_up(t, args, err);
    if (r < 0) {
        tcp_close(&t->base);
        return r;
    }
    *outp = &t->base;
    return 0;
}

static enum output_result tcp_write(struct output *out, const struct msg *msg)
{
    if (msg->type != MSG_REQUEST && msg->type != MSG_RESPONSE)
        return OUTPUT_SKIPPED; /* replayed answers do not travel: gor's rule */
    return conn_set_write(&container_of(out, struct tcp, base)->conns, msg);
}

static void tcp_poll(struct output *out, int wake_fd, int timeout_ms)
{
    conn_set_poll(&container_of(out, struct tcp, base)->conns, wake_fd, timeout_ms);
}

static enum output_result tcp_flush(struct output *out)
{
    return conn_set_flush(&container_of(out, struct tcp, base)->conns);
}

const struct output_ops output_tcp = {
    .option = "output-tcp",
    .open = tcp_open,
    .write = tcp_write,
    .poll = tcp_poll,
    .flush = tcp_flush,
    .close = tcp_close,
};
