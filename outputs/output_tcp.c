/* SPDX-License-Identifier: MIT */
/* output-tcp: to a relay. One connection, so that everything stays in order; with
 * --output-tcp-workers N each recorded connection keeps to one of N. */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "lib/log.h"
#include "lib/mem.h"
#include "lib/output.h"
#include "lib/relay_pack.h"
#include "outputs/conn_set.h"
#include "outputs/file_sync.h"
#include "outputs/outputs.h"
#include "outputs/relay_conn.h"

/* What may wait for its acknowledgement in memory, of all connections together. */
#define MEMORY_BYTES (32 * MIB)

struct tcp {
    struct output base;
    struct tls *tls; /* NULL: plain */
    struct tcp_peer peer;
    struct conn_set conns;
    struct file_sync *sync; /* NULL: no spool */
};

static void tcp_close(struct output *out)
{
    if (!out)
        return;
    struct tcp *t = container_of(out, struct tcp, base);
    conn_set_fini(&t->conns);
    file_sync_free(t->sync);
    tls_free(t->tls);
    mem_free(t);
}

/* "DIR/HOST_PORT-WORKER": where connection number worker keeps what waits. */
static int spool_folder(char *out, size_t size, const struct tcp *t, const char *dir, size_t worker)
{
    int n = snprintf(out, size, "%s/%s_%s-%zu", dir, t->peer.name.host, t->peer.name.port, worker);
    if (n < 0 || (size_t)n >= size)
        return -ENAMETOOLONG;
    for (char *p = out + strlen(dir) + 1; *p; p++)
        if (*p == '/' || *p == ':' || *p == '%')
            *p = '_';
    return 0;
}

/* Nobody would send what is left in the folder of a connection that there is no more. */
static int check_others(const struct tcp *t, const char *dir, size_t workers, struct err *err)
{
    char folder[PATH_MAX];
    for (size_t i = workers; i < CONN_SET_MAX; i++)
        if (spool_folder(folder, sizeof(folder), t, dir, i) == 0 && access(folder, F_OK) == 0)
            return err_usage(
                err,
                "--output-tcp-spool: %s holds messages of a run with more connections: "
                "start with --output-tcp-workers %zu until it is gone",
                folder, i + 1);
    return 0;
}

static int add_conn(struct tcp *t, const struct options *o, size_t workers, struct err *err)
{
    const char *dir = options_string(o, "output-tcp-spool");
    char folder[PATH_MAX];
    struct spool_config spool = {.out = &t->base, .tag = t->peer.tag};
    struct relay_conn_config config = {
        .out = &t->base,
        .peer = &t->peer,
        .worker = t->conns.n,
        .workers = workers,
        .zstd = strcmp(options_string(o, "output-tcp-compress"), "zstd") == 0};
    spool.max_bytes = MEMORY_BYTES / workers > MIB ? MEMORY_BYTES / workers : MIB;
    int r = 0;
    if (*dir) {
        spool.folder = folder;
        spool.sync = t->sync;
        spool.max_bytes = options_size(o, "output-tcp-spool-size") / workers;
        r = spool_folder(folder, sizeof(folder), t, dir, config.worker);
    }
    if (r < 0)
        return err_sys(err, -r, "--output-tcp-spool %s", dir);
    r = spool_open(&config.spool, &spool, err);
    if (r < 0)
        return r;
    r = relay_conn_new(&t->conns.conns[t->conns.n], &config);
    if (r < 0) {
        spool_close(config.spool);
        return err_sys(err, -r, "--output-tcp");
    }
    t->conns.n++;
    return 0;
}

static int check_built(const struct options *o, struct err *err)
{
    if (strcmp(options_string(o, "output-tcp-compress"), "zstd") != 0 || relay_pack_is_built())
        return 0;
    return err_usage(err, "--output-tcp-compress zstd: this refrain was built without libzstd");
}

static int set_up(struct tcp *t, const struct output_args *args, struct err *err)
{
    size_t workers = 0;
    const char *dir = options_string(args->options, "output-tcp-spool");
    int r = conn_set_workers(&workers, args->options, "output-tcp-workers", 0, err);
    if (r == 0)
        r = tcp_peer_init(&t->peer, "output-tcp", args->address, err);
    if (r == 0)
        r = check_built(args->options, err);
    if (r == 0)
        r = tls_of_sender(&t->tls, args->options, err);
    t->peer.tls = t->tls;
    if (r == 0 && *dir)
        r = check_others(t, dir, workers, err);
    if (r == 0 && *dir && (r = file_sync_new(&t->sync)) < 0)
        err_sys(err, -r, "--output-tcp-spool");
    while (r == 0 && t->conns.n < workers)
        r = add_conn(t, args->options, workers, err);
    return r;
}

static void tcp_needs(struct needs *needs, const struct output_args *args)
{
    const char *spool = options_string(args->options, "output-tcp-spool");
    tcp_peer_needs(needs, "output-tcp", args->address);
    char inside[PATH_MAX]; /* its files */
    if (*spool && snprintf(inside, sizeof(inside), "%s/", spool) < (int)sizeof(inside))
        needs_path(needs, NEED_MAKE, "output-tcp-spool", inside);
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
    struct tcp *t = container_of(out, struct tcp, base);
    conn_set_poll(&t->conns, wake_fd, timeout_ms);
    int fault = t->sync ? file_sync_fault(t->sync) : 0;
    if (fault != 0)
        log_error(t->peer.tag, "what was spooled may not be on the disk: fsync: %s",
                  err_text(fault));
}

static enum output_result tcp_flush(struct output *out)
{
    return conn_set_flush(&container_of(out, struct tcp, base)->conns);
}

const struct output_ops output_tcp = {
    .option = "output-tcp",
    .needs = tcp_needs,
    .open = tcp_open,
    .write = tcp_write,
    .poll = tcp_poll,
    .flush = tcp_flush,
    .close = tcp_close,
};
