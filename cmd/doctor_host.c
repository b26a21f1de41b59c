/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "cmd/findings.h"
#include "cmd/landlock.h"
#include "cmd/syscalls.h"

#define CAP_NET_RAW_BIT 13 /* linux/capability.h */
/* Of descriptors: below this a replay over many connections meets the limit. */
#define FEW_DESCRIPTORS 4096
#define FEW_PORTS 20000

/* The first line of a file, without its end; false: it cannot be read. */
static bool read_line(const char *path, char *out, int size)
{
    FILE *file = fopen(path, "re");
    if (!file)
        return false;
    bool found = fgets(out, size, file) != NULL;
    fclose(file);
    if (found)
        out[strcspn(out, "\n")] = '\0';
    return found;
}

/* The value of a field of /proc/self/status, as a number of that base. */
static bool own_status(const char *field, int base, uint64_t *value)
{
    char line[256];
    size_t len = strlen(field);
    bool found = false;
    FILE *file = fopen("/proc/self/status", "re");
    while (file && !found && fgets(line, sizeof(line), file)) {
        found = strncmp(line, field, len) == 0 && line[len] == ':';
        if (found)
            *value = strtoull(line + len + 1, NULL, base);
    }
    if (file)
        fclose(file);
    return found;
}

static void tell_kernel(struct findings *f)
{
    struct utsname kernel;
    char jit[16];
    if (uname(&kernel) == 0)
        finding(f, FINDING_OK, "kernel", "%s %s on %s", kernel.sysname, kernel.release,
                kernel.machine);
    if (!read_line("/proc/sys/net/core/bpf_jit_enable", jit, sizeof(jit)))
        finding(f, FINDING_NOTE, "bpf", "whether packet filters are compiled is not shown here");
    else if (strcmp(jit, "0") == 0)
        finding(f, FINDING_WARN, "bpf",
                "packet filters are interpreted, which costs more for each packet: sysctl "
                "net.core.bpf_jit_enable=1");
    else
        finding(f, FINDING_OK, "bpf", "packet filters are compiled (bpf_jit_enable=%s)", jit);
}

/* Every packet is stamped with this clock, and every wait ends by it. */
static void tell_clock(struct findings *f)
{
    static const char *const cheap[] = {"tsc", "kvm-clock", "arch_sys_counter",
                                        "hyperv_clocksource", "xen"};
    char name[64];
    if (!read_line("/sys/devices/system/clocksource/clocksource0/current_clocksource", name,
                   sizeof(name))) {
        finding(f, FINDING_NOTE, "clock", "its source is not shown here");
        return;
    }
    for (size_t i = 0; i < ARRAY_LEN(cheap); i++) {
        if (strncmp(name, cheap[i], strlen(cheap[i])) == 0) {
            finding(f, FINDING_OK, "clock", "source %s", name);
            return;
        }
    }
    finding(f, FINDING_WARN, "clock",
            "source %s is slow to read: captures and replays cost more (tsc is better, if the host "
            "has it)",
            name);
}

static void tell_privileges(struct findings *f)
{
    uint64_t caps = 0, pinned = 0;
    unsigned uid = geteuid();
    if (!own_status("CapEff", 16, &caps))
        finding(f, FINDING_NOTE, "privileges", "user %u; capabilities are not shown here", uid);
    else if (caps >> CAP_NET_RAW_BIT & 1)
        finding(f, FINDING_OK, "privileges", "user %u has CAP_NET_RAW: capturing is allowed", uid);
    else
        finding(f, FINDING_NOTE, "privileges",
                "user %u has no CAP_NET_RAW: it can replay and relay, and read files; capturing "
                "needs it (setcap cap_net_raw+ep)",
                uid);
    if (own_status("NoNewPrivs", 10, &pinned) && pinned && !(caps >> CAP_NET_RAW_BIT & 1))
        finding(f, FINDING_NOTE, "privileges",
                "no_new_privs is set: a capability of the program's file does not count");
}

static void tell_limits(struct findings *f)
{
    struct rlimit limit;
    unsigned low, high;
    char line[64];
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0)
        finding(f, limit.rlim_cur < FEW_DESCRIPTORS ? FINDING_NOTE : FINDING_OK, "descriptors",
                "%llu may be open at once (at most %llu)", (unsigned long long)limit.rlim_cur,
                (unsigned long long)limit.rlim_max);
    if (read_line("/proc/sys/net/ipv4/ip_local_port_range", line, sizeof(line)) &&
        sscanf(line, "%u %u", &low, &high) == 2 && high >= low)
        finding(f, high - low < FEW_PORTS ? FINDING_WARN : FINDING_OK, "ports",
                "%u for connections to one target at a time (%u-%u)", high - low + 1, low, high);
}

static void tell_sandbox(struct findings *f)
{
    char modules[256] = "";
    read_line("/sys/kernel/security/lsm", modules, sizeof(modules));
    if (*modules)
        finding(f, FINDING_NOTE, "sandbox", "security modules: %s", modules);
    int landlock = landlock_version();
    if (landlock >= LANDLOCK_SINCE_CONNECT)
        finding(f, FINDING_OK, "sandbox", "Landlock %d: bounds where is written and connected to",
                landlock);
    else if (landlock > 0)
        finding(f, FINDING_NOTE, "sandbox",
                "Landlock %d: bounds where is written; connections only from Linux 6.7 on",
                landlock);
    else
        finding(f, FINDING_NOTE, "sandbox",
                "no Landlock (Linux 5.13, CONFIG_SECURITY_LANDLOCK, and in the list lsm= of the "
                "boot): where is written and connected to is not bounded");
    if (syscalls_can_be_filtered())
        finding(f, FINDING_OK, "sandbox", "seccomp: bounds the system calls");
    else
        finding(f, FINDING_NOTE, "sandbox",
                "no seccomp filters (CONFIG_SECCOMP_FILTER): system calls are not bounded");
}

/* A ring is given in one piece of memory for each device. */
static void tell_ring(struct findings *f)
{
    int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
    if (fd == -1 && errno == EAFNOSUPPORT)
        finding(f, FINDING_FAULT, "ring", "this kernel has no packet sockets (CONFIG_PACKET)");
    else if (fd != -1)
        finding(f, FINDING_OK, "ring", "packet sockets can be opened");
    if (fd != -1)
        close(fd);
}

void doctor_host(struct findings *f)
{
    tell_kernel(f);
    tell_clock(f);
    tell_privileges(f);
    tell_ring(f);
    tell_limits(f);
    tell_sandbox(f);
}
