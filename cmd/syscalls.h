/* SPDX-License-Identifier: MIT */
/* The seccomp filter (seccomp(2)): which system calls refrain makes once it has started. Others are
 * refused with EPERM, and those that this version has never heard of with ENOSYS, so that a newer
 * libc falls back on what it did before: a recorder on a production host must not end because a
 * library has learned something new. The kernel's audit log says what was refused. But a process
 * that asks to trace, mount, load code into the kernel or leave its namespaces is not the one that
 * was started: it is killed at once.
 *
 * It holds for the calling thread and what that starts. */
#pragma once

#include "lib/err.h"

/* Has this kernel seccomp filters? */
bool syscalls_can_be_filtered(void);
/* no_new_privs must be set. packets: packet sockets may still be opened. */
MUST_CHECK int syscalls_filter(bool packets, struct err *err);
