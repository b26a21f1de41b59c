/* SPDX-License-Identifier: MIT */
#include "tools/ctl_top.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <termios.h>
#include <unistd.h>

#include "lib/clock.h"
#include "tools/ctl_link.h"
#include "tools/ctl_show.h"

#define HOME_AND_CLEAR "\033[H\033[J"
#define MIN_INTERVAL_NS (100 * NS_PER_MS)

struct screen {
    bool terminal; /* standard output is one */
    bool keys; /* standard input is one, and gives single keys */
    struct termios old; /* of it */
    int signal_fd;
};

static int screen_open(struct screen *s, struct err *err)
{
    sigset_t set;
    struct termios raw;
    sigemptyset(&set);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGHUP);
    pthread_sigmask(SIG_BLOCK, &set, NULL);
    *s = (struct screen){.terminal = isatty(STDOUT_FILENO)};
    s->signal_fd = signalfd(-1, &set, SFD_CLOEXEC);
    if (s->signal_fd == -1)
        return err_sys(err, errno, "signalfd");
    if (!s->terminal || tcgetattr(STDIN_FILENO, &s->old) < 0)
        return 0;
    raw = s->old;
    raw.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
    s->keys = tcsetattr(STDIN_FILENO, TCSANOW, &raw) == 0;
    return 0;
}

static void screen_close(struct screen *s)
{
    if (s->keys)
        tcsetattr(STDIN_FILENO, TCSANOW, &s->old);
    if (s->signal_fd != -1)
        close(s->signal_fd);
}

static size_t rows_of(const struct screen *s)
{
    struct winsize size;
    if (!s->terminal || ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) < 0 || size.ws_row < 4)
        return 0;
    return size.ws_row - 1U;
}

/* Waits for the time of the next picture. False: it is enough. */
static bool wait_for_next(const struct screen *s, int64_t due_ns)
{
    char key = 0;
    for (;;) {
        struct pollfd fds[2] = {{.fd = s->signal_fd, .events = POLLIN},
                                {.fd = s->keys ? STDIN_FILENO : -1, .events = POLLIN}};
        int64_t left_ns = due_ns - clock_mono_ns();
        if (left_ns <= 0)
            return true;
        poll(fds, ARRAY_LEN(fds), (int)(left_ns / NS_PER_MS) + 1);
        if (fds[0].revents)
            return false;
        if (fds[1].revents && (read(STDIN_FILENO, &key, 1) != 1 || key == 'q'))
            return false;
    }
}

static int draw(const struct screen *s, const json_t *now, const json_t *before, struct err *err)
{
    if (s->terminal)
        fputs(HOME_AND_CLEAR, stdout);
    ctl_show(stdout, now, before, rows_of(s));
    return fflush(stdout) == 0 ? 0 : err_sys(err, errno, "standard output");
}

static int run(const struct screen *s, int fd, const struct options *options, struct err *err)
{
    static const char *const words[] = {"status"};
    int64_t interval_ns = options_duration_ns(options, "interval");
    int64_t count = options_int(options, "count");
    json_t *before = NULL, *now = NULL;
    if (interval_ns < MIN_INTERVAL_NS)
        interval_ns = MIN_INTERVAL_NS;
    int r = ctl_ask(fd, words, ARRAY_LEN(words), &before, err);
    int64_t due_ns = clock_mono_ns();
    for (int64_t n = 0; r == 0 && (count == 0 || n < count); n++) {
        due_ns += interval_ns;
        if (!wait_for_next(s, due_ns))
            break;
        r = ctl_ask(fd, words, ARRAY_LEN(words), &now, err);
        if (r == 0) {
            r = draw(s, now, before, err);
            json_decref(before);
            before = now;
        }
    }
    json_decref(before);
    return r;
}

int ctl_top(int fd, const struct options *options, struct err *err)
{
    struct screen screen;
    int r = screen_open(&screen, err);
    if (r == 0)
        r = run(&screen, fd, options, err);
    screen_close(&screen);
    return r;
}
