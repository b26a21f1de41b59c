/* SPDX-License-Identifier: MIT */
#include "tests/unit/http_server.h"

#include <arpa/inet.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "lib/http.h"

#define MAX_REQUEST ((size_t)8 * 1024 * 1024)
#define SLOW_MS 300

struct seen {
    char *bytes; /* the request as it came */
    size_t len;
};

/* What follows lock is for its holder. */
struct http_server {
    uint16_t port;
    int listener;
    pthread_t thread;
    pthread_mutex_t lock;
    unsigned n_connections, n_open, most_open;
    int open_fds[2048]; /* -1: free */
    struct seen *seen;
    size_t n_seen;
};

struct connection {
    struct http_server *server;
    int fd;
    size_t slot;
    char *bytes;
    size_t len;
};

/* What comes after an answer. */
enum next {
    NEXT_REQUEST = 0,
    NEXT_CLOSE = 1,
};

static void say(int fd, const char *text)
{
    size_t len = strlen(text);
    while (len > 0) {
        ssize_t n = send(fd, text, len, MSG_NOSIGNAL);
        if (n <= 0)
            return;
        text += n;
        len -= (size_t)n;
    }
}

static void nap(long ms)
{
    nanosleep(&(struct timespec){.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000}, NULL);
}

static enum next big(int fd)
{
    static char body[1024 * 1024 + 1];
    memset(body, 'b', sizeof(body) - 1);
    say(fd, "HTTP/1.1 200 OK\r\nContent-Length: 1048576\r\n\r\n");
    say(fd, body);
    return NEXT_REQUEST;
}

static enum next reset(int fd)
{
    struct linger now = {.l_onoff = 1};
    say(fd, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhal");
    nap(20);
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
    return NEXT_CLOSE;
}

static enum next in_drops(int fd)
{
    const char *answer = "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nTransfer-Encoding: "
                         "chunked\r\n\r\n3;x=\"y\"\r\nabc\r\n0\r\nDigest: z\r\n\r\n";
    for (; *answer; answer++) {
        if (send(fd, answer, 1, MSG_NOSIGNAL) != 1)
            return NEXT_CLOSE;
        nap(1);
    }
    return NEXT_REQUEST;
}

/* Waits until the client gives up. */
static enum next say_nothing(int fd)
{
    char byte;
    while (recv(fd, &byte, 1, 0) > 0)
        ;
    return NEXT_CLOSE;
}

static const struct {
    const char *word, *answer;
    enum next next;
} fixed[] = {
    {"/ok", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", NEXT_REQUEST},
    {"/close", "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok", NEXT_CLOSE},
    {"/until-close", "HTTP/1.1 200 OK\r\n\r\nok until the end", NEXT_CLOSE},
    {"/chunked",
     "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
     "3;x=y\r\nabc\r\n0\r\nDigest: z\r\n\r\n",
     NEXT_REQUEST},
    {"/204", "HTTP/1.1 204 No Content\r\n\r\n", NEXT_REQUEST},
    {"/304", "HTTP/1.1 304 Not Modified\r\nContent-Length: 1000\r\n\r\n", NEXT_REQUEST},
    {"/head", "HTTP/1.1 404 Not Found\r\nContent-Length: 1000\r\n\r\n", NEXT_REQUEST},
    {"/continue",
     "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n"
     "HTTP/1.1 301 Moved Permanently\r\nContent-Length: 0\r\n\r\n",
     NEXT_REQUEST},
    {"/500", "HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\n\r\n", NEXT_REQUEST},
    {"/half", "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf", NEXT_CLOSE},
    {"/garbage", "220 mail.example.org ESMTP\r\n\r\n", NEXT_REQUEST},
    {"/extra",
     "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n",
     NEXT_REQUEST},
    {"/http10", "HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok", NEXT_CLOSE},
    {"/switch", "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\nframes", NEXT_CLOSE},
    {"/silent", "", NEXT_CLOSE},
};

static bool starts(struct span target, const char *word)
{
    return target.len >= strlen(word) && memcmp(target.ptr, word, strlen(word)) == 0;
}

static enum next answer(int fd, struct span target)
{
    if (starts(target, "/prefix"))
        target = span_from(target, strlen("/prefix"));
    for (size_t i = 0; i < ARRAY_LEN(fixed); i++)
        if (starts(target, fixed[i].word)) {
            say(fd, fixed[i].answer);
            return fixed[i].next;
        }
    if (starts(target, "/slow")) {
        nap(SLOW_MS);
        say(fd, fixed[0].answer);
        return NEXT_REQUEST;
    }
    if (starts(target, "/never"))
        return say_nothing(fd);
    if (starts(target, "/reset"))
        return reset(fd);
    if (starts(target, "/drops"))
        return in_drops(fd);
    if (starts(target, "/big"))
        return big(fd);
    say(fd, "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n");
    return NEXT_REQUEST;
}

static void note(struct connection *c, size_t len)
{
    struct http_server *s = c->server;
    pthread_mutex_lock(&s->lock);
    s->seen = realloc(s->seen, (s->n_seen + 1) * sizeof(*s->seen));
    char *bytes = malloc(len + 1);
    if (!s->seen || !bytes)
        abort();
    memcpy(bytes, c->bytes, len);
    bytes[len] = '\0';
    s->seen[s->n_seen++] = (struct seen){.bytes = bytes, .len = len};
    pthread_mutex_unlock(&s->lock);
}

/* Reads one request; false when the connection has ended. *early: the answer must come before the
 * body. */
static bool read_request(struct connection *c, struct http_view *view, size_t *total, bool *early)
{
    for (;;) {
        size_t n = c->len;
        *early = http_parse_head(HTTP_REQUEST, (uint8_t *)c->bytes, n, view) &&
                 starts(span_of(c->bytes + view->target_off, view->target_len), "/early");
        if (*early ||
            (n > 0 && http_frame(HTTP_REQUEST, (uint8_t *)c->bytes, n, view, total) == HTTP_DONE))
            return true;
        ssize_t got = n < MAX_REQUEST ? recv(c->fd, c->bytes + n, MAX_REQUEST - n, 0) : -1;
        if (got <= 0)
            return false;
        c->len += (size_t)got;
    }
}

static void serve(struct connection *c)
{
    struct http_view view;
    size_t total = 0;
    bool early = false;
    while (read_request(c, &view, &total, &early)) {
        if (early) {
            note(c, view.head_len);
            say(c->fd, "HTTP/1.1 413 Content Too Large\r\nContent-Length: 0\r\n\r\n");
            nap(100);
            return;
        }
        note(c, total);
        if (answer(c->fd, span_of(c->bytes + view.target_off, view.target_len)) == NEXT_CLOSE)
            return;
        c->len -= total;
        memmove(c->bytes, c->bytes + total, c->len);
    }
}

static void *connection_run(void *arg)
{
    struct connection *c = arg;
    struct http_server *s = c->server;
    serve(c);
    pthread_mutex_lock(&s->lock);
    s->open_fds[c->slot] = -1;
    close(c->fd);
    s->n_open--;
    pthread_mutex_unlock(&s->lock);
    free(c->bytes);
    free(c);
    return NULL;
}

static void begin(struct http_server *s, int fd)
{
    struct connection *c = calloc(1, sizeof(*c));
    pthread_t thread;
    if (!c || !(c->bytes = malloc(MAX_REQUEST)))
        abort();
    pthread_mutex_lock(&s->lock);
    while (s->open_fds[c->slot] != -1)
        c->slot++;
    s->open_fds[c->slot] = fd;
    c->server = s;
    c->fd = fd;
    s->n_connections++;
    if (++s->n_open > s->most_open)
        s->most_open = s->n_open;
    pthread_mutex_unlock(&s->lock);
    if (pthread_create(&thread, NULL, connection_run, c) != 0)
        abort();
    pthread_detach(thread);
}

static void *server_run(void *arg)
{
    struct http_server *s = arg;
    for (;;) {
        int fd = accept(s->listener, NULL, NULL);
        if (fd == -1)
            return NULL;
        begin(s, fd);
    }
}

static int listen_on(uint16_t *port)
{
    struct sockaddr_in sin = {.sin_family = AF_INET, .sin_port = htons(*port)};
    socklen_t len = sizeof(sin);
    int one = 1, fd = socket(AF_INET, SOCK_STREAM, 0);
    sin.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) == -1 ||
        bind(fd, (struct sockaddr *)&sin, len) == -1 || listen(fd, 1024) == -1 ||
        getsockname(fd, (struct sockaddr *)&sin, &len) == -1)
        abort();
    *port = ntohs(sin.sin_port);
    return fd;
}

uint16_t http_server_free_port(void)
{
    uint16_t port = 0;
    close(listen_on(&port));
    return port;
}

struct http_server *http_server_start(uint16_t port)
{
    struct http_server *s = calloc(1, sizeof(*s));
    if (!s)
        abort();
    for (size_t i = 0; i < ARRAY_LEN(s->open_fds); i++)
        s->open_fds[i] = -1;
    s->port = port;
    s->listener = listen_on(&s->port);
    pthread_mutex_init(&s->lock, NULL);
    if (pthread_create(&s->thread, NULL, server_run, s) != 0)
        abort();
    return s;
}

void http_server_stop(struct http_server *s)
{
    shutdown(s->listener, SHUT_RDWR); /* wakes accept */
    pthread_join(s->thread, NULL);
    close(s->listener);
    bool open = true;
    while (open) {
        pthread_mutex_lock(&s->lock);
        for (size_t i = 0; i < ARRAY_LEN(s->open_fds); i++)
            if (s->open_fds[i] != -1)
                shutdown(s->open_fds[i], SHUT_RDWR);
        open = s->n_open > 0;
        pthread_mutex_unlock(&s->lock);
        nap(1);
    }
}

void http_server_free(struct http_server *s)
{
    for (size_t i = 0; i < s->n_seen; i++)
        free(s->seen[i].bytes);
    free(s->seen);
    pthread_mutex_destroy(&s->lock);
    free(s);
}

uint16_t http_server_port(const struct http_server *s)
{
    return s->port;
}

unsigned http_server_connections(struct http_server *s)
{
    pthread_mutex_lock(&s->lock);
    unsigned n = s->n_connections;
    pthread_mutex_unlock(&s->lock);
    return n;
}

unsigned http_server_most_open(struct http_server *s)
{
    pthread_mutex_lock(&s->lock);
    unsigned n = s->most_open;
    pthread_mutex_unlock(&s->lock);
    return n;
}

size_t http_server_n_seen(struct http_server *s)
{
    pthread_mutex_lock(&s->lock);
    size_t n = s->n_seen;
    pthread_mutex_unlock(&s->lock);
    return n;
}

const char *http_server_seen(struct http_server *s, size_t i, size_t *len)
{
    pthread_mutex_lock(&s->lock);
    if (i >= s->n_seen)
        abort();
    const char *bytes = s->seen[i].bytes;
    *len = s->seen[i].len;
    pthread_mutex_unlock(&s->lock);
    return bytes;
}
