/* SPDX-License-Identifier: MIT */
/* Two hostile answers, under a hostile rule: no crash, no leak; an answer is equal to itself; in
 * either order as much is told, as missing here what is added there; and all that is told can stand
 * in JSON. Input: a line with the rule, an answer, "\n----\n", the other answer. */
#include <stdlib.h>
#include <string.h>

#include "cmd/options_table.h"
#include "compare/answer_diff.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool holds)
{
    if (!holds)
        abort();
}

struct counter {
    struct difference_sink sink;
    size_t kinds[DIFFERENCE_KINDS];
};

static void count(struct difference_sink *sink, const struct difference *d)
{
    struct counter *counter = container_of(sink, struct counter, sink);
    counter->kinds[d->kind]++;
    check(strlen(d->location) < LOCATION_MAX);
    for (size_t side = 0; side < 2; side++) {
        char value[VALUE_MAX];
        difference_value(d, side, value);
        json_t *text = json_string(value);
        check(text != NULL);
        json_decref(text);
    }
    json_t *location = json_string(d->location);
    check(location != NULL);
    json_decref(location);
}

/* What names no rule ignores nothing. */
static struct ignore *rule_of(struct span line)
{
    struct options *options;
    struct ignore *ignore = NULL;
    struct err err;
    char text[300];
    size_t len = line.len < sizeof(text) - 1 ? line.len : sizeof(text) - 1;
    if (len > 0)
        memcpy(text, line.ptr, len);
    text[len] = '\0';
    check(options_new(&options, &refrain_options) == 0);
    check(options_set(options, "compare-ignore", text, OPTION_FROM_COMMAND_LINE, &err) == 0);
    if (ignore_open(&ignore, options, &err) < 0) {
        check(strstr(err.text, "at character") != NULL);
        options_free(options);
        check(options_new(&options, &refrain_options) == 0);
        check(ignore_open(&ignore, options, &err) == 0);
    }
    options_free(options);
    return ignore;
}

/* Every other one, as the length has it, is one that was cut. */
static struct msg *answer_of(struct span text)
{
    struct msg *msg = msg_new(text.len + 1);
    check(msg != NULL);
    msg->type = MSG_RESPONSE;
    if (text.len > 0)
        memcpy(msg->bytes, text.ptr, text.len);
    msg->len = text.len;
    msg_parse_head(msg);
    msg->flags = text.len % 4 == 3 ? MSG_CUT : 0;
    return msg;
}

static struct counter compare(struct answer_diff *diff, const struct msg *first,
                              const struct msg *second)
{
    struct counter counter = {.sink = {count}};
    answer_diff(diff, first, second, &counter.sink);
    return counter;
}

static void split(struct span all, struct span *line, struct span *first, struct span *second)
{
    static const char border[] = "\n----\n";
    size_t len = strlen(border);
    const uint8_t *end = all.len > 0 ? memchr(all.ptr, '\n', all.len) : NULL;
    *line = end ? span_of(all.ptr, (size_t)(end - all.ptr)) : span_of(all.ptr, 0);
    *first = span_from(all, end ? line->len + 1 : 0);
    *second = span_of(NULL, 0);
    for (size_t i = 0; i + len <= first->len; i++)
        if (memcmp(first->ptr + i, border, len) == 0) {
            *second = span_from(*first, i + len);
            first->len = i;
            return;
        }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct span line, texts[2];
    struct answer_diff diff;
    split(span_of(data, size), &line, &texts[0], &texts[1]);
    struct ignore *ignore = rule_of(line);
    struct msg *first = answer_of(texts[0]), *second = answer_of(texts[1]);
    answer_diff_init(&diff, ignore);
    struct counter self = compare(&diff, first, first);
    struct counter forth = compare(&diff, first, second), back = compare(&diff, second, first);
    for (size_t kind = 0; kind < DIFFERENCE_KINDS; kind++)
        check(self.kinds[kind] == 0);
    check(forth.kinds[DIFFERENCE_CHANGED] == back.kinds[DIFFERENCE_CHANGED]);
    check(forth.kinds[DIFFERENCE_TYPE] == back.kinds[DIFFERENCE_TYPE]);
    check(forth.kinds[DIFFERENCE_MISSING] == back.kinds[DIFFERENCE_ADDED]);
    check(forth.kinds[DIFFERENCE_ADDED] == back.kinds[DIFFERENCE_MISSING]);
    answer_diff_fini(&diff);
    ignore_free(ignore);
    msg_unref(first);
    msg_unref(second);
    return 0;
}
