/* SPDX-License-Identifier: MIT */
#include "tests/unit/unit.h"

#include <stdio.h>

#include "lib/fates.h"

START_TEST(recent_fates_are_remembered_and_old_ones_unknown)
{
    struct fates *fates;
    char id[32];
    ck_assert_int_eq(fates_new(&fates, 1024), 0);
    for (int n = 0; n < 100000; n++) {
        snprintf(id, sizeof(id), "%d", n);
        fates_put(fates, span_str(id), (uint64_t)n % 7);
        snprintf(id, sizeof(id), "%d", n > 100 ? n - 100 : 0);
        uint64_t fate = fates_get(fates, span_str(id));
        ck_assert(fate == FATE_UNKNOWN || fate == (uint64_t)(n > 100 ? n - 100 : 0) % 7);
        snprintf(id, sizeof(id), "%d", n);
        ck_assert_uint_eq(fates_get(fates, span_str(id)), (uint64_t)n % 7);
    }
    ck_assert_uint_eq(fates_get(fates, span_str("5")), FATE_UNKNOWN);
    fates_free(fates);
}
END_TEST

Suite *suite(void)
{
    const TTest *const tests[] = {recent_fates_are_remembered_and_old_ones_unknown};
    return suite_of("fates", tests, ARRAY_LEN(tests));
}
