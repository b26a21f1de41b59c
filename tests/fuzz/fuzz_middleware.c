/* SPDX-License-Identifier: MIT */
/* Whatever a middleware writes, or a user as its command: no crash, no leak, and what is understood
 * is written again as it was read. Input: a line, which is taken as a command too. */
#include <stdlib.h>
#include <string.h>

#include "lib/mem.h"
#include "middleware/line.h"
#include "middleware/words.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool holds)
{
    if (!holds)
        abort();
}

static void try_words(const uint8_t *data, size_t size)
{
    struct words words;
    size_t bad_at = SIZE_MAX, len = 0;
    char *text = calloc(1, size + 1);
    check(text != NULL);
    memcpy(text, data, size);
    if (words_init(&words, text, &bad_at) == 0) {
        for (size_t i = 0; i < words.n; i++)
            len += strlen(words.argv[i]);
        check(len <= strlen(text) && !words.argv[words.n]);
        words_fini(&words);
    } else {
        check(bad_at < strlen(text));
    }
    free(text);
}

static void try_line(const uint8_t *data, size_t size)
{
    struct msg *msg = NULL, *again = NULL;
    struct buf out;
    uint8_t *line = malloc(size + 1);
    check(line != NULL);
    memcpy(line, data, size);
    buf_init(&out, 4 * size + 2048);
    if (line_decode(line, size, &msg) == 0) {
        check(line_encode(&out, msg) == 0);
        check(line_decode(out.data + out.start, buf_span(&out).len - 1, &again) == 0);
        check(span_eq(msg_payload(again), msg_payload(msg)) && span_eq(msg_id(again), msg_id(msg)));
        check(again->type == msg->type && again->ts_ns == msg->ts_ns);
    }
    msg_unref(msg);
    msg_unref(again);
    buf_fini(&out);
    free(line);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    try_words(data, size);
    try_line(data, size);
    check(mem_used(MEM_MSG) + mem_used(MEM_IO) + mem_used(MEM_OTHER) == 0);
    return 0;
}
