/* SPDX-License-Identifier: MIT */
/* Runs a command and tells what it used: a process made by a large one would show that one's memory
 * as its own peak (exec(2) hands it on).
 * usage: launch OUTPUT COMMAND [ARGUMENT...]
 * What the command prints goes to OUTPUT; "cpu_s wall_s peak_kib status" to standard output. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static double now_s(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

static double seconds(struct timeval t)
{
    return (double)t.tv_sec + (double)t.tv_usec / 1e6;
}

static void run(char **argv)
{
    int fd = open(argv[1], O_WRONLY | O_CREAT | O_TRUNC, 0600);
    int nothing = open("/dev/null", O_RDONLY);
    if (fd != -1 && nothing != -1 && dup2(nothing, 0) == 0 && dup2(fd, 1) == 1 && dup2(fd, 2) == 2)
        execvp(argv[2], argv + 2);
    perror(argv[2]);
    _exit(127);
}

int main(int argc, char **argv)
{
    struct rusage used;
    int status;
    if (argc < 3) {
        fprintf(stderr, "usage: launch OUTPUT COMMAND [ARGUMENT...]\n");
        return 2;
    }
    double start_s = now_s();
    pid_t pid = fork();
    if (pid == 0)
        run(argv);
    if (pid == -1 || wait4(pid, &status, 0, &used) != pid) {
        perror("launch");
        return EXIT_FAILURE;
    }
    printf("%.6f %.6f %ld %d\n", seconds(used.ru_utime) + seconds(used.ru_stime), now_s() - start_s,
           used.ru_maxrss, WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
    return EXIT_SUCCESS;
}
