/* SPDX-License-Identifier: MIT */
/* Numbers for people. */
#pragma once

#include "lib/base.h"

/* By value, so that several fit in one printf. */
struct number {
    char text[32];
};

/* 1234567 as "1,234,567". */
struct number grouped(uint64_t n);
