/* SPDX-License-Identifier: MIT */
/* refrain ctl: asks and steers a refrain that runs (--control). */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/control_request.h"
#include "tools/ctl_link.h"
#include "tools/ctl_show.h"
#include "tools/ctl_top.h"
#include "tools/tool.h"

/* What there is to say, when it was done. */
static int tell(const json_t *answer, const char *verb, bool as_json, struct err *err)
{
    const char *text = json_string_value(json_object_get(answer, "text"));
    const char *note = json_string_value(json_object_get(answer, "note"));
    if (as_json) {
        char *dump = json_dumps(answer, JSON_COMPACT | JSON_REAL_PRECISION(9));
        if (!dump)
            return err_failure(err, "out of memory");
        puts(dump);
        free(dump);
    } else if (strcmp(verb, "status") == 0) {
        ctl_show(stdout, answer, NULL, 0);
    } else if (text) {
        fputs(text, stdout);
    }
    if (note && !as_json)
        fprintf(stderr, "refrain ctl: %s\n", note);
    return 0;
}

static int ask(int fd, const struct tool_args *args, const char *const *words, size_t n,
               struct err *err)
{
    json_t *answer;
    int r = ctl_ask(fd, words, n, &answer, err);
    if (r < 0)
        return r;
    r = tell(answer, words[0], options_bool(args->options, "json"), err);
    json_decref(answer);
    return r;
}

static int run(const struct tool_args *args, struct err *err)
{
    const char *words[CONTROL_WORDS_MAX];
    const char *word;
    size_t n = 0;
    for (; (word = options_nth(args->options, "word", n)); n++) {
        if (n == CONTROL_WORDS_MAX)
            return err_usage(err, "refrain ctl: more than %d words", CONTROL_WORDS_MAX);
        words[n] = word;
    }
    if (n == 0)
        return err_usage(err, "refrain ctl: what? status, top, summary, set, pause, resume, "
                              "rotate, reload or stop");
    int fd = ctl_connect(options_string(args->options, "control"), err);
    if (fd < 0)
        return fd;
    int r = strcmp(words[0], "top") == 0 ? ctl_top(fd, args->options, err)
                                         : ask(fd, args, words, n, err);
    close(fd);
    return r;
}

static const char *const takes[] = {"help", "version", "verbose", NULL};

const struct tool tool_ctl = {
    .name = "ctl",
    .operands = "VERB [NAME...]",
    .operand_option = "word",
    .summary = "Ask or steer a refrain that runs with --control",
    .takes = takes,
    .run = run,
};
