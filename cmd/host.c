/* SPDX-License-Identifier: MIT */
#include "cmd/host.h"

#include <errno.h>
#include <sched.h>
#include <string.h>
#include <sys/resource.h>

int host_check(const struct options *options, struct err *err)
{
    if (options_given(options, "max-cpu") && options_share(options, "max-cpu") <= 0)
        return err_usage(err, "--max-cpu 0: nothing could be captured; give a share of one core, "
                              "e.g. 10%%");
    return 0;
}

static int policy_of(const char *name)
{
    if (strcmp(name, "batch") == 0)
        return SCHED_BATCH;
    return strcmp(name, "idle") == 0 ? SCHED_IDLE : SCHED_OTHER;
}

int host_apply(const struct options *options, struct err *err)
{
    const char *policy = options_string(options, "sched");
    const struct sched_param none = {.sched_priority = 0};
    int niceness = (int)options_int(options, "nice");
    if (options_given(options, "sched") && sched_setscheduler(0, policy_of(policy), &none) != 0)
        return err_sys(err, errno, "--sched %s", policy);
    if (!options_given(options, "nice") || setpriority(PRIO_PROCESS, 0, niceness) == 0)
        return 0;
    if (errno == EACCES || errno == EPERM)
        return err_permission(err,
                              "--nice %d: a lower niceness than that of the shell needs root, or "
                              "CAP_SYS_NICE",
                              niceness);
    return err_sys(err, errno, "--nice %d", niceness);
}
