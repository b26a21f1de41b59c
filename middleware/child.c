/* SPDX-License-Identifier: MIT */
#include "middleware/child.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "lib/clock.h"
#include "lib/program.h"

#define STEP_MS 5 /* there is no descriptor that tells of a child's end on every kernel */
#define STOP_MS 1000

static void close_end(int *fd)
{
    if (*fd != -1)
        close(*fd);
    *fd = -1;
}

int child_start(struct child *child, const struct words *command, const char *name, struct err *err)
{
    int to[2] = {-1, -1}, from[2] = {-1, -1};
    pid_t pid = 0;
    int r = 0;
    if (pipe2(to, O_CLOEXEC) == -1 || pipe2(from, O_CLOEXEC) == -1)
        r = errno;
    if (r == 0)
        r = -program_start(&pid, command->argv, to[0], from[1]);
    close_end(&to[0]);
    close_end(&from[1]);
    if (r == 0 &&
        (fcntl(to[1], F_SETFL, O_NONBLOCK) == -1 || fcntl(from[0], F_SETFL, O_NONBLOCK) == -1))
        r = errno;
    *child = (struct child){.pid = pid, .in = to[1], .out = from[0]};
    if (r == 0)
        return 0;
    child_stop(child);
    return err_sys(err, r, "%s: cannot run %s", name, command->argv[0]);
}

bool child_ended(struct child *child, int timeout_ms, int *status)
{
    int64_t until = clock_mono_ns() + timeout_ms * NS_PER_MS;
    const struct timespec step = {.tv_nsec = STEP_MS * NS_PER_MS};
    for (;;) {
        if (child->pid == 0)
            return true;
        pid_t pid = waitpid(child->pid, status, WNOHANG);
        if (pid == child->pid || (pid == -1 && errno != EINTR)) {
            child->pid = 0;
            return true;
        }
        if (clock_mono_ns() >= until)
            return false;
        nanosleep(&step, NULL);
    }
}

void child_stop(struct child *child)
{
    int status;
    close_end(&child->in);
    close_end(&child->out);
    if (child->pid == 0 || child_ended(child, STEP_MS, &status))
        return;
    kill(-child->pid, SIGTERM); /* what it started, too */
    if (child_ended(child, STOP_MS, &status))
        return;
    kill(-child->pid, SIGKILL);
    (void)child_ended(child, STOP_MS, &status);
}

const char *child_fault(int status, char out[64])
{
    if (WIFSIGNALED(status))
        snprintf(out, 64, "signal %d (%s)", WTERMSIG(status), sigdescr_np(WTERMSIG(status)));
    else if (WEXITSTATUS(status) != 0)
        snprintf(out, 64, "exit status %d", WEXITSTATUS(status));
    else
        return NULL;
    return out;
}
