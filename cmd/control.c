/* SPDX-License-Identifier: MIT */
#include "cmd/control.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "cmd/progress.h"
#include "cmd/service.h"
#include "cmd/stats.h"
#include "cmd/summary.h"
#include "lib/clock.h"
#include "lib/log.h"

static int signals_fd = -1;

int control_init(struct err *err)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGHUP);
    sigaddset(&set, SIGUSR1);
    /* a reader that went away is an error of write(2), not the end of the program */
    if (signal(SIGPIPE, SIG_IGN) == SIG_ERR)
        return err_sys(err, errno, "SIGPIPE");
    int errnum = pthread_sigmask(SIG_BLOCK, &set, NULL);
    if (errnum != 0)
        return err_sys(err, errnum, "signals");
    signals_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    return signals_fd == -1 ? err_sys(err, errno, "signalfd") : 0;
}

struct control {
    struct pipeline *pipe;
    const struct ledger *ledger;
    const struct options *options;
    int64_t deadline_ns; /* when to stop by itself: --exit-after, or the end of draining */
    int stops; /* how often it was told to stop */
};

static void stop(struct control *c)
{
    pipeline_stop(c->pipe);
    if (c->stops++ == 0)
        service_stopping();
    /* outputs watch the time themselves; one that hangs in a system call cannot */
    c->deadline_ns = clock_mono_ns() + options_duration_ns(c->options, "drain-timeout") + NS_PER_S;
}

static void handle_signal(struct control *c)
{
    struct signalfd_siginfo info;
    if (read(signals_fd, &info, sizeof(info)) != (ssize_t)sizeof(info))
        return;
    if (info.ssi_signo == SIGHUP)
        pipeline_reopen(c->pipe);
    else if (info.ssi_signo == SIGUSR1)
        summary_print(c->ledger, c->options, SUMMARY_RUNNING);
    else
        stop(c);
}

/* Rounded up, so that it does not spin through the last millisecond. */
static int timeout_ms_until(int64_t deadline_ns)
{
    if (deadline_ns == INT64_MAX)
        return -1;
    int64_t left_ns = deadline_ns - clock_mono_ns();
    if (left_ns <= 0)
        return 0;
    return (int)((left_ns < 60 * NS_PER_S ? left_ns : 60 * NS_PER_S) / NS_PER_MS) + 1;
}

static int64_t earlier(int64_t a_ns, int64_t b_ns)
{
    return a_ns < b_ns ? a_ns : b_ns;
}

void control_run(struct pipeline *pipe, const struct ledger *ledger, const struct options *options)
{
    int64_t limit_ns = options_duration_ns(options, "exit-after");
    struct control c = {.pipe = pipe, .ledger = ledger, .options = options};
    c.deadline_ns = limit_ns > 0 ? clock_mono_ns() + limit_ns : INT64_MAX;
    struct pollfd fds[] = {{.fd = pipeline_done_fd(pipe), .events = POLLIN},
                           {.fd = signals_fd, .events = POLLIN}};
    struct progress progress;
    struct stats stats;
    progress_begin(&progress, ledger, options);
    stats_begin(&stats, ledger, options);
    service_ready();
    while (c.stops < 2) {
        int64_t now_ns = clock_mono_ns();
        int64_t due_ns = earlier(progress_tick(&progress, now_ns), stats_tick(&stats, now_ns));
        due_ns = earlier(due_ns, service_tick(now_ns));
        poll(fds, ARRAY_LEN(fds), timeout_ms_until(earlier(due_ns, c.deadline_ns)));
        if (fds[0].revents)
            break;
        if (fds[1].revents)
            handle_signal(&c);
        if (clock_mono_ns() >= c.deadline_ns)
            stop(&c);
    }
    progress_end(&progress);
}
