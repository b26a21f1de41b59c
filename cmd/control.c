/* SPDX-License-Identifier: MIT */
#include "cmd/control.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "cmd/control_commands.h"
#include "cmd/metrics.h"
#include "cmd/progress.h"
#include "cmd/ramps.h"
#include "cmd/service.h"
#include "cmd/stats.h"
#include "cmd/summary.h"
#include "lib/clock.h"
#include "lib/log.h"
#include "lib/mem.h"

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

#define STOP_FILE_NS (50 * NS_PER_MS) /* how often it is looked for */

struct control {
    struct commands commands; /* with all that is borrowed */
    struct control_server *server; /* borrowed; NULL: none */
    struct ramps *ramps; /* NULL: none */
    struct metrics *metrics; /* NULL: none */
    struct reload reload;
    const char *stop_file; /* "": none */
    bool stop_file_is_there;
    int64_t looked_ns; /* for it */
    int64_t deadline_ns; /* when to stop by itself: --exit-after, or the end of draining */
    int stops; /* how often it was told to stop */
};

static void stop(struct control *c)
{
    pipeline_stop(c->commands.pipe);
    if (c->stops++ == 0)
        service_stopping();
    /* outputs watch the time themselves; one that hangs in a system call cannot */
    c->deadline_ns =
        clock_mono_ns() + options_duration_ns(c->commands.options, "drain-timeout") + NS_PER_S;
}

/* The configuration again, and the files. */
static void hang_up(struct control *c)
{
    struct err err;
    if (reload_can(&c->reload) && reload_run(&c->reload, &err) < 0)
        log_error(NULL, "reload: %s", err.text);
    pipeline_reopen(c->commands.pipe);
}

static void handle_signal(struct control *c)
{
    struct signalfd_siginfo info;
    if (read(signals_fd, &info, sizeof(info)) != (ssize_t)sizeof(info))
        return;
    if (info.ssi_signo == SIGHUP)
        hang_up(c);
    else if (info.ssi_signo == SIGUSR1)
        summary_print(c->commands.ledger, c->commands.options, SUMMARY_RUNNING);
    else
        stop(c);
}

static int64_t least(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* Looks for the file of --stop-file; returns when to look again. */
static int64_t look_for_stop_file(struct control *c, int64_t now_ns)
{
    if (!c->stop_file[0])
        return INT64_MAX;
    if (now_ns - c->looked_ns < STOP_FILE_NS)
        return c->looked_ns + STOP_FILE_NS;
    bool is_there = access(c->stop_file, F_OK) == 0;
    if (is_there && !c->stop_file_is_there)
        steer_pause(c->commands.steer, NULL, PAUSED_BY_FILE);
    else if (!is_there && c->stop_file_is_there)
        steer_resume(c->commands.steer, NULL, PAUSED_BY_FILE);
    c->stop_file_is_there = is_there;
    c->looked_ns = now_ns;
    return now_ns + STOP_FILE_NS;
}

/* Those that were removed. */
static int64_t see_outputs_off(struct control *c, int64_t now_ns)
{
    bool leaving = steer_has_leaving(c->commands.steer);
    if (leaving)
        metrics_hold(c->metrics);
    int64_t due_ns = pipeline_tick(c->commands.pipe, now_ns);
    steer_forget_gone(c->commands.steer);
    if (leaving)
        metrics_release(c->metrics);
    return due_ns;
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

int control_listen(struct control_server **serverp, const struct options *options, struct err *err)
{
    const char *path = options_string(options, "control");
    *serverp = NULL;
    return path[0] ? control_server_open(serverp, path, err) : 0;
}

/* Records go on without a reload: that it would fail is worth a line, and no more. */
static void warn_of_config(const struct options *options, const struct sandbox *sandbox)
{
    const char *path = options_string(options, "config");
    if (path[0] && access(path, R_OK) == -1 && errno == EACCES)
        log_warn(
            NULL,
            "%s cannot be read again by the user %s: a reload will fail; let that user read it",
            path, sandbox->privileges.name);
}

int control_open(struct control **controlp, const struct control_args *args, struct err *err)
{
    const struct wired *wired = args->wired;
    const struct options *options = args->options;
    struct control *c = mem_zalloc(MEM_OTHER, sizeof(*c));
    if (!c)
        return err_sys(err, ENOMEM, "start");
    c->commands = (struct commands){
        .steer = wired->steer,
        .pipe = wired->pipe,
        .sandbox = args->sandbox,
        .shed = wired->shed,
        .ledger = args->ledger,
        .options = options,
        .start_ns = clock_mono_ns(),
    };
    c->commands.reload = &c->reload;
    reload_init(&c->reload, args->line, wired->steer, args->ledger, options);
    c->stop_file = options_string(options, "stop-file");
    c->reload.sandbox = args->sandbox;
    warn_of_config(options, args->sandbox);
    c->looked_ns = c->commands.start_ns - STOP_FILE_NS;
    const struct control_handler handler = {.answer = commands_answer, .arg = &c->commands};
    c->server = args->server;
    if (c->server)
        control_server_answer_by(c->server, &handler);
    const struct view_of of = {.pipe = wired->pipe,
                               .ledger = args->ledger,
                               .options = options,
                               .steer = wired->steer,
                               .shed = wired->shed};
    int r = ramps_open(&c->ramps, wired->steer, options, err);
    if (r == 0)
        r = metrics_open(&c->metrics, args->metrics_server, &of, err);
    if (r < 0) {
        control_close(c);
        return r;
    }
    c->reload.metrics = c->metrics;
    look_for_stop_file(c, c->commands.start_ns);
    *controlp = c;
    return 0;
}

void control_close(struct control *c)
{
    if (!c)
        return;
    metrics_close(c->metrics);
    ramps_close(c->ramps);
    reload_fini(&c->reload);
    mem_free(c);
}

/* One turn: what is due, then what comes until something else is. False: all threads have ended. */
static bool turn(struct control *c, struct progress *progress, struct stats *stats)
{
    struct pollfd fds[2 + CONTROL_FDS] = {
        {.fd = pipeline_done_fd(c->commands.pipe), .events = POLLIN},
        {.fd = signals_fd, .events = POLLIN},
    };
    size_t n = control_server_fds(c->server, fds + 2);
    int64_t now_ns = clock_mono_ns();
    int64_t due_ns = least(progress_tick(progress, now_ns), stats_tick(stats, now_ns));
    due_ns = least(due_ns, service_tick(now_ns));
    due_ns = least(due_ns, look_for_stop_file(c, now_ns));
    due_ns = least(due_ns, control_server_due_ns(c->server));
    due_ns = least(due_ns, ramps_tick(c->ramps, now_ns));
    due_ns = least(due_ns, metrics_tick(c->metrics, now_ns));
    due_ns = least(due_ns, log_tick(now_ns));
    due_ns = least(due_ns, see_outputs_off(c, now_ns));
    poll(fds, 2 + n, timeout_ms_until(least(due_ns, c->deadline_ns)));
    if (fds[0].revents)
        return false;
    if (fds[1].revents)
        handle_signal(c);
    control_server_serve(c->server, fds + 2, n, clock_mono_ns());
    if (c->commands.stop || clock_mono_ns() >= c->deadline_ns)
        stop(c);
    c->commands.stop = false;
    return true;
}

int control_serve(struct control *c, struct err *err)
{
    return metrics_serve(c->metrics, err);
}

void control_run(struct control *c)
{
    const struct options *options = c->commands.options;
    int64_t limit_ns = options_duration_ns(options, "exit-after");
    struct progress progress;
    struct stats stats;
    c->deadline_ns = limit_ns > 0 ? clock_mono_ns() + limit_ns : INT64_MAX;
    progress_begin(&progress, c->commands.ledger, options);
    stats_begin(&stats, c->commands.ledger, options);
    metrics_begin(c->metrics);
    service_ready();
    while (c->stops < 2 && turn(c, &progress, &stats)) {
    }
    progress_end(&progress);
    metrics_stop(c->metrics);
}
