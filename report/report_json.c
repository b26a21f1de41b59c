/* SPDX-License-Identifier: MIT */
#include <errno.h>

#include "report/json_account.h"
#include "report/json_exchanges.h"
#include "report/report.h"

#define FORMAT_VERSION 1

static json_t *run(const struct report_facts *facts)
{
    struct object o = object_new();
    put(&o, "command", json_deep_copy(facts->command));
    put(&o, "start", json_moment(facts->start_wall_ns));
    put(&o, "end", json_moment(facts->end_wall_ns));
    put_seconds(&o, "duration_s", facts->end_ns - facts->start_ns);
    put(&o, "exit_status", json_integer(facts->exit_status));
    put_text(&o, "error", facts->error);
    return o.json;
}

static json_t *accounts(const struct report_facts *facts, enum account_kind kind)
{
    json_t *list = json_array();
    const struct account *a;
    for (size_t i = 0; (a = ledger_nth(facts->ledger, kind, i)); i++) {
        struct object o = json_account(a, kind);
        if (kind == ACCOUNT_OUTPUT) {
            put_curve(&o, "latency_curve", account_latency(a));
            put_curve(&o, "lateness_curve", account_lateness(a));
            put_exchanges(&o, a, facts->start_ns);
        }
        append(&list, o.json);
    }
    return list;
}

/* What each counter counts, in words. */
static json_t *counters(void)
{
    struct object o = object_new();
    for (int book = 0; book < BOOKS; book++)
        put_text(&o, book_name((enum book)book), book_text((enum book)book));
    return o.json;
}

json_t *report_json(const struct report_facts *facts)
{
    char breach[256];
    struct object o = object_new();
    put_text(&o, "format", "refrain-report");
    put_integer(&o, "format_version", FORMAT_VERSION);
    put_text(&o, "version", facts->version);
    put(&o, "run", run(facts));
    put(&o, "balanced", json_boolean(ledger_balances(facts->ledger, breach, sizeof(breach))));
    put(&o, "loss", json_real(ledger_loss(facts->ledger)));
    put(&o, "assertions", facts->assertions ? json_incref(facts->assertions) : json_array());
    put(&o, "inputs", accounts(facts, ACCOUNT_INPUT));
    put(&o, "outputs", accounts(facts, ACCOUNT_OUTPUT));
    put(&o, "comparison", facts->comparison ? json_incref(facts->comparison) : json_null());
    put(&o, "counters", counters());
    return o.json;
}

static int state_of(FILE *f)
{
    errno = 0;
    if (fflush(f) == 0 && !ferror(f))
        return 0;
    return errno != 0 ? -errno : -EIO;
}

int report_write_json(FILE *f, const json_t *report)
{
    int r = json_dumpf(report, f, JSON_COMPACT | JSON_REAL_PRECISION(9));
    fputc('\n', f);
    int state = state_of(f);
    return state == 0 && r < 0 ? -ENOMEM : state;
}
