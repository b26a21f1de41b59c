/* SPDX-License-Identifier: MIT */
/* Connections opened by libcurl: names, proxies from the environment, and TLS are its business
 * (CURLOPT_CONNECT_ONLY), all of it without waiting. What goes over a connection is ours: its
 * socket is taken over, unless there is TLS to the target or to the proxy; then bytes pass through
 * libcurl. Owned by the output's thread. */
#pragma once

#include <sys/types.h>

#include "lib/base.h"
#include "lib/err.h"
#include "outputs/http_target.h"
#include "outputs/http_tls.h"

struct http_dialer_config {
    const struct http_target *target; /* borrowed */
    int epfd; /* sockets of attempts are watched here, with http_event() as data */
    int64_t timeout_ns; /* of one attempt */
    struct http_tls tls;
};

/* epoll's data: whose event it is, and of which socket. */
static inline uint64_t http_event(uint32_t slot, int fd)
{
    return (uint64_t)slot << 32 | (uint32_t)fd;
}
static inline uint32_t http_event_slot(uint64_t data)
{
    return (uint32_t)(data >> 32);
}
static inline int http_event_fd(uint64_t data)
{
    return (int)(uint32_t)data;
}

/* What holds for every libcurl handle (a CURL *) that connects to the target, however it goes on:
 * address, proxies, times, certificates. */
bool http_dial_set_up(void *easy, const struct http_dialer_config *config);
/* Does a CURLcode mean that TLS failed? */
bool http_dial_is_tls(int result);

struct http_dialer;
struct http_dial;

MUST_CHECK int http_dialer_new(struct http_dialer **dialerp,
                               const struct http_dialer_config *config);
/* Do the bytes of its connections pass through libcurl? */
bool http_dialer_carries(const struct http_dialer *dialer);
/* After all its dials. */
void http_dialer_free(struct http_dialer *dialer);

/* Begins an attempt, whose sockets are watched as slot. NULL: no memory. */
MUST_CHECK struct http_dial *http_dial_start(struct http_dialer *dialer, uint32_t slot);
/* Ends an attempt, or the connection that lives on it. NULL is fine. */
void http_dial_free(struct http_dial *dial);

enum dial_result {
    DIAL_PENDING = 0,
    DIAL_UP = 1, /* http_dial_take() is next */
    DIAL_FAILED = 2, /* http_dial_error() says why */
};

/* Goes on: fd with its epoll events, or -1 because the time has come. */
enum dial_result http_dial_step(struct http_dial *dial, int fd, uint32_t events);
/* CLOCK_MONOTONIC: when the next step is due; INT64_MAX: never. */
int64_t http_dial_due_ns(const struct http_dial *dial);
/* Why the attempt, or the last send or receive, has failed. Lives until the next call. */
const char *http_dial_error(struct http_dial *dial);
/* Did the attempt fail because of TLS: a certificate that is refused, a handshake that breaks? */
bool http_dial_failed_tls(const struct http_dial *dial);

/* The socket of the connection, which the caller watches from now on, or -errno. It is the
 * caller's, and the dial has nothing more to do with it: free it. When the dialer carries the
 * bytes, the socket stays the dial's: use the two functions below. */
int http_dial_take(struct http_dial *dial);

/* As send(2) and recv(2), but -errno; -EAGAIN: wait for the socket; -EPROTO: a TLS alert. */
ssize_t http_dial_send(struct http_dial *dial, const void *bytes, size_t n);
ssize_t http_dial_recv(struct http_dial *dial, void *bytes, size_t n);
