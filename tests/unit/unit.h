/* SPDX-License-Identifier: MIT */
/* What every unit test shares. A test program defines suite(); main() is in unit.c, which prints
 * TAP and runs each test in a process of its own. Test names are sentences. */
#pragma once

#include <check.h>

#include "lib/base.h"

Suite *suite(void);

/* Adds the tests of an array, in order, to one test case named name. */
static inline Suite *suite_of(const char *name, const TTest *const *tests, size_t n)
{
    Suite *s = suite_create(name);
    TCase *tc = tcase_create(name);
    tcase_set_timeout(tc, 60);
    for (size_t i = 0; i < n; i++)
        tcase_add_test(tc, tests[i]);
    suite_add_tcase(s, tc);
    return s;
}
