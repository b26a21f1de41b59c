/* SPDX-License-Identifier: MIT */
/* output-tcp: to a relay, as gor's plain stream of records. One connection, so that everything
 * stays in order; with --output-tcp-workers N each recorded connection keeps to one of N. */
#include <errno.h>
#include <poll.h>
#include <stdio.h>

#include "lib/clock.h"
#include "lib/hash.h"
#include "lib/mem.h"
#include "lib/output.h"
#include "outputs/outputs.h"
#include "outputs/relay_conn.h"

#define MAX_WORKERS 64

struct tcp {
    struct output base;
    struct relay_peer peer;
    size_t n_conns;
    struct relay_conn *conns[MAX_WORKERS];
};

static void tcp_close(struct output *out)
{
    if (!out)
        return;
    struct tcp *t = container_of(out, struct tcp, base);
    for (size_t i = 0; i < t->n_conns; i++)
        relay_conn_free(t->conns[i]);
    mem_free(t);
}

static int set_up(struct tcp *t, const struct output_args *args, struct err *err)
{
    int64_t workers = options_int(args->options, "output-tcp-workers");
    if (workers < 1 || workers > MAX_WORKERS)
        return err_usage(err, "--output-tcp-workers %lld: a number from 1 to %d is wanted",
                         (long long)workers, MAX_WORKERS);
    int r = net_parse(&t->peer.name, "output-tcp", args->address, err);
    if (r == 0)
        r = net_resolve(&t->peer.addrs, &t->peer.name, "output-tcp", err);
    if (r < 0)
        return r;
    snprintf(t->peer.tag, sizeof(t->peer.tag), "output-tcp %s:%s", t->peer.name.host,
             t->peer.name.port);
    while (t->n_conns < (size_t)workers) {
        r = relay_conn_new(&t->conns[t->n_conns], &t->base, &t->peer);
        if (r < 0)
            return err_sys(err, -r, "--output-tcp %s", args->address);
        t->n_conns++;
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
    struct tcp *t = container_of(out, struct tcp, base);
    if (msg->type != MSG_REQUEST && msg->type != MSG_RESPONSE)
        return OUTPUT_SKIPPED; /* replayed answers do not travel: gor's rule */
    size_t i = t->n_conns > 1 ? hash_mix(msg->conn, 0) % t->n_conns : 0;
    return relay_conn_put(t->conns[i], msg);
}

static bool step_all(struct tcp *t, int64_t now_ns)
{
    bool did = false;
    for (size_t i = 0; i < t->n_conns; i++)
        did |= relay_conn_step(t->conns[i], now_ns);
    return did;
}

static void tcp_poll(struct output *out, int wake_fd, int timeout_ms)
{
    struct tcp *t = container_of(out, struct tcp, base);
    int64_t now_ns = clock_mono_ns();
    if (step_all(t, now_ns) || timeout_ms == 0)
        return;
    struct pollfd fds[MAX_WORKERS + 1];
    int64_t wait_ns = timeout_ms * NS_PER_MS;
    for (size_t i = 0; i < t->n_conns; i++)
        relay_conn_watch(t->conns[i], now_ns, &fds[i], &wait_ns);
    fds[t->n_conns] = (struct pollfd){.fd = wake_fd, .events = POLLIN};
    /* rounded up: waking before the time would only mean to wait again */
    if (poll(fds, t->n_conns + 1, (int)((wait_ns + NS_PER_MS - 1) / NS_PER_MS)) != -1)
        step_all(t, clock_mono_ns());
}

static enum output_result tcp_flush(struct output *out)
{
    struct tcp *t = container_of(out, struct tcp, base);
    enum output_result r = OUTPUT_DONE;
    int64_t now_ns = clock_mono_ns();
    for (size_t i = 0; i < t->n_conns; i++)
        if (relay_conn_flush(t->conns[i], now_ns) == OUTPUT_BUSY)
            r = OUTPUT_BUSY;
    return r;
}

const struct output_ops output_tcp = {
    .option = "output-tcp",
    .open = tcp_open,
    .write = tcp_write,
    .poll = tcp_poll,
    .flush = tcp_flush,
    .close = tcp_close,
};
