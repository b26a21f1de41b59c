/* SPDX-License-Identifier: MIT */
#include "cmd/sandbox.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cmd/landlock.h"
#include "cmd/sanitized.h"
#include "cmd/syscalls.h"
#include "lib/log.h"
#include "lib/mem.h"

#define DNS_PORT 53 /* over TCP, when an answer is long */

int sandbox_read(struct sandbox *sandbox, const struct options *options, struct err *err)
{
    *sandbox = (struct sandbox){.off = options_bool(options, "no-sandbox")};
    return privileges_read(&sandbox->privileges, options, !sandbox->off, err);
}

void sandbox_fini(struct sandbox *sandbox)
{
    for (size_t i = 0; i < sandbox->n_folders; i++)
        mem_free(sandbox->folders[i]);
    mem_free(sandbox->folders);
    sandbox->folders = NULL;
    sandbox->n_folders = 0;
    needs_fini(&sandbox->needs);
}

/* --- dropping --- */

static int no_core_dumps(struct err *err)
{
    const struct rlimit none = {0, 0};
    if (setrlimit(RLIMIT_CORE, &none) == -1)
        return err_sys(err, errno, "core dumps cannot be forbidden");
    /* after the user has changed, which sets it as well; a pipe in core_pattern ignores the limit
     */
    if (prctl(PR_SET_DUMPABLE, SANITIZED, 0, 0, 0) == -1)
        return err_sys(err, errno, "PR_SET_DUMPABLE");
    return 0;
}

int sandbox_drop(struct sandbox *sandbox, struct err *err)
{
    if (sandbox->off)
        return privileges_change_user(&sandbox->privileges, err);
    int r = privileges_drop(&sandbox->privileges, false, err);
    if (r == 0)
        r = no_core_dumps(err);
    if (r == 0 && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == -1)
        r = err_sys(err, errno, "PR_SET_NO_NEW_PRIVS");
    return r;
}

/* --- what will be wanted --- */

static bool is_write(const struct need *need)
{
    return need->kind <= NEED_MAKE_ANEW;
}

/* As the open functions would; what fails is for them to tell. */
static void make_folders(const char *folder)
{
    char path[PATH_MAX];
    for (size_t i = 1; folder[i - 1]; i++) {
        if (folder[i] != '/' && folder[i] != '\0')
            continue;
        snprintf(path, sizeof(path), "%.*s", (int)i, folder);
        if (mkdir(path, 0700) == -1 && errno != EEXIST && errno != EROFS)
            return;
    }
}

/* The folder that need is about, as the kernel sees it; a device or pipe itself. False: there is
 * none. out: room for PATH_MAX. */
static bool find_folder(char *out, const struct need *need)
{
    char folder[PATH_MAX];
    struct stat st;
    if (stat(need->path, &st) == 0 && !S_ISREG(st.st_mode))
        return realpath(need->path, out) != NULL;
    if (!needs_folder(folder, need->path))
        return false;
    if (need->kind == NEED_MAKE || need->kind == NEED_MAKE_ANEW)
        make_folders(folder);
    return realpath(folder, out) != NULL;
}

static bool is_anew(const struct need *need)
{
    return need->kind == NEED_WRITE_ANEW || need->kind == NEED_MAKE_ANEW;
}

static int check_need(const struct sandbox *sandbox, const struct need *need, struct err *err)
{
    char folder[PATH_MAX];
    int r = 0;
    if (need->kind == NEED_READ)
        r = access(need->path, R_OK);
    else if (need->kind == NEED_LOOK)
        r = access(need->path, F_OK);
    else if (is_anew(need) && (find_folder(folder, need) || needs_folder(folder, need->path)))
        r = access(folder, W_OK);
    /* what is not there may come, but for a folder that could not be made */
    if (r == 0 || (errno != EACCES && need->kind != NEED_MAKE_ANEW))
        return 0;
    r = err_sys(err, errno == ENOENT ? EACCES : errno, "--%s %s", need->option, need->path);
    privileges_explain(&sandbox->privileges, r, err);
    return -EINVAL; /* has been explained */
}

static int keep_folder(struct sandbox *sandbox, const char *folder)
{
    char **folders = mem_realloc(MEM_OTHER, sandbox->folders,
                                 (sandbox->n_folders + 1) * sizeof(sandbox->folders[0]));
    if (!folders)
        return -ENOMEM;
    sandbox->folders = folders;
    folders[sandbox->n_folders] = mem_strdup(MEM_OTHER, folder);
    return folders[sandbox->n_folders++] ? 0 : -ENOMEM;
}

/* Makes the folders that would be made, and refuses what will not work. */
static int prepare(struct sandbox *sandbox, struct err *err)
{
    char folder[PATH_MAX];
    int r = sandbox->needs.broken ? -ENOMEM : 0;
    for (size_t i = 0; i < sandbox->needs.n && r == 0; i++) {
        const struct need *need = &sandbox->needs.list[i];
        if (is_write(need) && find_folder(folder, need))
            r = keep_folder(sandbox, folder);
        int wrong = r == 0 ? check_need(sandbox, need, err) : 0;
        if (wrong < 0)
            return wrong;
    }
    return r < 0 ? err_sys(err, -r, "the sandbox") : 0;
}

static bool connects_anywhere(const struct needs *needs)
{
    for (size_t i = 0; i < needs->n; i++)
        if (needs->list[i].kind == NEED_CONNECT_ANYWHERE)
            return true;
    return false;
}

/* --- closing --- */

/* systemd's socket may be an abstract one (cmd/service.h). */
static bool notifies_abstract_socket(void)
{
    const char *path = getenv("NOTIFY_SOCKET"); /* NOLINT(concurrency-mt-unsafe): nobody sets it */
    return path && path[0] == '@';
}

static int close_files(struct sandbox *sandbox, bool programs, struct err *err)
{
    const struct needs *needs = &sandbox->needs;
    char removing[PATH_MAX] = "";
    uint16_t *ports = mem_alloc(MEM_OTHER, (needs->n + 1) * sizeof(*ports));
    size_t n = 0;
    if (!ports)
        return err_sys(err, ENOMEM, "the sandbox");
    ports[n++] = DNS_PORT;
    for (size_t i = 0; i < needs->n; i++) {
        if (needs->list[i].kind == NEED_CONNECT)
            ports[n++] = needs->list[i].port;
        if (needs->list[i].kind == NEED_REMOVE && !needs_folder(removing, needs->list[i].path))
            removing[0] = '\0';
    }
    const struct landlock_rules rules = {
        .folders = (const char *const *)sandbox->folders,
        .n_folders = sandbox->n_folders,
        .removing = removing[0] ? removing : NULL,
        .ports = ports,
        .n_ports = n,
        .connect_anywhere = connects_anywhere(needs),
        .signal_anyone = programs,
        .abstract_sockets = notifies_abstract_socket(),
    };
    int r = landlock_enter(&rules, err);
    mem_free(ports);
    sandbox->landlock = landlock_version();
    sandbox->has_files = sandbox->landlock > 0;
    sandbox->has_ports = sandbox->landlock >= LANDLOCK_SINCE_CONNECT && !rules.connect_anywhere;
    return r;
}

static void tell_lacks(const struct sandbox *sandbox)
{
    int version = sandbox->landlock;
    const char *files = version == 0 ? "Landlock (files and connections are open to it)"
                        : version < LANDLOCK_SINCE_TRUNCATE
                            ? "newer Landlock (connections and emptying files are open to it)"
                        : version < LANDLOCK_SINCE_CONNECT
                            ? "newer Landlock (connections are open to it)"
                            : NULL;
    const char *calls = sandbox->has_calls ? NULL : "seccomp (all system calls are open to it)";
    if (files || calls)
        log_info("sandbox", "this kernel has no, or lets it use no %s%s%s", files ? files : calls,
                 files && calls ? ", and no " : "", files && calls ? calls : "");
}

int sandbox_close(struct sandbox *sandbox, struct needs *needs, bool programs, struct err *err)
{
    sandbox->needs = *needs;
    *needs = (struct needs){0};
    int r = prepare(sandbox, err);
    if (r < 0 || sandbox->off)
        return r;
    r = close_files(sandbox, programs, err);
    sandbox->has_calls = syscalls_can_be_filtered();
    if (r == 0 && sandbox->has_calls)
        r = syscalls_filter(false, err);
    if (r == 0)
        tell_lacks(sandbox);
    return r;
}

/* --- afterwards --- */

static bool is_below(const char *path, const char *folder)
{
    size_t len = strlen(folder);
    return strncmp(path, folder, len) == 0 &&
           (path[len] == '/' || path[len] == '\0' || folder[len - 1] == '/');
}

/* The deepest folder on the way to path that is there. out: room for PATH_MAX. */
static bool find_existing(char *out, const char *path)
{
    char folder[PATH_MAX];
    if (!needs_folder(folder, path))
        return false;
    while (!realpath(folder, out)) {
        char *slash = strrchr(folder, '/');
        if (errno != ENOENT)
            return false;
        if (!slash)
            return realpath(".", out) != NULL;
        slash[slash == folder ? 1 : 0] = '\0';
    }
    return true;
}

static bool may_write(const struct sandbox *sandbox, const char *path)
{
    char folder[PATH_MAX];
    if (!find_existing(folder, path))
        return true; /* opening it will tell */
    for (size_t i = 0; i < sandbox->n_folders; i++)
        if (is_below(folder, sandbox->folders[i]))
            return true;
    return false;
}

static bool may_connect(const struct sandbox *sandbox, uint16_t port)
{
    for (size_t i = 0; i < sandbox->needs.n; i++)
        if (sandbox->needs.list[i].kind == NEED_CONNECT && sandbox->needs.list[i].port == port)
            return true;
    return false;
}

#define WHAT_TO_DO                                                                                 \
    "the sandbox has closed: restart refrain with it among its options, or run it with "           \
    "--no-sandbox"

int sandbox_allows(const struct sandbox *sandbox, const struct needs *needs, struct err *err)
{
    if (needs->broken)
        return err_sys(err, ENOMEM, "the sandbox");
    for (size_t i = 0; i < needs->n; i++) {
        const struct need *need = &needs->list[i];
        if (sandbox->has_files && is_write(need) && !may_write(sandbox, need->path))
            return err_failure(err, "--%s %s: refrain may not write there any more: " WHAT_TO_DO,
                               need->option, need->path);
        if (sandbox->has_ports && need->kind == NEED_CONNECT_ANYWHERE)
            return err_failure(err, "--%s: refrain may not connect to any port: " WHAT_TO_DO,
                               need->option);
        if (sandbox->has_ports && need->kind == NEED_CONNECT && !may_connect(sandbox, need->port))
            return err_failure(err,
                               "--%s: refrain may not connect to port %u any more: " WHAT_TO_DO,
                               need->option, need->port);
        int r = check_need(sandbox, need, err);
        if (r < 0)
            return r;
    }
    return 0;
}

const char *sandbox_text(const struct sandbox *sandbox)
{
    if (sandbox->off)
        return "open: --no-sandbox";
    if (!sandbox->has_files)
        return sandbox->has_calls ? "system calls only" : "user and capabilities only";
    if (!sandbox->has_calls)
        return sandbox->has_ports ? "closed but for system calls" : "files only";
    return sandbox->has_ports ? "closed" : "closed but for connections";
}
