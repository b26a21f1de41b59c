/* SPDX-License-Identifier: MIT */
#include "outputs/conn_set.h"

#include "lib/clock.h"
#include "lib/hash.h"

int conn_set_workers(size_t *n, const struct options *options, const char *option, size_t if_zero,
                     struct err *err)
{
    int64_t workers = options_int(options, option);
    if (workers == 0 && if_zero > 0)
        workers = (int64_t)if_zero;
    if (workers < 1 || workers > CONN_SET_MAX)
        return err_usage(err, "--%s %lld: a number from %d to %d is wanted", option,
                         (long long)workers, if_zero > 0 ? 0 : 1, CONN_SET_MAX);
    *n = (size_t)workers;
    return 0;
}

void conn_set_fini(struct conn_set *set)
{
    while (set->n > 0) {
        struct conn *conn = set->conns[--set->n];
        conn->ops->free(conn);
    }
}

enum output_result conn_set_write(struct conn_set *set, const struct msg *msg)
{
    size_t i = set->n > 1 ? hash_mix(msg->conn, 0) % set->n : 0;
    return set->conns[i]->ops->put(set->conns[i], msg);
}

static bool step_all(struct conn_set *set, int64_t now_ns)
{
    bool did = false;
    for (size_t i = 0; i < set->n; i++)
        did |= set->conns[i]->ops->step(set->conns[i], now_ns);
    return did;
}

void conn_set_poll(struct conn_set *set, int wake_fd, int timeout_ms)
{
    int64_t now_ns = clock_mono_ns();
    if (step_all(set, now_ns) || timeout_ms == 0)
        return;
    struct pollfd fds[CONN_SET_MAX + 1];
    int64_t wait_ns = timeout_ms * NS_PER_MS;
    for (size_t i = 0; i < set->n; i++)
        set->conns[i]->ops->watch(set->conns[i], now_ns, &fds[i], &wait_ns);
    fds[set->n] = (struct pollfd){.fd = wake_fd, .events = POLLIN};
    /* rounded up: waking before the time would only mean to wait again */
    if (poll(fds, set->n + 1, (int)((wait_ns + NS_PER_MS - 1) / NS_PER_MS)) != -1)
        step_all(set, clock_mono_ns());
}

enum output_result conn_set_flush(struct conn_set *set)
{
    enum output_result r = OUTPUT_DONE;
    int64_t now_ns = clock_mono_ns();
    for (size_t i = 0; i < set->n; i++)
        if (set->conns[i]->ops->flush(set->conns[i], now_ns) == OUTPUT_BUSY)
            r = OUTPUT_BUSY;
    return r;
}
