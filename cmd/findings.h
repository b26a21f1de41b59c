/* SPDX-License-Identifier: MIT */
/* What refrain doctor finds: a line each on standard output, "warn  clock  ...". Main thread. */
#pragma once

#include "lib/base.h"

enum finding_level {
    FINDING_OK = 0,
    FINDING_NOTE, /* as it is, worth knowing */
    FINDING_WARN, /* works, but loses or costs something */
    FINDING_FAULT, /* does not work */
    FINDING_LEVELS
};

struct findings {
    unsigned counts[FINDING_LEVELS];
};

/* about: one word, the subject. */
void finding(struct findings *f, enum finding_level level, const char *about, const char *fmt, ...)
    PRINTF_LIKE(4, 5);

/* In doctor_host.c: kernel, clock, privileges, limits of this process. */
void doctor_host(struct findings *f);
/* In doctor_net.c: each interface, its offloads and rings. */
void doctor_net(struct findings *f);
/* In doctor_net.c: does anything on this host listen on that TCP port? */
bool doctor_is_served(uint16_t port);
