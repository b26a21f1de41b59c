/* SPDX-License-Identifier: MIT */
#include "outputs/runner.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/program.h"

/* How a command ended. */
struct answer {
    int fault; /* errno; else status counts */
    int status;
};

/* --- the process --- */

/* Payload goes to standard output, and nothing else: what the program says goes to our log's. */
static int start(pid_t *pid, char *const *argv)
{
    int none = open("/dev/null", O_RDONLY | O_CLOEXEC);
    if (none == -1)
        return errno;
    int r = program_start(pid, argv, none, STDERR_FILENO);
    close(none);
    return -r;
}

static struct answer run_one(char *script, char *name)
{
    char sh[] = "/bin/sh", dash_c[] = "-c", self[] = "refrain";
    char *const argv[] = {sh, dash_c, script, self, name, NULL};
    struct answer answer = {0};
    pid_t pid = 0;
    answer.fault = start(&pid, argv);
    while (answer.fault == 0 && waitpid(pid, &answer.status, 0) == -1)
        answer.fault = errno == EINTR ? 0 : errno;
    return answer;
}

_Noreturn static void serve(int fd, char *script)
{
    char name[PATH_MAX];
    for (;;) {
        ssize_t n = recv(fd, name, sizeof(name) - 1, 0);
        if (n == -1 && errno == EINTR)
            continue;
        if (n <= 0)
            _exit(0);
        name[n] = '\0';
        struct answer answer = run_one(script, name);
        if (send(fd, &answer, sizeof(answer), MSG_NOSIGNAL) == -1)
            _exit(0);
    }
}

/* Everything else that refrain has open is not its business: it would keep ports and rings. */
_Noreturn static void become_runner(int fd, char *script)
{
    const int own = STDERR_FILENO + 1;
    if (fd != own && dup2(fd, own) == -1)
        _exit(1);
    closefrom(own + 1);
    serve(own, script);
}

/* --- whoever uses it --- */

int runner_start(struct runner *r, char *script)
{
    int ends[2];
    *r = (struct runner){.fd = -1};
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) == -1)
        return -errno;
    pid_t pid = fork();
    int errnum = errno;
    if (pid == 0)
        become_runner(ends[1], script);
    close(ends[1]);
    if (pid == -1) {
        close(ends[0]);
        return -errnum;
    }
    *r = (struct runner){.pid = pid, .fd = ends[0]};
    return 0;
}

void runner_stop(struct runner *r)
{
    if (r->pid == 0)
        return;
    close(r->fd);
    while (waitpid(r->pid, NULL, r->busy ? WNOHANG : 0) == -1 && errno == EINTR) {
    }
    *r = (struct runner){.fd = -1};
}

int runner_begin(struct runner *r, const char *name)
{
    size_t len = strlen(name);
    if (len == 0 || len >= PATH_MAX)
        return -ENAMETOOLONG;
    if (send(r->fd, name, len, MSG_NOSIGNAL) == -1)
        return -errno;
    r->busy = true;
    return 0;
}

int runner_wait(struct runner *r, int timeout_ms, int *status)
{
    struct answer answer;
    struct pollfd fd = {.fd = r->fd, .events = POLLIN};
    int n = poll(&fd, 1, timeout_ms);
    if (n <= 0)
        return n == 0 || errno == EINTR ? 0 : -errno;
    r->busy = false;
    if (recv(r->fd, &answer, sizeof(answer), 0) != (ssize_t)sizeof(answer))
        return -EPIPE;
    if (answer.fault != 0)
        return -answer.fault;
    *status = answer.status;
    return 1;
}
