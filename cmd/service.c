/* SPDX-License-Identifier: MIT */
#include "cmd/service.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "lib/clock.h"
#include "lib/log.h"
#include "lib/units.h"

static struct {
    int64_t interval_ns; /* 0: nobody watches */
    int64_t due_ns;
} watchdog;

/* The address that NOTIFY_SOCKET names; 0 if there is none. '@' begins an abstract name. */
static socklen_t manager_address(struct sockaddr_un *addr)
{
    const char *path = getenv("NOTIFY_SOCKET"); /* NOLINT(concurrency-mt-unsafe): nobody sets it */
    size_t len = path ? strlen(path) : 0;
    if (len < 2 || len >= sizeof(addr->sun_path) || (path[0] != '/' && path[0] != '@'))
        return 0;
    *addr = (struct sockaddr_un){.sun_family = AF_UNIX};
    memcpy(addr->sun_path, path, len);
    if (path[0] == '@')
        addr->sun_path[0] = '\0';
    return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len);
}

/* A manager that does not listen is its own affair: nothing waits for it. */
static void tell_manager(const char *state)
{
    struct sockaddr_un addr;
    socklen_t len = manager_address(&addr);
    if (len == 0)
        return;
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd == -1)
        return;
    ssize_t sent = sendto(fd, state, strlen(state), MSG_NOSIGNAL | MSG_DONTWAIT,
                          (const struct sockaddr *)&addr, len);
    if (sent == -1)
        log_debug(NULL, "the service manager was not told: %s", state);
    close(fd);
}

/* A whole number in the environment; -1: none, or not one. */
static int64_t number_in_environment(const char *name)
{
    int64_t n;
    const char *text = getenv(name); /* NOLINT(concurrency-mt-unsafe): nobody sets it */
    return text && !units_parse_int(text, &n) && n >= 0 ? n : -1;
}

/* WATCHDOG_USEC counts for the process that WATCHDOG_PID names, if it names one. */
static int64_t watchdog_interval_ns(void)
{
    int64_t usec = number_in_environment("WATCHDOG_USEC");
    int64_t pid = number_in_environment("WATCHDOG_PID");
    if (usec <= 0 || usec > INT64_MAX / NS_PER_US || (pid != -1 && pid != getpid()))
        return 0;
    return usec * NS_PER_US / 2; /* twice within the time allowed, as sd_watchdog_enabled(3) asks */
}

void service_ready(void)
{
    watchdog.interval_ns = watchdog_interval_ns();
    watchdog.due_ns = 0;
    tell_manager("READY=1");
}

int64_t service_tick(int64_t now_ns)
{
    if (watchdog.interval_ns <= 0)
        return INT64_MAX;
    if (now_ns >= watchdog.due_ns) {
        tell_manager("WATCHDOG=1");
        watchdog.due_ns = now_ns + watchdog.interval_ns;
    }
    return watchdog.due_ns;
}

void service_stopping(void)
{
    tell_manager("STOPPING=1");
}
