/* SPDX-License-Identifier: MIT */
/* What a service manager is told by sd_notify's protocol (systemd's sd_notify(3)): a datagram to
 * the socket that the environment names. Nothing where there is none. Main thread only. */
#pragma once

#include <stdint.h>

/* Reads NOTIFY_SOCKET and WATCHDOG_USEC, and says READY. Once, when everything is open. */
void service_ready(void);
/* Says that the service lives, if that is due; returns when it is due again, on the clock of
 * clock_mono_ns(): INT64_MAX if nobody watches. */
int64_t service_tick(int64_t now_ns);
/* Says STOPPING: what is left to do is to drain. */
void service_stopping(void);
