/* SPDX-License-Identifier: MIT */
/* TCP addresses and sockets: what the relay's two ends share. All sockets are non-blocking and
 * close-on-exec. Any thread; nothing is kept between calls. */
#pragma once

#include <sys/socket.h>

#include "lib/base.h"
#include "lib/err.h"

#define NET_HOST_MAX 255 /* RFC 1035, 2.3.4 */

/* "host:port", "1.2.3.4:port", "[v6]:port" or ":port"; to listen, "*:port" too. */
struct net_name {
    char host[NET_HOST_MAX + 1]; /* without brackets; "" when only a port was given */
    char port[6]; /* decimal, 0-65535 */
};

/* option ("output-tcp") is for the message. 0 or -EINVAL with err. */
MUST_CHECK int net_parse(struct net_name *name, const char *option, const char *text,
                         struct err *err);

struct net_addr {
    struct sockaddr_storage ss;
    socklen_t len;
};

#define NET_ADDRS_MAX 16

struct net_addrs {
    size_t n; /* at least 1 after net_resolve() */
    struct net_addr addr[NET_ADDRS_MAX];
};

/* The addresses of name to connect to, best first; an empty host is this machine. May ask DNS, so
 * it may wait for seconds. 0, or -EINVAL with err when there are none. */
MUST_CHECK int net_resolve(struct net_addrs *addrs, const struct net_name *name, const char *option,
                           struct err *err);

/* Listens on every address of name, into fds (room for max); an empty host is this machine alone,
 * "*" all of its addresses, both IPv4 and IPv6. Returns how many sockets were opened, or -errno
 * with err. */
MUST_CHECK int net_listen(int *fds, size_t max, const struct net_name *name, const char *option,
                          struct err *err);

/* Can only this machine connect to that listener? */
bool net_is_local(int fd);

/* Who is at the other end of fd: "1.2.3.4:5", or "somebody". */
#define NET_PEER_MAX 80
void net_peer(char *out, int fd);

/* Starts to connect. The socket, which becomes writable when the outcome is known, or -errno. */
MUST_CHECK int net_connect(const struct net_addr *addr);
/* The outcome: 0, or the errno of the failure (never negative). */
int net_connect_outcome(int fd);

/* How long to wait before the next attempt: first_ns, doubled with each failure up to max_ns.
 * Times are CLOCK_MONOTONIC. */
struct backoff {
    int64_t first_ns, max_ns;
    int64_t delay_ns; /* of the next failure */
    int64_t until_ns; /* no attempt before then */
};

void backoff_init(struct backoff *b, int64_t first_ns, int64_t max_ns);
void backoff_failed(struct backoff *b, int64_t now_ns);
void backoff_worked(struct backoff *b);
/* Nanoseconds until the next attempt may start; 0: now. */
int64_t backoff_left_ns(const struct backoff *b, int64_t now_ns);
