/* SPDX-License-Identifier: MIT */
#include "cmd/control_server.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "lib/clock.h"
#include "lib/mem.h"

struct client {
    int fd; /* -1: free */
    int64_t heard_ns; /* when it last asked or read something */
    size_t len; /* of line */
    char line[CONTROL_LINE_MAX];
    struct buf out; /* what it has not read yet */
};

struct control_server {
    int fd;
    uid_t uid; /* who opened it */
    struct control_handler handler;
    struct sockaddr_un address;
    dev_t device; /* of the socket that was made */
    ino_t inode;
    struct client clients[CONTROL_CLIENTS];
};

/* --- the socket --- */

static int read_path(struct sockaddr_un *address, const char *path, struct err *err)
{
    *address = (struct sockaddr_un){.sun_family = AF_UNIX};
    size_t len = strlen(path);
    if (len >= sizeof(address->sun_path))
        return err_usage(err, "--control \"%s\": longer than %zu bytes", path,
                         sizeof(address->sun_path) - 1);
    memcpy(address->sun_path, path, len);
    return 0;
}

/* Is there a socket of ours that nobody listens on? */
static int check_stale(const struct sockaddr_un *address, struct err *err)
{
    struct stat st;
    const char *path = address->sun_path;
    if (lstat(path, &st) < 0)
        return err_sys(err, errno, "--control %s", path);
    if (!S_ISSOCK(st.st_mode))
        return err_usage(err, "--control %s: something else than a socket is there", path);
    if (st.st_uid != geteuid())
        return err_usage(err, "--control %s: the socket there belongs to another user", path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd == -1)
        return err_sys(err, errno, "--control %s", path);
    int r = connect(fd, (const struct sockaddr *)address, sizeof(*address));
    int errnum = errno;
    close(fd);
    if (r == 0 || errnum != ECONNREFUSED)
        return err_failure(err, "--control %s: another refrain listens there", path);
    return 0;
}

/* Nobody else may connect, from the first moment on. */
static int bind_private(int fd, const struct sockaddr_un *address)
{
    mode_t old = umask(0177);
    int r = bind(fd, (const struct sockaddr *)address, sizeof(*address));
    int errnum = errno;
    umask(old);
    errno = errnum;
    return r;
}

static int listen_at(struct control_server *s, struct err *err)
{
    const char *path = s->address.sun_path;
    struct stat st;
    int r = bind_private(s->fd, &s->address);
    if (r < 0 && errno == EADDRINUSE) {
        r = check_stale(&s->address, err);
        if (r < 0)
            return r;
        unlink(path);
        r = bind_private(s->fd, &s->address);
    }
    if (r < 0)
        return err_sys(err, errno, "--control %s", path);
    if (stat(path, &st) < 0 || listen(s->fd, CONTROL_CLIENTS) < 0)
        return err_sys(err, errno, "--control %s", path);
    s->device = st.st_dev;
    s->inode = st.st_ino;
    return 0;
}

int control_server_open(struct control_server **serverp, const char *path, struct err *err)
{
    struct control_server *s = mem_zalloc(MEM_OTHER, sizeof(*s));
    if (!s)
        return err_sys(err, ENOMEM, "--control");
    s->uid = geteuid();
    for (size_t i = 0; i < CONTROL_CLIENTS; i++)
        s->clients[i].fd = -1;
    s->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    int r = s->fd == -1 ? err_sys(err, errno, "--control") : read_path(&s->address, path, err);
    if (r == 0)
        r = listen_at(s, err);
    if (r < 0) {
        control_server_close(s);
        return r;
    }
    *serverp = s;
    return 0;
}

void control_server_answer_by(struct control_server *s, const struct control_handler *handler)
{
    s->handler = *handler;
}

/* --- clients --- */

static void drop(struct client *c)
{
    if (c->fd == -1)
        return;
    close(c->fd);
    buf_fini(&c->out);
    *c = (struct client){.fd = -1};
}

void control_server_close(struct control_server *s)
{
    struct stat st;
    if (!s)
        return;
    for (size_t i = 0; i < CONTROL_CLIENTS; i++)
        drop(&s->clients[i]);
    if (s->fd != -1)
        close(s->fd);
    /* unless somebody else's stands there by now */
    if (s->inode != 0 && lstat(s->address.sun_path, &st) == 0 && st.st_dev == s->device &&
        st.st_ino == s->inode)
        unlink(s->address.sun_path);
    mem_free(s);
}

/* Whoever has been silent for longest makes room. */
static struct client *place_for_client(struct control_server *s)
{
    struct client *oldest = &s->clients[0];
    for (size_t i = 0; i < CONTROL_CLIENTS; i++) {
        if (s->clients[i].fd == -1)
            return &s->clients[i];
        if (s->clients[i].heard_ns < oldest->heard_ns)
            oldest = &s->clients[i];
    }
    drop(oldest);
    return oldest;
}

static bool may_ask(const struct control_server *s, int fd)
{
    struct ucred peer;
    socklen_t len = sizeof(peer);
    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) < 0)
        return false;
    return peer.uid == 0 || peer.uid == s->uid || peer.uid == geteuid();
}

static void accept_one(struct control_server *s, int64_t now_ns)
{
    int fd = accept4(s->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd == -1)
        return;
    if (!may_ask(s, fd)) {
        close(fd);
        return;
    }
    struct client *c = place_for_client(s);
    *c = (struct client){.fd = fd, .heard_ns = now_ns};
    buf_init(&c->out, CONTROL_ANSWER_MAX);
}

/* Writes what the client takes. False: it is gone. */
static bool flush(struct client *c, int64_t now_ns)
{
    struct span rest = buf_span(&c->out);
    if (rest.len == 0)
        return true;
    ssize_t n = send(c->fd, rest.ptr, rest.len, MSG_NOSIGNAL);
    if (n < 0)
        return errno == EAGAIN || errno == EINTR;
    buf_consume(&c->out, (size_t)n);
    c->heard_ns = now_ns;
    return true;
}

/* A line without its LF. False: the answer is too long, or there is no memory for it. */
static bool answer(struct control_server *s, struct client *c, struct span line)
{
    struct control_request request;
    static const char begin[] = "{\"ok\":false,\"error\":\"", end[] = "\"}";
    const char *wrong = control_request_parse(&request, line);
    if (!wrong) {
        s->handler.answer(s->handler.arg, &request, &c->out);
        return buf_append(&c->out, "\n", 1) == 0;
    }
    return buf_append(&c->out, begin, strlen(begin)) == 0 &&
           buf_append(&c->out, wrong, strlen(wrong)) == 0 &&
           buf_append(&c->out, end, strlen(end)) == 0 && buf_append(&c->out, "\n", 1) == 0;
}

static bool has_line(const struct client *c)
{
    return memchr(c->line, '\n', c->len) != NULL;
}

/* Is there a line that can be answered without anything more from the client? */
static bool is_ready(const struct client *c)
{
    return c->fd != -1 && has_line(c) && buf_span(&c->out).len == 0;
}

/* Answers one line, so that nobody has all the time. False: the client is done with. */
static bool answer_line(struct control_server *s, struct client *c, int64_t now_ns)
{
    char *end = memchr(c->line, '\n', c->len);
    if (!end)
        return c->len < sizeof(c->line); /* else it is too long */
    size_t len = (size_t)(end - c->line);
    if (!answer(s, c, span_of(c->line, len)))
        return false;
    c->len -= len + 1;
    memmove(c->line, end + 1, c->len);
    return flush(c, now_ns);
}

static bool serve_client(struct control_server *s, struct client *c, int64_t now_ns)
{
    if (!flush(c, now_ns))
        return false;
    if (buf_span(&c->out).len > 0)
        return true;
    if (!has_line(c)) {
        ssize_t n = recv(c->fd, c->line + c->len, sizeof(c->line) - c->len, 0);
        if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
            return false;
        if (n > 0) {
            c->heard_ns = now_ns;
            c->len += (size_t)n;
        }
    }
    return answer_line(s, c, now_ns);
}

size_t control_server_fds(const struct control_server *s, struct pollfd *fds)
{
    size_t n = 0;
    if (!s)
        return 0;
    fds[n++] = (struct pollfd){.fd = s->fd, .events = POLLIN};
    for (size_t i = 0; i < CONTROL_CLIENTS; i++) {
        const struct client *c = &s->clients[i];
        short events = buf_span(&c->out).len > 0 ? POLLOUT : POLLIN;
        if (c->fd != -1)
            fds[n++] = (struct pollfd){.fd = c->fd, .events = events};
    }
    return n;
}

void control_server_serve(struct control_server *s, const struct pollfd *fds, size_t n,
                          int64_t now_ns)
{
    if (!s || n == 0)
        return;
    for (size_t k = 1; k < n; k++)
        for (size_t i = 0; i < CONTROL_CLIENTS; i++)
            if (s->clients[i].fd == fds[k].fd && (fds[k].revents || is_ready(&s->clients[i])) &&
                !serve_client(s, &s->clients[i], now_ns))
                drop(&s->clients[i]);
    for (size_t i = 0; i < CONTROL_CLIENTS; i++)
        if (s->clients[i].fd != -1 && now_ns - s->clients[i].heard_ns >= CONTROL_IDLE_NS)
            drop(&s->clients[i]);
    if (fds[0].revents) /* last: a new one may get the number of one that is gone */
        accept_one(s, now_ns);
}

int64_t control_server_due_ns(const struct control_server *s)
{
    int64_t due_ns = INT64_MAX;
    for (size_t i = 0; s && i < CONTROL_CLIENTS; i++)
        if (is_ready(&s->clients[i]))
            return 0;
        else if (s->clients[i].fd != -1 && s->clients[i].heard_ns + CONTROL_IDLE_NS < due_ns)
            due_ns = s->clients[i].heard_ns + CONTROL_IDLE_NS;
    return due_ns;
}
