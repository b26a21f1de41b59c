/* SPDX-License-Identifier: MIT */
#include "cmd/metrics_server.h"

#include <errno.h>
#include <microhttpd.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "cmd/metrics_text.h"
#include "lib/clock.h"
#include "lib/log.h"
#include "lib/mem.h"
#include "lib/net.h"

#define OPTION "metrics-address"
#define TAG "metrics"
#define LISTENERS_MAX 8
/* Room for those that were shut down and are not closed yet. */
#define CONNECTIONS_MAX (2 * SERVER_CONNECTIONS)

struct connection {
    int fd; /* -1: free */
    int64_t since_ns;
    struct in6_addr from; /* of IPv4 in the first bytes */
};

/* A socket and the thread that serves it, which owns all of it. */
struct listener {
    struct view *view;
    int fd; /* -1: closed */
    struct MHD_Daemon *daemon; /* NULL: it is not served; it has fd from then on */
    struct connection connections[CONNECTIONS_MAX];
    struct MHD_Response *metrics; /* shared by those who asked lately; NULL: none */
    int64_t made_ns; /* that */
};

struct metrics_server {
    size_t n;
    struct listener listeners[LISTENERS_MAX];
};

/* --- the sockets --- */

int metrics_server_check(const char *address, struct err *err)
{
    struct net_name name;
    return net_parse(&name, OPTION, address, err);
}

/* Who is told nothing secret, but how much there is of everything. */
static void say_open(const struct metrics_server *s, const char *address)
{
    for (size_t i = 0; i < s->n; i++)
        if (!net_is_local(s->listeners[i].fd)) {
            log_info(TAG, "at http://%s/metrics, for everybody who can reach that", address);
            return;
        }
    log_info(TAG, "at http://%s%s/metrics, on this machine", *address == ':' ? "localhost" : "",
             address);
}

int metrics_server_open(struct metrics_server **serverp, const char *address, struct err *err)
{
    struct net_name name;
    int fds[LISTENERS_MAX];
    int n = net_parse(&name, OPTION, address, err);
    if (n < 0)
        return n;
    struct metrics_server *s = mem_zalloc(MEM_OTHER, sizeof(*s));
    if (!s)
        return err_sys(err, ENOMEM, "--" OPTION);
    n = net_listen(fds, ARRAY_LEN(fds), &name, OPTION, err);
    if (n < 0) {
        mem_free(s);
        return n;
    }
    s->n = (size_t)n;
    for (size_t i = 0; i < s->n; i++) {
        s->listeners[i].fd = fds[i];
        for (size_t k = 0; k < CONNECTIONS_MAX; k++)
            s->listeners[i].connections[k].fd = -1;
    }
    say_open(s, address);
    *serverp = s;
    return 0;
}

/* --- connections --- */

static struct in6_addr address_of(int fd)
{
    struct sockaddr_storage ss = {.ss_family = AF_UNSPEC};
    socklen_t len = sizeof(ss);
    struct in6_addr from = {.s6_addr = {0}};
    if (getpeername(fd, (struct sockaddr *)&ss, &len) < 0)
        return from;
    if (ss.ss_family == AF_INET6)
        return ((const struct sockaddr_in6 *)&ss)->sin6_addr;
    memcpy(&from, &((const struct sockaddr_in *)&ss)->sin_addr, sizeof(struct in_addr));
    return from;
}

/* libmicrohttpd sees that it is over, and closes it. */
static void end(struct connection *c)
{
    shutdown(c->fd, SHUT_RDWR);
    c->fd = -1;
}

/* Ends those that are too old, and of those from the same address, and of all, the oldest ones that
 * are too many. */
static void make_room(struct listener *l, const struct in6_addr *from, int64_t now_ns)
{
    struct connection *oldest = NULL, *oldest_same = NULL;
    size_t n = 0, n_same = 0;
    for (size_t i = 0; i < CONNECTIONS_MAX; i++) {
        struct connection *c = &l->connections[i];
        if (c->fd != -1 && now_ns - c->since_ns >= SERVER_LIFE_NS)
            end(c);
        if (c->fd == -1)
            continue;
        n++;
        if (!oldest || c->since_ns < oldest->since_ns)
            oldest = c;
        if (memcmp(&c->from, from, sizeof(*from)) != 0)
            continue;
        n_same++;
        if (!oldest_same || c->since_ns < oldest_same->since_ns)
            oldest_same = c;
    }
    if (n_same >= SERVER_SAME)
        end(oldest_same);
    else if (n >= SERVER_CONNECTIONS)
        end(oldest);
}

static void connection_begins(struct listener *l, int fd)
{
    int64_t now_ns = clock_mono_ns();
    struct in6_addr from = address_of(fd);
    make_room(l, &from, now_ns);
    for (size_t i = 0; i < CONNECTIONS_MAX; i++)
        if (l->connections[i].fd == -1) {
            l->connections[i] = (struct connection){.fd = fd, .since_ns = now_ns, .from = from};
            return;
        }
}

static void connection_ended(struct listener *l, int fd)
{
    for (size_t i = 0; i < CONNECTIONS_MAX; i++)
        if (l->connections[i].fd == fd)
            l->connections[i].fd = -1;
}

static void note_connection(void *arg, struct MHD_Connection *connection, void **socket_context,
                            enum MHD_ConnectionNotificationCode what)
{
    (void)socket_context;
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
    if (info && what == MHD_CONNECTION_NOTIFY_STARTED)
        connection_begins(arg, info->connect_fd);
    else if (info)
        connection_ended(arg, info->connect_fd);
}

/* --- answers --- */

/* The response with its head; NULL: no memory. Takes response, which may be NULL. */
static struct MHD_Response *with_head(struct MHD_Response *response, const char *type)
{
    if (!response)
        return NULL;
    if (MHD_add_response_header(response, "Content-Type", type) == MHD_YES &&
        MHD_add_response_header(response, "Connection", "close") == MHD_YES)
        return response;
    MHD_destroy_response(response);
    return NULL;
}

static struct MHD_Response *make_metrics(struct view *view)
{
    char *text = NULL;
    size_t len = 0;
    if (metrics_text(&text, &len, view) < 0)
        return NULL;
    struct MHD_Response *response =
        MHD_create_response_from_buffer(len, text, MHD_RESPMEM_MUST_FREE);
    if (!response)
        free(text);
    return with_head(response, "text/plain; version=0.0.4; charset=utf-8");
}

/* MHD_NO, here and below: no memory, and the connection is closed. */
static enum MHD_Result answer_metrics(struct listener *l, struct MHD_Connection *connection)
{
    int64_t now_ns = clock_mono_ns();
    if (l->metrics && now_ns - l->made_ns >= SERVER_FRESH_NS) {
        MHD_destroy_response(l->metrics); /* who is being told it has a reference */
        l->metrics = NULL;
    }
    if (!l->metrics) {
        l->metrics = make_metrics(l->view);
        l->made_ns = now_ns;
    }
    return l->metrics ? MHD_queue_response(connection, MHD_HTTP_OK, l->metrics) : MHD_NO;
}

static enum MHD_Result answer_text(struct MHD_Connection *connection, unsigned status,
                                   const char *text)
{
    enum MHD_Result r = MHD_YES;
    struct MHD_Response *response =
        with_head(MHD_create_response_from_buffer(strlen(text), (void *)(uintptr_t)text,
                                                  MHD_RESPMEM_PERSISTENT),
                  "text/plain; charset=utf-8");
    if (!response)
        return MHD_NO;
    if (status == MHD_HTTP_METHOD_NOT_ALLOWED)
        r = MHD_add_response_header(response, "Allow", "GET, HEAD");
    if (r == MHD_YES)
        r = MHD_queue_response(connection, status, response);
    MHD_destroy_response(response);
    return r;
}

static bool is_ready(struct view *view)
{
    pthread_mutex_lock(&view->lock);
    bool ready = view_is_ready(view);
    pthread_mutex_unlock(&view->lock);
    return ready;
}

/* NOLINTNEXTLINE(readability-function-size): libmicrohttpd calls it with so many */
static enum MHD_Result handle(void *arg, struct MHD_Connection *connection, const char *url,
                              const char *method, const char *version, const char *upload,
                              size_t *upload_len, void **context)
{
    struct listener *l = arg;
    (void)version, (void)upload, (void)upload_len, (void)context;
    if (strcmp(method, "GET") != 0 && strcmp(method, "HEAD") != 0)
        return answer_text(connection, MHD_HTTP_METHOD_NOT_ALLOWED, "GET or HEAD\n");
    if (strcmp(url, "/metrics") == 0)
        return answer_metrics(l, connection);
    if (strcmp(url, "/healthz") == 0)
        return view_is_alive(l->view, clock_mono_ns())
                   ? answer_text(connection, MHD_HTTP_OK, "alive\n")
                   : answer_text(connection, MHD_HTTP_SERVICE_UNAVAILABLE, "the main loop hangs\n");
    if (strcmp(url, "/readyz") == 0)
        return is_ready(l->view) ? answer_text(connection, MHD_HTTP_OK, "ready\n")
                                 : answer_text(connection, MHD_HTTP_SERVICE_UNAVAILABLE,
                                               "not ready: it drains, or is paused\n");
    return answer_text(connection, MHD_HTTP_NOT_FOUND, "/metrics, /healthz or /readyz\n");
}

/* --- serving --- */

static struct MHD_Daemon *start_daemon(struct listener *l)
{
    return MHD_start_daemon(
        MHD_USE_EPOLL_INTERNAL_THREAD, 0, NULL, NULL, handle, l, MHD_OPTION_LISTEN_SOCKET, l->fd,
        MHD_OPTION_NOTIFY_CONNECTION, note_connection, l, MHD_OPTION_CONNECTION_LIMIT,
        (unsigned)CONNECTIONS_MAX, MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)SERVER_REQUEST_MAX,
        MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)(SERVER_LIFE_NS / NS_PER_S), MHD_OPTION_END);
}

int metrics_server_start(struct metrics_server *s, struct view *view, struct err *err)
{
    sigset_t all, old;
    int r = 0;
    sigfillset(&all); /* signals are the main thread's */
    pthread_sigmask(SIG_SETMASK, &all, &old);
    for (size_t i = 0; i < s->n && r == 0; i++) {
        struct listener *l = &s->listeners[i];
        l->view = view;
        errno = 0; /* libmicrohttpd does not promise to set it */
        l->daemon = start_daemon(l);
        if (!l->daemon)
            r = err_sys(err, errno ? errno : ENOMEM, "--" OPTION ": cannot serve");
    }
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    return r;
}

void metrics_server_stop(struct metrics_server *s)
{
    for (size_t i = 0; s && i < s->n; i++) {
        struct listener *l = &s->listeners[i];
        if (!l->daemon)
            continue;
        MHD_stop_daemon(l->daemon); /* closes fd */
        l->daemon = NULL;
        l->fd = -1;
        if (l->metrics)
            MHD_destroy_response(l->metrics);
        l->metrics = NULL;
    }
}

void metrics_server_close(struct metrics_server *s)
{
    if (!s)
        return;
    metrics_server_stop(s);
    for (size_t i = 0; i < s->n; i++)
        if (s->listeners[i].fd != -1)
            close(s->listeners[i].fd);
    mem_free(s);
}
