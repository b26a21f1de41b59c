/* SPDX-License-Identifier: MIT */
#include "cmd/syscalls.h"

#include <errno.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/socket.h>

#include <linux/seccomp.h>
#include <seccomp.h>

#include "cmd/sanitized.h"

/* Of each the variants of all architectures; what this one has not is passed over. */
static const char *const allowed[] = {
    /* files */
    "access",
    "close",
    "close_range",
    "dup",
    "dup2",
    "dup3",
    "faccessat",
    "faccessat2",
    "fadvise64",
    "fadvise64_64",
    "fallocate",
    "fchmod",
    "fcntl",
    "fcntl64",
    "fdatasync",
    "flock",
    "fstat",
    "fstat64",
    "fstatat64",
    "fstatfs",
    "fstatfs64",
    "fsync",
    "ftruncate",
    "ftruncate64",
    "getcwd",
    "getdents",
    "getdents64",
    "ioctl",
    "lseek",
    "_llseek",
    "lstat",
    "lstat64",
    "mkdir",
    "mkdirat",
    "newfstatat",
    "open",
    "openat",
    "openat2",
    "pipe",
    "pipe2",
    "pread64",
    "preadv",
    "preadv2",
    "pwrite64",
    "pwritev",
    "pwritev2",
    "read",
    "readlink",
    "readlinkat",
    "readv",
    "rename",
    "renameat",
    "renameat2",
    "rmdir",
    "sendfile",
    "sendfile64",
    "stat",
    "stat64",
    "statfs",
    "statfs64",
    "statx",
    "sync_file_range",
    "sync_file_range2",
    "truncate",
    "truncate64",
    "umask",
    "unlink",
    "unlinkat",
    "write",
    "writev",
    /* waiting */
    "epoll_create",
    "epoll_create1",
    "epoll_ctl",
    "epoll_ctl_old",
    "epoll_pwait",
    "epoll_pwait2",
    "epoll_wait",
    "eventfd",
    "eventfd2",
    "poll",
    "ppoll",
    "ppoll_time64",
    "pselect6",
    "pselect6_time64",
    "select",
    "_newselect",
    "signalfd",
    "signalfd4",
    "timerfd_create",
    "timerfd_gettime",
    "timerfd_gettime64",
    "timerfd_settime",
    "timerfd_settime64",
    /* the network */
    "accept",
    "accept4",
    "bind",
    "connect",
    "getpeername",
    "getsockname",
    "getsockopt",
    "listen",
    "recv",
    "recvfrom",
    "recvmmsg",
    "recvmmsg_time64",
    "recvmsg",
    "send",
    "sendmmsg",
    "sendmsg",
    "sendto",
    "setsockopt",
    "shutdown",
    "socketcall",
    "socketpair",
    /* memory */
    "brk",
    "madvise",
    "membarrier",
    "memfd_create",
    "mincore",
    "mlock",
    "mmap",
    "mmap2",
    "mprotect",
    "mremap",
    "msync",
    "munlock",
    "munmap",
    /* threads and itself */
    "arch_prctl",
    "cacheflush",
    "capget",
    "exit",
    "exit_group",
    "futex",
    "futex_time64",
    "futex_wait",
    "futex_wake",
    "futex_waitv",
    "get_robust_list",
    "getcpu",
    "getegid",
    "getegid32",
    "geteuid",
    "geteuid32",
    "getgid",
    "getgid32",
    "getgroups",
    "getgroups32",
    "getpgid",
    "getpgrp",
    "getpid",
    "getppid",
    "getpriority",
    "getrandom",
    "getresgid",
    "getresgid32",
    "getresuid",
    "getresuid32",
    "getrlimit",
    "getrusage",
    "getsid",
    "gettid",
    "getuid",
    "getuid32",
    "prctl",
    "prlimit64",
    "restart_syscall",
    "rseq",
    "sched_get_priority_max",
    "sched_get_priority_min",
    "sched_getaffinity",
    "sched_getattr",
    "sched_getparam",
    "sched_getscheduler",
    "sched_yield",
    "set_robust_list",
    "set_thread_area",
    "set_tid_address",
    "set_tls",
    "sysinfo",
    "times",
    "ugetrlimit",
    "uname",
    "wait4",
    "waitid",
    "waitpid",
    "vfork",
    /* signals */
    "kill",
    "pause",
    "rt_sigaction",
    "rt_sigpending",
    "rt_sigprocmask",
    "rt_sigqueueinfo",
    "rt_sigreturn",
    "rt_sigsuspend",
    "rt_sigtimedwait",
    "rt_sigtimedwait_time64",
    "rt_tgsigqueueinfo",
    "sigaltstack",
    "sigreturn",
    "tgkill",
    "tkill",
    /* time */
    "alarm",
    "clock_getres",
    "clock_getres_time64",
    "clock_gettime",
    "clock_gettime64",
    "clock_nanosleep",
    "clock_nanosleep_time64",
    "getitimer",
    "gettimeofday",
    "nanosleep",
    "setitimer",
    "time",
};

/* Known, and never needed by anybody who is honest here. */
static const char *const deadly[] = {
    "add_key",           "bpf",       "chroot",          "delete_module", "finit_module",
    "fsconfig",          "fsmount",   "fsopen",          "init_module",   "kexec_file_load",
    "kexec_load",        "keyctl",    "mount",           "mount_setattr", "move_mount",
    "open_by_handle_at", "open_tree", "perf_event_open", "pivot_root",    "reboot",
    "request_key",       "setns",     "swapoff",         "swapon",        "umount",
    "umount2",           "unshare",   "userfaultfd",
};

/* As deadly, unless a sanitizer is at work. */
static const char *const debugging[] = {"process_vm_readv", "process_vm_writev", "ptrace"};

/* Refused with EPERM rather than ENOSYS, because they do exist. */
static const char *const refused[] = {
    "acct",          "adjtimex",  "capset",    "chmod",       "chown",         "clock_adjtime",
    "clock_settime", "creat",     "execve",    "execveat",    "fchmodat",      "fchown",
    "fchownat",      "fork",      "ioperm",    "iopl",        "lchown",        "link",
    "linkat",        "mknod",     "mknodat",   "quotactl",    "setdomainname", "setfsgid",
    "setfsuid",      "setgid",    "setgroups", "sethostname", "setpgid",       "setpriority",
    "setregid",      "setresgid", "setresuid", "setreuid",    "setrlimit",     "setsid",
    "settimeofday",  "setuid",    "symlink",   "symlinkat",   "syslog",        "vhangup",
};

#define NAMESPACES                                                                                 \
    (CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER | CLONE_NEWPID |  \
     CLONE_NEWNET)

static int add_names(scmp_filter_ctx filter, uint32_t action, const char *const *names, size_t n)
{
    int r = 0;
    for (size_t i = 0; i < n && r == 0; i++) {
        int number = seccomp_syscall_resolve_name(names[i]);
        if (number != __NR_SCMP_ERROR) /* else this libseccomp does not know it yet */
            r = seccomp_rule_add(filter, action, number, 0);
    }
    return r;
}

/* clone3(2) has its flags in memory, where no filter can see them: libc takes clone(2) instead. */
static int add_clone(scmp_filter_ctx filter)
{
    return seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(clone), 1,
                            SCMP_A0(SCMP_CMP_MASKED_EQ, NAMESPACES, 0));
}

/* socket(2) of this family. libseccomp's own macro leaves a field out, which clang tells. */
static int add_socket(scmp_filter_ctx filter, uint32_t action, int family)
{
    const struct scmp_arg_cmp is = {.op = SCMP_CMP_EQ, .datum_a = (scmp_datum_t)family};
    return seccomp_rule_add_array(filter, action, SCMP_SYS(socket), 1, &is);
}

static int add_sockets(scmp_filter_ctx filter, bool packets)
{
    static const int families[] = {AF_UNIX, AF_INET, AF_INET6, AF_NETLINK};
    int r = 0;
    for (size_t i = 0; i < ARRAY_LEN(families) && r == 0; i++)
        r = add_socket(filter, SCMP_ACT_ALLOW, families[i]);
    if (r == 0)
        r = add_socket(filter, packets ? SCMP_ACT_ALLOW : SCMP_ACT_ERRNO(EPERM), AF_PACKET);
    return r;
}

static int fill(scmp_filter_ctx filter, bool packets)
{
    int r = seccomp_attr_set(filter, SCMP_FLTATR_CTL_LOG, 1);
    if (r == -EOPNOTSUPP || r == -EINVAL)
        r = 0; /* before Linux 4.14: refused all the same, but not told */
    if (r == 0 && seccomp_attr_set(filter, SCMP_FLTATR_CTL_OPTIMIZE, 2) != 0) {
        /* an older libseccomp: a list instead of a tree */
    }
    if (r == 0)
        r = add_names(filter, SCMP_ACT_ALLOW, allowed, ARRAY_LEN(allowed));
    if (r == 0)
        r = add_names(filter, SCMP_ACT_KILL_PROCESS, deadly, ARRAY_LEN(deadly));
    if (r == 0)
        r = add_names(filter, SANITIZED ? SCMP_ACT_ALLOW : SCMP_ACT_KILL_PROCESS, debugging,
                      ARRAY_LEN(debugging));
    if (r == 0)
        r = add_names(filter, SCMP_ACT_ERRNO(EPERM), refused, ARRAY_LEN(refused));
    if (r == 0)
        r = add_clone(filter);
    return r == 0 ? add_sockets(filter, packets) : r;
}

bool syscalls_can_be_filtered(void)
{
    /* no filter to be read: EFAULT where filters are known, EINVAL where they are not */
    return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, NULL, 0, 0) == -1 && errno == EFAULT;
}

int syscalls_filter(bool packets, struct err *err)
{
    scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ERRNO(ENOSYS));
    if (!filter)
        return err_sys(err, ENOMEM, "seccomp");
    int r = fill(filter, packets);
    if (r == 0)
        r = seccomp_attr_set(filter, SCMP_FLTATR_CTL_NNP, 0); /* it is set already */
    if (r == 0)
        r = seccomp_load(filter);
    seccomp_release(filter);
    return r < 0 ? err_sys(err, -r, "seccomp (refrain starts without it with --no-sandbox)") : 0;
}
