/* SPDX-License-Identifier: MIT */
/* input-dummy: once a second a request and its response, to try outputs with. The input to copy. */
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>

#include "capture/inputs.h"
#include "lib/clock.h"
#include "lib/mem.h"

struct dummy {
    struct input base;
    int stop_fd;
    int64_t next_ns; /* CLOCK_MONOTONIC */
    uint64_t count;
};

static int dummy_open(struct input **inp, const struct input_args *args, struct err *err)
{
    struct dummy *d = mem_zalloc(MEM_IO, sizeof(*d));
    if (!d)
        return err_sys(err, ENOMEM, "--input-dummy");
    d->base.ops = &input_dummy;
    d->stop_fd = args->stop_fd;
    d->next_ns = clock_mono_ns();
    *inp = &d->base;
    return 0;
}

static void put(struct dummy *d, struct sink *sink, enum msg_type type, const char *payload)
{
    struct msg *msg = msg_new(strlen(payload));
    if (!msg)
        return; /* nothing was on any wire */
    msg->type = (uint8_t)type;
    msg->id_len = (uint8_t)snprintf(msg->id, sizeof(msg->id), "%024" PRIx64, d->count);
    msg->ts_ns = clock_wall_ns();
    msg->len = strlen(payload);
    memcpy(msg->bytes, payload, msg->len);
    msg_parse_head(msg);
    msg_set_conn(msg);
    sink_put(sink, msg);
}

static int dummy_poll(struct input *in, struct sink *sink, int timeout_ms, struct err *err)
{
    struct dummy *d = container_of(in, struct dummy, base);
    int64_t wait_ms = (d->next_ns - clock_mono_ns() + NS_PER_MS - 1) / NS_PER_MS;
    struct pollfd stop = {.fd = d->stop_fd, .events = POLLIN};
    (void)err; /* cannot fail */
    if (wait_ms > 0) {
        poll(&stop, 1, wait_ms < timeout_ms ? (int)wait_ms : timeout_ms);
        return INPUT_MORE;
    }
    put(d, sink, MSG_REQUEST, "GET / HTTP/1.1\r\nHost: dummy\r\nUser-Agent: refrain\r\n\r\n");
    put(d, sink, MSG_RESPONSE, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    d->count++;
    d->next_ns += NS_PER_S;
    return INPUT_MORE;
}

static void dummy_close(struct input *in)
{
    if (in)
        mem_free(container_of(in, struct dummy, base));
}

const struct input_ops input_dummy = {
    .option = "input-dummy",
    .live = true,
    .open = dummy_open,
    .poll = dummy_poll,
    .close = dummy_close,
};
