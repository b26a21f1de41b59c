/* SPDX-License-Identifier: MIT */
#include "lib/program.h"

#include <signal.h>
#include <spawn.h>
#include <unistd.h>

/* Our threads block all signals, and SIGPIPE is ignored: neither is for another program. */
static void set_signals(posix_spawnattr_t *attributes)
{
    sigset_t defaults, none;
    sigemptyset(&none);
    sigemptyset(&defaults);
    sigaddset(&defaults, SIGPIPE);
    posix_spawnattr_setsigmask(attributes, &none);
    posix_spawnattr_setsigdefault(attributes, &defaults);
}

static int set_files(posix_spawn_file_actions_t *files, int in, int out)
{
    int r = posix_spawn_file_actions_adddup2(files, in, STDIN_FILENO);
    if (r == 0)
        r = posix_spawn_file_actions_adddup2(files, out, STDOUT_FILENO);
    if (r == 0) /* libpcap's sockets would be open in it */
        r = posix_spawn_file_actions_addclosefrom_np(files, STDERR_FILENO + 1);
    return r;
}

int program_start(pid_t *pid, char *const *argv, int in, int out)
{
    posix_spawn_file_actions_t files;
    posix_spawnattr_t attributes;
    int r = posix_spawn_file_actions_init(&files);
    if (r != 0)
        return -r;
    r = posix_spawnattr_init(&attributes);
    if (r != 0) {
        posix_spawn_file_actions_destroy(&files);
        return -r;
    }
    set_signals(&attributes);
    posix_spawnattr_setpgroup(&attributes, 0);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF |
                                              POSIX_SPAWN_SETPGROUP);
    r = set_files(&files, in, out);
    if (r == 0)
        r = posix_spawnp(pid, argv[0], &files, &attributes, argv, environ);
    posix_spawn_file_actions_destroy(&files);
    posix_spawnattr_destroy(&attributes);
    return -r;
}
