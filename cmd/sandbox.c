/* SPDX-License-Identifier: MIT */
#include "cmd/sandbox.h"

#include <errno.h>
#include <sys/prctl.h>
#include <sys/resource.h>

/* The leak checker at the end of a sanitizers' build looks into the process with ptrace(2), which
 * one that is not to be dumped refuses. */
#if defined(__SANITIZE_ADDRESS__)
#define DUMPABLE 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define DUMPABLE 1
#endif
#endif
#ifndef DUMPABLE
#define DUMPABLE 0
#endif

int sandbox_read(struct sandbox *sandbox, const struct options *options, struct err *err)
{
    *sandbox = (struct sandbox){.off = options_bool(options, "no-sandbox")};
    return privileges_read(&sandbox->privileges, options, !sandbox->off, err);
}

static int no_core_dumps(struct err *err)
{
    const struct rlimit none = {0, 0};
    if (setrlimit(RLIMIT_CORE, &none) == -1)
        return err_sys(err, errno, "core dumps cannot be forbidden");
    /* after the user has changed, which sets it as well; a pipe in core_pattern ignores the limit
     */
    if (prctl(PR_SET_DUMPABLE, DUMPABLE, 0, 0, 0) == -1)
        return err_sys(err, errno, "PR_SET_DUMPABLE");
    return 0;
}

int sandbox_enter(struct sandbox *sandbox, struct err *err)
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
