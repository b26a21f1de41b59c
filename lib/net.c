/* SPDX-License-Identifier: MIT */
#include "lib/net.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "lib/span.h"

#define LISTEN_BACKLOG 256

static bool parse_port(const char *text, struct net_name *name)
{
    unsigned long n = 0;
    size_t len = strlen(text);
    if (len == 0 || len >= sizeof(name->port))
        return false;
    for (size_t i = 0; i < len; i++) {
        if (text[i] < '0' || text[i] > '9')
            return false;
        n = n * 10 + (unsigned long)(text[i] - '0');
    }
    memcpy(name->port, text, len + 1);
    return n <= UINT16_MAX;
}

/* Where the port's ':' stands, with the host in *host; NULL when there is none, or when the colons
 * could be those of an IPv6 address without brackets. */
static const char *split_host(const char *text, struct span *host)
{
    const char *colon;
    if (text[0] == '[') {
        const char *end = strchr(text, ']');
        if (!end || end == text + 1 || end[1] != ':')
            return NULL;
        *host = span_of(text + 1, (size_t)(end - text - 1));
        return end + 1;
    }
    colon = strrchr(text, ':');
    if (!colon || strchr(text, ':') != colon)
        return NULL;
    *host = span_of(text, (size_t)(colon - text));
    return colon;
}

int net_parse(struct net_name *name, const char *option, const char *text, struct err *err)
{
    struct net_name found = {0};
    struct span host = {0};
    if (strstr(text, "://"))
        return err_usage(err, "--%s \"%s\": an address is wanted, not a URL (write HOST:PORT)",
                         option, text);
    const char *colon = split_host(text, &host);
    if (!colon)
        return err_usage(err, "--%s \"%s\": no port (write HOST:PORT, [IPV6]:PORT or :PORT)",
                         option, text);
    if (!parse_port(colon + 1, &found))
        return err_usage(err, "--%s \"%s\": \"%s\" is no port (a number up to 65535 is wanted)",
                         option, text, colon + 1);
    if (host.len > NET_HOST_MAX)
        return err_usage(err, "--%s \"%s\": the host name is longer than %d bytes", option, text,
                         NET_HOST_MAX);
    memcpy(found.host, host.ptr, host.len);
    *name = found;
    return 0;
}

/* getaddrinfo(3) for name; on success *list is the caller's to free. */
static int look_up(struct addrinfo **list, const struct net_name *name, int flags,
                   const char *option, struct err *err)
{
    struct addrinfo hints = {
        .ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV | flags};
    int r = getaddrinfo(name->host[0] ? name->host : NULL, name->port, &hints, list);
    if (r == EAI_SYSTEM || r == EAI_MEMORY)
        return err_sys(err, r == EAI_MEMORY ? ENOMEM : errno,
                       "--%s \"%s:%s\": cannot look up the host", option, name->host, name->port);
    if (r != 0)
        return err_usage(err, "--%s \"%s:%s\": cannot look up the host: %s", option, name->host,
                         name->port, gai_strerror(r));
    return 0;
}

int net_resolve(struct net_addrs *addrs, const struct net_name *name, const char *option,
                struct err *err)
{
    struct addrinfo *list = NULL;
    if (strspn(name->port, "0") == strlen(name->port))
        return err_usage(err, "--%s \"%s:%s\": port 0 cannot be connected to", option, name->host,
                         name->port);
    int r = look_up(&list, name, 0, option, err);
    if (r < 0)
        return r;
    addrs->n = 0;
    for (struct addrinfo *a = list; a && addrs->n < NET_ADDRS_MAX; a = a->ai_next) {
        struct net_addr *addr = &addrs->addr[addrs->n++];
        memcpy(&addr->ss, a->ai_addr, a->ai_addrlen);
        addr->len = a->ai_addrlen;
    }
    freeaddrinfo(list);
    return 0;
}

/* One listening socket, or -errno. */
static int listen_on(const struct sockaddr *sa, socklen_t len, bool v6_only)
{
    int one = 1, only = v6_only;
    int fd = socket(sa->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd == -1)
        return -errno;
    if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) == -1 ||
        (sa->sa_family == AF_INET6 &&
         setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &only, sizeof(only)) == -1) ||
        bind(fd, sa, len) == -1 || listen(fd, LISTEN_BACKLOG) == -1) {
        int errnum = errno;
        close(fd);
        return -errnum;
    }
    return fd;
}

static int listen_everywhere(const struct net_name *name)
{
    unsigned port = 0;
    for (const char *p = name->port; *p; p++)
        port = port * 10 + (unsigned)(*p - '0');
    struct sockaddr_in6 six = {.sin6_family = AF_INET6, .sin6_port = htons((uint16_t)port)};
    int fd = listen_on((struct sockaddr *)&six, sizeof(six), false);
    if (fd != -EAFNOSUPPORT && fd != -EADDRNOTAVAIL)
        return fd;
    struct sockaddr_in four = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    return listen_on((struct sockaddr *)&four, sizeof(four), false);
}

static int listen_error(int errnum, const struct net_name *name, const char *option,
                        struct err *err)
{
    if (errnum == EADDRINUSE)
        return err_sys(err, errnum,
                       "--%s \"%s:%s\": cannot listen (another program has this port: stop it or "
                       "choose another)",
                       option, name->host, name->port);
    if (errnum == EACCES) {
        err_permission(err,
                       "--%s \"%s:%s\": cannot listen: ports below 1024 need CAP_NET_BIND_SERVICE",
                       option, name->host, name->port);
        return -EACCES;
    }
    return err_sys(err, errnum, "--%s \"%s:%s\": cannot listen", option, name->host, name->port);
}

int net_listen(int *fds, size_t max, const struct net_name *name, const char *option,
               struct err *err)
{
    assert(max > 0);
    if (strcmp(name->host, "*") == 0) {
        int fd = listen_everywhere(name);
        if (fd < 0)
            return listen_error(-fd, name, option, err);
        fds[0] = fd;
        return 1;
    }
    struct addrinfo *list = NULL;
    int r = look_up(&list, name, 0, option, err);
    if (r < 0)
        return r;
    size_t n = 0;
    for (struct addrinfo *a = list; a && n < max && r >= 0; a = a->ai_next) {
        r = listen_on(a->ai_addr, a->ai_addrlen, true);
        if (r >= 0)
            fds[n++] = r;
        else if (r == -EAFNOSUPPORT || (r == -EADDRNOTAVAIL && (a->ai_next || n > 0)))
            r = 0; /* a family that this machine does not have */
    }
    freeaddrinfo(list);
    if (r >= 0 && n == 0)
        r = -EADDRNOTAVAIL;
    if (r >= 0)
        return (int)n;
    while (n > 0)
        close(fds[--n]);
    return listen_error(-r, name, option, err);
}

bool net_is_local(int fd)
{
    struct sockaddr_storage ss = {.ss_family = AF_UNSPEC};
    socklen_t len = sizeof(ss);
    if (getsockname(fd, (struct sockaddr *)&ss, &len) == -1)
        return false;
    if (ss.ss_family == AF_INET)
        return ntohl(((struct sockaddr_in *)&ss)->sin_addr.s_addr) >> 24 == IN_LOOPBACKNET;
    return memcmp(&((struct sockaddr_in6 *)&ss)->sin6_addr, &in6addr_loopback,
                  sizeof(in6addr_loopback)) == 0;
}

void net_peer(char *out, int fd)
{
    struct sockaddr_storage ss = {.ss_family = AF_UNSPEC};
    socklen_t len = sizeof(ss);
    char host[64], port[8];
    bool known = getpeername(fd, (struct sockaddr *)&ss, &len) == 0 &&
                 getnameinfo((struct sockaddr *)&ss, len, host, sizeof(host), port, sizeof(port),
                             NI_NUMERICHOST | NI_NUMERICSERV) == 0;
    if (!known)
        snprintf(out, NET_PEER_MAX, "somebody");
    else
        snprintf(out, NET_PEER_MAX, ss.ss_family == AF_INET6 ? "[%s]:%s" : "%s:%s", host, port);
}

int net_connect(const struct net_addr *addr)
{
    int one = 1;
    int fd = socket(addr->ss.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd == -1)
        return -errno;
    /* both are comforts: a connection without them still works */
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    (void)setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &one, sizeof(one));
    if (connect(fd, (const struct sockaddr *)&addr->ss, addr->len) == -1 && errno != EINPROGRESS) {
        int errnum = errno;
        close(fd);
        return -errnum;
    }
    return fd;
}

int net_connect_outcome(int fd)
{
    int errnum = 0;
    socklen_t len = sizeof(errnum);
    if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &errnum, &len) == -1)
        return errno;
    return errnum;
}

void backoff_init(struct backoff *b, int64_t first_ns, int64_t max_ns)
{
    assert(first_ns > 0 && max_ns >= first_ns);
    *b = (struct backoff){.first_ns = first_ns, .max_ns = max_ns, .delay_ns = first_ns};
}

void backoff_failed(struct backoff *b, int64_t now_ns)
{
    b->until_ns = now_ns + b->delay_ns;
    b->delay_ns = b->delay_ns > b->max_ns / 2 ? b->max_ns : b->delay_ns * 2;
}

void backoff_worked(struct backoff *b)
{
    b->delay_ns = b->first_ns;
    b->until_ns = 0;
}

int64_t backoff_left_ns(const struct backoff *b, int64_t now_ns)
{
    return b->until_ns > now_ns ? b->until_ns - now_ns : 0;
}
