/* SPDX-License-Identifier: MIT */
#include "cmd/landlock.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* linux/landlock.h of Linux 6.12; that of the build host may be older, and libc has no functions
 * for it. */
#define CREATE_RULESET 444
#define ADD_RULE 445
#define RESTRICT_SELF 446
#define RULESET_VERSION (1U << 0)
#define RULE_PATH_BENEATH 1
#define RULE_NET_PORT 2

#define FS_EXECUTE (UINT64_C(1) << 0)
#define FS_WRITE_FILE (UINT64_C(1) << 1)
#define FS_REMOVE_DIR (UINT64_C(1) << 4)
#define FS_REMOVE_FILE (UINT64_C(1) << 5)
#define FS_MAKE_CHAR (UINT64_C(1) << 6)
#define FS_MAKE_DIR (UINT64_C(1) << 7)
#define FS_MAKE_REG (UINT64_C(1) << 8)
#define FS_MAKE_SOCK (UINT64_C(1) << 9)
#define FS_MAKE_FIFO (UINT64_C(1) << 10)
#define FS_MAKE_BLOCK (UINT64_C(1) << 11)
#define FS_MAKE_SYM (UINT64_C(1) << 12)
#define FS_REFER (UINT64_C(1) << 13) /* 2 */
#define FS_TRUNCATE (UINT64_C(1) << 14) /* 3 */
#define FS_IOCTL_DEV (UINT64_C(1) << 15) /* 5 */
#define NET_BIND_TCP (UINT64_C(1) << 0) /* 4 */
#define NET_CONNECT_TCP (UINT64_C(1) << 1) /* 4 */
#define SCOPE_ABSTRACT_UNIX_SOCKET (UINT64_C(1) << 0) /* 6 */
#define SCOPE_SIGNAL (UINT64_C(1) << 1) /* 6 */

struct ruleset {
    uint64_t fs, net, scoped;
};

struct path_rule {
    uint64_t allowed;
    int32_t fd;
} __attribute__((packed));

struct port_rule {
    uint64_t allowed, port;
};

/* What may be done in places where is written; with a file itself the latter. */
#define IN_PLACES                                                                                  \
    (FS_WRITE_FILE | FS_REMOVE_DIR | FS_REMOVE_FILE | FS_MAKE_DIR | FS_MAKE_REG | FS_REFER |       \
     FS_TRUNCATE)
#define IN_FILES (FS_WRITE_FILE | FS_TRUNCATE)

int landlock_version(void)
{
    long version = syscall(CREATE_RULESET, NULL, 0, RULESET_VERSION);
    return version < 0 ? 0 : (int)version;
}

static struct ruleset ruleset_of(const struct landlock_rules *rules, int version)
{
    struct ruleset set = {.fs = FS_EXECUTE | FS_WRITE_FILE | FS_REMOVE_DIR | FS_REMOVE_FILE |
                                FS_MAKE_CHAR | FS_MAKE_DIR | FS_MAKE_REG | FS_MAKE_SOCK |
                                FS_MAKE_FIFO | FS_MAKE_BLOCK | FS_MAKE_SYM};
    if (version >= 2)
        set.fs |= FS_REFER;
    if (version >= 3)
        set.fs |= FS_TRUNCATE;
    if (version >= 4)
        set.net = NET_BIND_TCP | (rules->connect_anywhere ? 0 : NET_CONNECT_TCP);
    if (version >= 5)
        set.fs |= FS_IOCTL_DEV;
    if (version >= 6)
        set.scoped = (rules->signal_anyone ? 0 : SCOPE_SIGNAL) |
                     (rules->abstract_sockets ? 0 : SCOPE_ABSTRACT_UNIX_SOCKET);
    return set;
}

/* How much of struct ruleset the kernel of that version knows. */
static size_t ruleset_size(int version)
{
    size_t words = version >= 6 ? 3 : version >= 4 ? 2 : 1;
    return words * sizeof(uint64_t);
}

/* rights: those of a folder; of a file only what can be done to a file. */
static int allow_path(int ruleset, uint64_t rights, const char *path)
{
    struct stat st;
    struct path_rule rule = {.fd = open(path, O_PATH | O_CLOEXEC)};
    if (rule.fd == -1)
        return 0;
    bool is_folder = fstat(rule.fd, &st) == 0 && S_ISDIR(st.st_mode);
    rule.allowed = is_folder ? rights : rights & IN_FILES;
    long r = syscall(ADD_RULE, ruleset, RULE_PATH_BENEATH, &rule, 0);
    int errnum = errno;
    close(rule.fd);
    return r == -1 ? -errnum : 0;
}

static int allow_port(int ruleset, uint16_t port)
{
    const struct port_rule rule = {.allowed = NET_CONNECT_TCP, .port = port};
    return syscall(ADD_RULE, ruleset, RULE_NET_PORT, &rule, 0) == -1 ? -errno : 0;
}

int landlock_enter(const struct landlock_rules *rules, struct err *err)
{
    int version = landlock_version();
    if (version == 0)
        return 0;
    const struct ruleset set = ruleset_of(rules, version);
    int fd = (int)syscall(CREATE_RULESET, &set, ruleset_size(version), 0);
    if (fd == -1)
        return err_sys(err, errno, "Landlock: no set of rules");
    int r = 0;
    for (size_t i = 0; i < rules->n_folders && r == 0; i++)
        r = allow_path(fd, set.fs & IN_PLACES, rules->folders[i]);
    if (r == 0 && rules->removing)
        r = allow_path(fd, FS_REMOVE_FILE, rules->removing);
    for (size_t i = 0; i < rules->n_ports && r == 0 && (set.net & NET_CONNECT_TCP); i++)
        r = allow_port(fd, rules->ports[i]);
    if (r == 0 && syscall(RESTRICT_SELF, fd, 0) == -1)
        r = -errno;
    close(fd);
    return r < 0 ? err_sys(err, -r, "Landlock (refrain starts without it with --no-sandbox)") : 0;
}
