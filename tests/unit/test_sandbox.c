/* SPDX-License-Identifier: MIT */
/* Goes into the sandbox and tries to get out, each time in a process of its own: as nobody when it
 * is run by root, else as whoever runs it. */
#include "tests/unit/unit.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cmd/landlock.h"
#include "cmd/options_table.h"
#include "cmd/sandbox.h"
#include "cmd/sanitized.h"
#include "lib/options_table.h"
#include "outputs/on_close.h"
#include "tests/unit/folder.h"

#define OPEN_PORT 45671 /* that may be connected to; nobody listens there */
#define SHUT_PORT 45672

static struct options *options;
static struct sandbox sandbox;

static void set(const char *name, const char *value)
{
    struct err err;
    int r = options_set(options, name, value, OPTION_FROM_COMMAND_LINE, &err);
    ck_assert_msg(r == 0, "%s", err.text);
}

/* Inside nobody may remove the folder: a process outside does it, when this one has ended. */
static void clean_up_later(void)
{
    int ends[2];
    char byte;
    ck_assert_int_eq(pipe2(ends, O_CLOEXEC), 0);
    pid_t pid = fork();
    ck_assert_int_ne(pid, -1);
    if (pid != 0) {
        close(ends[0]);
        return;
    }
    setpgid(0, 0); /* Check ends all of the test's group */
    close(ends[1]);
    while (read(ends[0], &byte, 1) == -1 && errno == EINTR) {
    }
    folder_leave();
    _exit(0);
}

/* Stands in a folder that may be written to, beside one that may not. */
static void prepare(void)
{
    folder_enter();
    clean_up_later();
    ck_assert_int_eq(options_new(&options, &refrain_options), 0);
    if (geteuid() == 0)
        set("user", "nobody");
    ck_assert_int_eq(mkdir("open", 0700), 0);
    ck_assert_int_eq(mkdir("shut", 0700), 0);
    for (size_t i = 0; i < 3 && geteuid() == 0; i++)
        ck_assert_int_eq(chown((const char *const[]){".", "open", "shut"}[i], 65534, 65534), 0);
    file_put("shut/there", "x", 1);
    ck_assert_int_eq(chmod("shut/there", 0666), 0);
}

static void enter(void)
{
    struct err err;
    struct needs needs = {0};
    needs_path(&needs, NEED_MAKE_ANEW, "output-file", "open/%Y/x.gor");
    needs_path(&needs, NEED_READ, "input-file", "shut/there");
    needs_connect_url(&needs, "output-http", "http://user@127.0.0.1:45671/path", 80);
    int r = sandbox_read(&sandbox, options, &err);
    if (r == 0)
        r = sandbox_drop(&sandbox, &err);
    if (r == 0)
        r = sandbox_close(&sandbox, &needs, false, &err);
    ck_assert_msg(r == 0, "%s", err.text);
}

static void leave(void)
{
    sandbox_fini(&sandbox);
    options_free(options);
}

static int errno_of(long r)
{
    return r == -1 ? errno : 0;
}

static int try_connect(uint16_t port)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const struct sockaddr_in to = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr = {htonl(INADDR_LOOPBACK)}};
    ck_assert_int_ne(fd, -1);
    int errnum = errno_of(connect(fd, (const struct sockaddr *)&to, sizeof(to)));
    close(fd);
    return errnum;
}

START_TEST(files_are_written_below_the_folders_told_and_nowhere_else)
{
    prepare();
    enter();
    if (sandbox.has_files) {
        ck_assert_int_eq(errno_of(open("shut/new", O_WRONLY | O_CREAT | O_CLOEXEC, 0600)), EACCES);
        ck_assert_int_eq(errno_of(open("shut/there", O_WRONLY | O_CLOEXEC)), EACCES);
        ck_assert_int_eq(errno_of(open("/dev/null", O_WRONLY | O_CLOEXEC)), EACCES);
        ck_assert_int_eq(errno_of(mkdir("shut/new", 0700)), EACCES);
        ck_assert_int_eq(errno_of(unlink("shut/there")), EACCES);
        ck_assert_int_eq(errno_of(rename("shut/there", "open/there")), EACCES);
        if (sandbox.landlock >= LANDLOCK_SINCE_TRUNCATE)
            ck_assert_int_eq(errno_of(truncate("shut/there", 0)), EACCES);
    }
    int fd = open("shut/there", O_RDONLY | O_CLOEXEC);
    ck_assert_int_ne(fd, -1);
    close(fd);
    ck_assert_int_eq(mkdir("open/2026", 0700), 0);
    fd = open("open/2026/x.gor", O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    ck_assert_int_ne(fd, -1);
    ck_assert_int_eq(ftruncate(fd, 10), 0);
    close(fd);
    ck_assert_int_eq(rename("open/2026/x.gor", "open/y.gor"), 0);
    ck_assert_int_eq(unlink("open/y.gor"), 0);
    leave();
}
END_TEST

START_TEST(connections_go_to_the_ports_told_and_nobody_listens)
{
    prepare();
    enter();
    ck_assert_int_eq(try_connect(OPEN_PORT), ECONNREFUSED);
    if (sandbox.has_ports) {
        struct sockaddr_in any = {.sin_family = AF_INET, .sin_port = htons(SHUT_PORT)};
        ck_assert_int_eq(try_connect(SHUT_PORT), EACCES);
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        ck_assert_int_eq(errno_of(bind(fd, (struct sockaddr *)&any, sizeof(any))), EACCES);
        close(fd);
    }
    leave();
}
END_TEST

START_TEST(no_program_is_run)
{
    char program[] = "/bin/true";
    char *const argv[] = {program, NULL};
    prepare();
    enter();
    ck_assert_int_eq(errno_of(execv(argv[0], argv)), EPERM);
    ck_assert_int_eq(errno_of(syscall(SYS_execveat, AT_FDCWD, argv[0], argv, NULL, 0)), EPERM);
    leave();
}
END_TEST

START_TEST(there_is_no_way_back_to_other_rights)
{
    prepare();
    bool was_root = geteuid() == 0;
    enter();
    ck_assert_int_eq(errno_of(setuid(0)), EPERM);
    ck_assert_int_eq(errno_of(setresuid(0, 0, 0)), EPERM);
    ck_assert_int_eq(errno_of(setgid(0)), EPERM);
    ck_assert_int_eq(errno_of(chown("open", 0, 0)), EPERM);
    ck_assert_int_eq(errno_of(chmod("open", 04777)), EPERM);
    ck_assert_int_eq(errno_of(socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_TCP)), EPERM);
    ck_assert_int_eq(errno_of(socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0)), EPERM);
    ck_assert_int_eq(errno_of(setpriority(PRIO_PROCESS, 0, -5)), EPERM);
    ck_assert_int_eq(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0), 1);
    ck_assert_int_eq(prctl(PR_GET_DUMPABLE, 0, 0, 0, 0), SANITIZED);
    ck_assert_int_ne(geteuid(), 0);
    ck_assert(!was_root || geteuid() == 65534);
    leave();
}
END_TEST

/* The signal that ends a process which does that; 0: none did. */
static int killed_by(void (*act)(void))
{
    int status = 0;
    fflush(NULL);
    pid_t pid = fork();
    ck_assert_int_ne(pid, -1);
    if (pid == 0) {
        act();
        _exit(0);
    }
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    return WIFSIGNALED(status) ? WTERMSIG(status) : 0;
}

static void act_mount(void)
{
    (void)mount("none", "/mnt", "tmpfs", 0, NULL);
}

static void act_unshare(void)
{
    (void)unshare(CLONE_NEWUSER);
}

static void act_bpf(void)
{
    (void)syscall(SYS_bpf, 0, NULL, 0);
}

static void act_module(void)
{
    (void)syscall(SYS_init_module, NULL, 0, "");
}

static void act_kexec(void)
{
    (void)syscall(SYS_kexec_load, 0, 0, NULL, 0);
}

static void act_trace(void)
{
    (void)ptrace(PTRACE_TRACEME, 0, NULL, NULL);
}

static void act_read_memory(void)
{
    (void)syscall(SYS_process_vm_readv, getppid(), NULL, 0, NULL, 0, 0);
}

START_TEST(who_asks_for_the_kernel_is_killed)
{
    prepare();
    enter();
    if (sandbox.has_calls) {
        ck_assert_int_eq(killed_by(act_mount), SIGSYS);
        ck_assert_int_eq(killed_by(act_unshare), SIGSYS);
        ck_assert_int_eq(killed_by(act_bpf), SIGSYS);
        ck_assert_int_eq(killed_by(act_module), SIGSYS);
        ck_assert_int_eq(killed_by(act_kexec), SIGSYS);
        ck_assert_int_eq(killed_by(act_trace), SANITIZED ? 0 : SIGSYS);
        ck_assert_int_eq(killed_by(act_read_memory), SANITIZED ? 0 : SIGSYS);
    }
    leave();
}
END_TEST

static void *in_thread(void *arg)
{
    int *got = arg;
    got[0] = errno_of(open("shut/new", O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
    char program[] = "/bin/true";
    char *const argv[] = {program, NULL};
    got[1] = errno_of(execv(argv[0], argv));
    return NULL;
}

START_TEST(threads_begin_inside_and_what_libc_may_try_is_refused_gently)
{
    pthread_t thread;
    int got[2] = {0, 0};
    prepare();
    enter();
    ck_assert_int_eq(pthread_create(&thread, NULL, in_thread, got), 0);
    pthread_join(thread, NULL);
    if (sandbox.has_files)
        ck_assert_int_eq(got[0], EACCES);
    ck_assert_int_eq(got[1], EPERM);
    if (sandbox.has_calls) {
        ck_assert_int_eq(errno_of(syscall(100000)), ENOSYS);
        ck_assert_int_eq(errno_of(syscall(SYS_clone3, NULL, 0)), ENOSYS);
        ck_assert_int_eq(errno_of(syscall(SYS_clone, CLONE_NEWUSER | SIGCHLD, 0, 0, 0, 0)), ENOSYS);
        ck_assert_int_eq(errno_of(syscall(SYS_socket, AF_ALG, SOCK_SEQPACKET, 0)), ENOSYS);
    }
    leave();
}
END_TEST

START_TEST(the_command_on_closed_files_stays_outside)
{
    struct err err;
    struct on_close *c = NULL;
    char *text;
    size_t n;
    prepare();
    ck_assert_int_eq(on_close_prepare("cat >shut/told; printf %s {} >>shut/told", &err), 0);
    enter();
    ck_assert_int_eq(on_close_new(&c, &err), 0);
    on_close_add(c, "a.gor");
    while (on_close_waiting(c) > 0)
        usleep(1000);
    ck_assert_uint_eq(on_close_failed(c), 0);
    on_close_free(c);
    text = (char *)file_get("shut/told", &n);
    ck_assert_str_eq(text, "a.gor");
    free(text);
    leave();
}
END_TEST

static void expect_refusal(struct needs *needs, const char *words)
{
    struct err err = {0};
    int r = sandbox_allows(&sandbox, needs, &err);
    if (words) {
        ck_assert_int_lt(r, 0);
        ck_assert_msg(strstr(err.text, words) && strstr(err.text, "--no-sandbox"), "%s", err.text);
    } else {
        ck_assert_msg(r == 0, "%s", err.text);
    }
    needs_fini(needs);
}

START_TEST(what_is_added_later_is_held_against_what_was_told)
{
    struct needs needs = {0};
    prepare();
    enter();
    needs_path(&needs, NEED_WRITE, "output-file", "open/2027/%m/y.gor");
    needs_connect(&needs, "output-tcp", "45671");
    expect_refusal(&needs, NULL);
    needs_path(&needs, NEED_WRITE, "output-file", "open/../shut/y.gor");
    expect_refusal(&needs, sandbox.has_files ? "open/../shut/y.gor: refrain may not write" : NULL);
    needs_path(&needs, NEED_WRITE, "output-file", "openly/y.gor");
    expect_refusal(&needs, sandbox.has_files ? "openly/y.gor" : NULL);
    needs_connect(&needs, "output-tcp", "45672");
    expect_refusal(&needs, sandbox.has_ports ? "--output-tcp: refrain may not connect to port 45672"
                                             : NULL);
    needs_connect_anywhere(&needs, "output-kafka-host");
    expect_refusal(&needs, sandbox.has_ports ? "--output-kafka-host" : NULL);
    leave();
}
END_TEST

START_TEST(a_folder_that_the_user_may_not_write_is_told_at_the_start)
{
    struct err err;
    struct needs needs = {0};
    prepare();
    if (geteuid() != 0)
        return; /* nobody to become */
    ck_assert_int_eq(chown("shut", 0, 0), 0);
    needs_path(&needs, NEED_WRITE_ANEW, "state", "shut/state");
    ck_assert_int_eq(sandbox_read(&sandbox, options, &err), 0);
    ck_assert_int_eq(sandbox_drop(&sandbox, &err), 0);
    ck_assert_int_lt(sandbox_close(&sandbox, &needs, false, &err), 0);
    ck_assert_msg(strstr(err.text, "--state shut/state: Permission denied") &&
                      strstr(err.text, "user nobody") && strstr(err.text, "chown"),
                  "%s", err.text);
    leave();
}
END_TEST

static uint16_t port_of(const char *url, uint16_t usual)
{
    struct needs needs = {0};
    needs_connect_url(&needs, "x", url, usual);
    uint16_t port = needs.n > 0 ? needs.list[0].port : 0;
    needs_fini(&needs);
    return port;
}

START_TEST(ports_and_folders_are_read_from_what_the_user_wrote)
{
    char out[PATH_MAX];
    static const struct {
        const char *path, *folder;
    } folders[] = {{"/a/b.gor", "/a"},  {"/a/%Y/%m/b.gor", "/a"}, {"/a/b%Y/c.gor", "/a"},
                   {"/b.gor", "/"},     {"b.gor", "."},           {"%Y.gor", "."},
                   {"a/b/c.gor", "a/b"}};
    for (size_t i = 0; i < ARRAY_LEN(folders); i++) {
        ck_assert(needs_folder(out, folders[i].path));
        ck_assert_str_eq(out, folders[i].folder);
    }
    ck_assert_int_eq(port_of("staging", 80), 80);
    ck_assert_int_eq(port_of("staging:8080", 80), 8080);
    ck_assert_int_eq(port_of("http://staging/a:9", 1), 80);
    ck_assert_int_eq(port_of("HTTPS://staging?x=:9", 1), 443);
    ck_assert_int_eq(port_of("wss://u:9@staging", 1), 443);
    ck_assert_int_eq(port_of("http://u:p@ss:1@[::1]:81/x", 1), 81);
    ck_assert_int_eq(port_of("[::1]", 7), 7);
    ck_assert_int_eq(port_of("staging:99999", 1), 0);
    ck_assert_int_eq(port_of("staging:", 5), 5);
}
END_TEST

Suite *suite(void)
{
    const TTest *const tests[] = {
        files_are_written_below_the_folders_told_and_nowhere_else,
        connections_go_to_the_ports_told_and_nobody_listens,
        no_program_is_run,
        there_is_no_way_back_to_other_rights,
        who_asks_for_the_kernel_is_killed,
        threads_begin_inside_and_what_libc_may_try_is_refused_gently,
        the_command_on_closed_files_stays_outside,
        what_is_added_later_is_held_against_what_was_told,
        a_folder_that_the_user_may_not_write_is_told_at_the_start,
        ports_and_folders_are_read_from_what_the_user_wrote,
    };
    return suite_of("sandbox", tests, ARRAY_LEN(tests));
}
