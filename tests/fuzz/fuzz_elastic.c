/* SPDX-License-Identifier: MIT */
/* What a node answers to a bulk. Input: one byte, how many documents there were; then the answer.
 * Whatever it says, each document has a fate, and what is told of a fault can stand in a log. */
#include <stdlib.h>
#include <string.h>

#include "outputs/elastic_answer.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool holds)
{
    if (!holds)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1)
        return 0;
    size_t n = data[0], faults = 0;
    enum elastic_fate *fates = malloc((n + 1) * sizeof(*fates));
    struct elastic_fault fault;
    check(fates != NULL);
    for (size_t i = 0; i < n; i++)
        fates[i] = (enum elastic_fate)99;
    if (elastic_answer_read(span_of(data + 1, size - 1), n, fates, &fault) == 0) {
        for (size_t i = 0; i < n; i++) {
            check(fates[i] == ELASTIC_STORED || fates[i] == ELASTIC_AGAIN ||
                  fates[i] == ELASTIC_REFUSED);
            faults += fates[i] != ELASTIC_STORED;
        }
        check((fault.status != 0) == (faults > 0));
        check(memchr(fault.type, '\0', sizeof(fault.type)) != NULL);
        for (const char *p = fault.type; *p; p++)
            check(*p > ' ' && *p < 0x7f);
    }
    free(fates);
    return 0;
}
