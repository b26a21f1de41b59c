/* SPDX-License-Identifier: MIT */
#include "tools/ctl_link.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "lib/buf.h"
#include "lib/clock.h"
#include "lib/control_request.h"

#define ANSWER_MAX (8 << 20)
#define STEP 65536

/* Is the folder that path is in that user's alone? */
static bool is_folder_of(const char *path, uid_t uid)
{
    char folder[sizeof(((struct sockaddr_un *)NULL)->sun_path)] = ".";
    struct stat st;
    const char *slash = strrchr(path, '/');
    if (slash)
        snprintf(folder, sizeof(folder), "%.*s", (int)(slash > path ? slash - path : 1), path);
    return stat(folder, &st) == 0 && st.st_uid == uid && (st.st_mode & (S_IWGRP | S_IWOTH)) == 0;
}

/* Root may also talk to what a service user serves in a folder of its own, as under systemd. */
static int check_peer(int fd, const char *path, struct err *err)
{
    struct ucred peer;
    socklen_t len = sizeof(peer);
    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) < 0)
        return err_sys(err, errno, "%s", path);
    bool is_service = geteuid() == 0 && is_folder_of(path, peer.uid);
    if (peer.uid != 0 && peer.uid != geteuid() && !is_service)
        return err_permission(err, "%s: it is served by user %u, neither root nor you", path,
                              (unsigned)peer.uid);
    return 0;
}

int ctl_connect(const char *path, struct err *err)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    size_t len = strlen(path);
    if (len >= sizeof(address.sun_path))
        return err_usage(err, "--control \"%s\": longer than %zu bytes", path,
                         sizeof(address.sun_path) - 1);
    memcpy(address.sun_path, path, len);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd == -1)
        return err_sys(err, errno, "%s", path);
    int r = 0;
    if (connect(fd, (const struct sockaddr *)&address, sizeof(address)) < 0) {
        int errnum = errno;
        bool nobody = errnum == ENOENT || errnum == ECONNREFUSED;
        r = err_sys(err, errnum, "%s%s", path,
                    nobody ? ": no refrain listens there (--control says where)" : "");
    } else {
        r = check_peer(fd, path, err);
    }
    if (r == 0)
        return fd;
    close(fd);
    return r;
}

static int send_all(int fd, const char *text, size_t len, struct err *err)
{
    while (len > 0) {
        ssize_t n = send(fd, text, len, MSG_NOSIGNAL);
        if (n < 0)
            return err_sys(err, errno, "the control socket");
        text += n;
        len -= (size_t)n;
    }
    return 0;
}

/* Up to the LF. */
static int receive(int fd, struct buf *in, struct err *err)
{
    int64_t end_ns = clock_mono_ns() + CTL_WAIT_MS * NS_PER_MS;
    for (;;) {
        struct span got = buf_span(in);
        if (got.len > 0 && got.ptr[got.len - 1] == '\n')
            return 0;
        int64_t left_ms = (end_ns - clock_mono_ns()) / NS_PER_MS;
        struct pollfd pollfd = {.fd = fd, .events = POLLIN};
        if (left_ms <= 0 || poll(&pollfd, 1, (int)left_ms) == 0)
            return err_failure(err, "no answer within %d s", CTL_WAIT_MS / 1000);
        if (buf_reserve(in, STEP) < 0)
            return err_failure(err, "the answer is too long");
        ssize_t n = recv(fd, buf_tail(in), STEP, 0);
        if (n < 0)
            return err_sys(err, errno, "the control socket");
        if (n == 0)
            return err_failure(err, "the connection was closed: only root and the user that runs "
                                    "refrain may ask");
        buf_commit(in, (size_t)n);
    }
}

static int read_answer(struct span line, json_t **answer, struct err *err)
{
    json_t *json = json_loadb((const char *)line.ptr, line.len, 0, NULL);
    const char *error = json_string_value(json_object_get(json, "error"));
    int r = 0;
    if (!json_is_object(json))
        r = err_failure(err, "the answer is not understood");
    else if (!json_is_true(json_object_get(json, "ok")))
        r = err_failure(err, "%.900s", error ? error : "it was refused");
    if (r == 0)
        *answer = json;
    else
        json_decref(json);
    return r;
}

int ctl_ask(int fd, const char *const *words, size_t n, json_t **answer, struct err *err)
{
    char line[CONTROL_LINE_MAX];
    struct buf in;
    size_t len = control_request_write(line, words, n);
    if (len == 0)
        return err_usage(err, "words are printable ASCII without spaces, %d bytes of them at most",
                         CONTROL_LINE_MAX);
    buf_init(&in, ANSWER_MAX);
    int r = send_all(fd, line, len, err);
    if (r == 0)
        r = receive(fd, &in, err);
    if (r == 0)
        r = read_answer(buf_span(&in), answer, err);
    buf_fini(&in);
    return r;
}
