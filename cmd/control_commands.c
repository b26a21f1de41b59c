/* SPDX-License-Identifier: MIT */
#include "cmd/control_commands.h"

#include <stdlib.h>
#include <string.h>

#include "cmd/status.h"
#include "cmd/summary.h"
#include "lib/clock.h"

/* One request. */
struct asked {
    struct commands *commands;
    const char *const *args; /* behind the verb */
    size_t n;
    struct object *answer;
    struct err *err;
};

static int answer_status(struct asked *a)
{
    struct commands *c = a->commands;
    status_put(a->answer, c->steer, c->options, c->shed, clock_mono_ns() - c->start_ns);
    if (c->sandbox)
        put_text(a->answer, "sandbox", sandbox_text(c->sandbox));
    return 0;
}

static int answer_summary(struct asked *a)
{
    struct commands *c = a->commands;
    char *text = summary_text(c->ledger, c->options, SUMMARY_RUNNING);
    if (!text)
        return err_failure(a->err, "no memory for the summary");
    put_text(a->answer, "text", text);
    free(text);
    return 0;
}

/* Either "what value" or "what=value" each. */
static int answer_set(struct asked *a)
{
    struct commands *c = a->commands;
    char what[STEER_NAME_MAX + 16];
    const char *equals = strrchr(a->args[0], '=');
    if (a->n == 2)
        return steer_set(c->steer, a->args[0], a->args[1], a->err);
    if (!equals || (size_t)(equals - a->args[0]) >= sizeof(what))
        return err_usage(a->err, "set: expected NAME.percent, .rate, .weight or .speed, and a "
                                 "value");
    memcpy(what, a->args[0], (size_t)(equals - a->args[0]));
    what[equals - a->args[0]] = '\0';
    return steer_set(c->steer, what, equals + 1, a->err);
}

/* All names are there, before anything is done. */
static int check_names(struct asked *a)
{
    for (size_t i = 0; i < a->n; i++)
        if (!steer_find(a->commands->steer, a->args[i]))
            return err_usage(a->err,
                             "\"%s\": there is no input or output of that name (status lists them)",
                             a->args[i]);
    return 0;
}

static int answer_pause(struct asked *a)
{
    struct steer *steer = a->commands->steer;
    int r = check_names(a);
    for (size_t i = 0; i < a->n && r == 0; i++)
        steer_pause(steer, steer_find(steer, a->args[i]), PAUSED_BY_HAND);
    if (r == 0 && a->n == 0)
        steer_pause(steer, NULL, PAUSED_BY_HAND);
    return r;
}

static int answer_resume(struct asked *a)
{
    static const unsigned reasons = PAUSED_BY_HAND | PAUSED_BY_GUARD;
    struct steer *steer = a->commands->steer;
    int r = check_names(a);
    for (size_t i = 0; i < a->n && r == 0; i++)
        steer_resume(steer, steer_find(steer, a->args[i]), reasons);
    if (r == 0 && a->n == 0)
        steer_resume(steer, NULL, reasons);
    for (struct steered *one = steer_next(steer, NULL); one && r == 0; one = steer_next(steer, one))
        if (one->paused & PAUSED_BY_FILE) {
            put_text(a->answer, "note", "what the file of --stop-file pauses stays paused");
            break;
        }
    return r;
}

static int answer_stop(struct asked *a)
{
    a->commands->stop = true;
    return 0;
}

static int answer_rotate(struct asked *a)
{
    pipeline_reopen(a->commands->pipe);
    return 0;
}

static int answer_reload(struct asked *a)
{
    return reload_run(a->commands->reload, a->err);
}

static const struct {
    const char *verb;
    size_t min, max; /* arguments */
    int (*answer)(struct asked *a);
} verbs[] = {
    {"status", 0, 0, answer_status},
    {"summary", 0, 0, answer_summary},
    {"set", 1, 2, answer_set},
    {"pause", 0, CONTROL_WORDS_MAX, answer_pause},
    {"resume", 0, CONTROL_WORDS_MAX, answer_resume},
    {"stop", 0, 0, answer_stop},
    {"rotate", 0, 0, answer_rotate},
    {"reload", 0, 0, answer_reload},
};

static int do_verb(struct asked *a, const char *verb)
{
    for (size_t i = 0; i < ARRAY_LEN(verbs); i++) {
        if (strcmp(verbs[i].verb, verb) != 0)
            continue;
        if (a->n >= verbs[i].min && a->n <= verbs[i].max)
            return verbs[i].answer(a);
        return err_usage(a->err, "%s: too %s words behind it", verb,
                         a->n < verbs[i].min ? "few" : "many");
    }
    return err_usage(
        a->err, "\"%s\": expected status, summary, set, pause, resume, rotate, reload, stop", verb);
}

void commands_answer(void *arg, const struct control_request *request, struct buf *out)
{
    static const char no_memory[] = "{\"ok\":false,\"error\":\"out of memory\"}";
    struct err err;
    struct object answer = object_new();
    struct asked a = {
        .commands = arg,
        .args = request->words + 1,
        .n = request->n - 1,
        .answer = &answer,
        .err = &err,
    };
    int r = do_verb(&a, request->words[0]);
    put(&answer, "ok", json_boolean(r == 0));
    if (r < 0)
        put_text(&answer, "error", err.text);
    char *text =
        answer.json ? json_dumps(answer.json, JSON_COMPACT | JSON_REAL_PRECISION(9)) : NULL;
    json_decref(answer.json);
    if (!text || buf_append(out, text, strlen(text)) < 0) {
        r = buf_append(out, no_memory, strlen(no_memory));
        (void)r; /* without a line end the client is dropped */
    }
    free(text);
}
