/* SPDX-License-Identifier: MIT */
#include "tools/selection.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "lib/condition.h"
#include "lib/fates.h"
#include "lib/mem.h"
#include "lib/waiting.h"

/* Requests whose response may still come. */
#define REMEMBERED (1 << 18)
#define WAITING_MSGS 65536
#define WAITING_BYTES (64 << 20)

enum fate {
    FATE_DROP = 0,
    FATE_KEEP = 1,
};

struct selection {
    struct job *job;
    selection_put *put;
    bool invert;
    struct filter_chain *chain;
    struct ledger *ledger; /* what filters count */
    struct condition *status; /* NULL: any */
    struct waiting *waiting; /* with status */
    struct fates *fates;
};

static int open_status(struct selection *s, const char *status, struct err *err)
{
    char text[64];
    if (status[0] == '\0')
        return 0;
    if (snprintf(text, sizeof(text), "status:%s", status) >= (int)sizeof(text))
        return err_usage(err, "--status \"%.40s…\": expected 404, 5xx or 500-504", status);
    int r = condition_new(&s->status, "status", text, err);
    if (r == 0 && waiting_new(&s->waiting, WAITING_MSGS, WAITING_BYTES) < 0)
        return err_sys(err, ENOMEM, "--status");
    return r;
}

int selection_new(struct selection **sp, struct job *job, bool invert, const char *status,
                  selection_put *put)
{
    const struct tool_args *args = job->args;
    struct selection *s = mem_zalloc(MEM_OTHER, sizeof(*s));
    struct account *account = NULL;
    if (s && fates_new(&s->fates, REMEMBERED) == 0 && ledger_new(&s->ledger) == 0)
        account = ledger_account(s->ledger, ACCOUNT_INPUT, "filters");
    struct books *books = account ? account_page(account) : NULL;
    if (!books) {
        selection_free(s);
        return err_sys(job->err, ENOMEM, "filters");
    }
    s->job = job;
    s->put = put;
    s->invert = invert;
    int r = filter_chain_new(&s->chain, args->filters, args->n_filters, args->options, job->err);
    if (r == 0)
        r = open_status(s, status, job->err);
    if (r < 0) {
        selection_free(s);
        return r;
    }
    filter_chain_count(s->chain, books);
    *sp = s;
    return 0;
}

void selection_free(struct selection *s)
{
    if (!s)
        return;
    filter_chain_free(s->chain);
    condition_free(s->status);
    waiting_free(s->waiting);
    fates_free(s->fates);
    ledger_free(s->ledger);
    mem_free(s);
}

bool selection_judges(const struct selection *s)
{
    return s->status || filter_chain_judges(s->chain);
}

static int drop(struct selection *s, const struct msg *msg)
{
    s->job->tally.filtered++;
    msg_unref(msg);
    return 0;
}

static int lose(struct selection *s, const struct msg *msg)
{
    s->job->tally.failed++;
    msg_unref(msg);
    return 0;
}

/* Takes msg, which was selected. */
static int keep(struct selection *s, const struct msg *msg)
{
    const struct msg *changed = NULL;
    enum verdict verdict = filter_chain_rewrite(s->chain, msg, &changed);
    if (verdict == VERDICT_FAIL)
        return lose(s, msg);
    if (verdict == VERDICT_REPLACE) {
        msg_unref(msg);
        msg = changed;
    }
    return s->put(s->job, msg);
}

/* Takes request, whose fate is known now. */
static int decide(struct selection *s, const struct msg *request, bool selected)
{
    bool kept = selected != s->invert;
    fates_put(s->fates, msg_id(request), kept ? FATE_KEEP : FATE_DROP);
    return kept ? keep(s, request) : drop(s, request);
}

static int wait_for_status(struct selection *s, const struct msg *request)
{
    uint64_t note;
    int r = 0;
    waiting_put(s->waiting, request, 0);
    msg_unref(request);
    for (const struct msg *old = waiting_overflow(s->waiting, &note); old && r == 0;
         old = waiting_overflow(s->waiting, &note))
        r = decide(s, old, false);
    return r;
}

/* The request that waits for this response, if there is one. */
static int answer(struct selection *s, const struct msg *response)
{
    uint64_t note;
    const struct msg *request =
        s->waiting ? waiting_take(s->waiting, msg_id(response), &note) : NULL;
    if (!request)
        return 0;
    return decide(s, request, condition_holds(s->status, request, response->http.status));
}

int selection_feed(struct selection *s, const struct msg *msg)
{
    const struct msg *redacted = NULL;
    enum verdict verdict = filter_chain_redact(s->chain, msg, &redacted);
    if (verdict == VERDICT_FAIL)
        return lose(s, msg);
    if (verdict == VERDICT_REPLACE) {
        msg_unref(msg);
        msg = redacted;
    }
    if (msg->type == MSG_REQUEST) {
        /* what cannot be redacted must not come out, turned round or not */
        if (verdict == VERDICT_DROP)
            return drop(s, msg);
        bool passes = filter_chain_judge(s->chain, msg) == VERDICT_PASS;
        return passes && s->status ? wait_for_status(s, msg) : decide(s, msg, passes);
    }
    int r = answer(s, msg);
    if (r < 0) {
        s->job->tally.failed++;
        msg_unref(msg);
        return r;
    }
    bool kept = !selection_judges(s) || fates_get(s->fates, msg_id(msg)) == FATE_KEEP;
    return kept && verdict != VERDICT_DROP ? keep(s, msg) : drop(s, msg);
}

int selection_finish(struct selection *s)
{
    uint64_t note;
    int r = 0;
    if (!s->waiting)
        return 0;
    for (const struct msg *old = waiting_leave(s->waiting, &note); old && r == 0;
         old = waiting_leave(s->waiting, &note))
        r = decide(s, old, false);
    return r;
}
