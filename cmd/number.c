/* SPDX-License-Identifier: MIT */
#include "cmd/number.h"

#include <inttypes.h>
#include <stdio.h>

struct number grouped(uint64_t n)
{
    char digits[24];
    struct number out = {""};
    int len = snprintf(digits, sizeof(digits), "%" PRIu64, n);
    char *p = out.text;
    for (int i = 0; i < len; i++) {
        if (i > 0 && (len - i) % 3 == 0)
            *p++ = ',';
        *p++ = digits[i];
    }
    *p = '\0';
    return out;
}
