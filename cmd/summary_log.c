/* SPDX-License-Identifier: MIT */
#include "cmd/summary_log.h"

#include "lib/log.h"

/* Told when they are 0, too: what others are a part of, and what should be 0. */
static const enum book always_in[] = {BOOK_PRODUCED, BOOK_KERNEL_DROPS, BOOK_REQ_STARTED,
                                      BOOK_REQ_COMPLETE};
static const enum book always_out[] = {BOOK_SEEN, BOOK_DELIVERED, BOOK_DROPPED, BOOK_FAILED,
                                       BOOK_ABANDONED};

struct fields {
    struct log_field list[LOG_FIELDS_MAX];
    size_t n;
};

static void add_count(struct fields *f, const char *scope, const char *key, uint64_t count)
{
    f->list[f->n++] = (struct log_field){scope, key, LOG_COUNT, {.count = count}};
}

static void add_real(struct fields *f, const char *key, double real)
{
    f->list[f->n++] = (struct log_field){NULL, key, LOG_REAL, {.real = real}};
}

static void add_bool(struct fields *f, const char *key, bool holds)
{
    f->list[f->n++] = (struct log_field){NULL, key, LOG_BOOL, {.holds = holds}};
}

static uint64_t accounts(const struct ledger *ledger, enum account_kind kind)
{
    size_t n = 0;
    while (ledger_nth(ledger, kind, n))
        n++;
    return n;
}

static bool is_one_of(enum book book, const enum book *list, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (list[i] == book)
            return true;
    return false;
}

static void add_books(struct fields *f, const struct ledger *ledger, enum account_kind kind)
{
    _Static_assert(2 * BOOKS + 8 <= LOG_FIELDS_MAX, "more counters than a line of the log takes");
    bool in = kind == ACCOUNT_INPUT;
    const enum book *always = in ? always_in : always_out;
    size_t n = in ? ARRAY_LEN(always_in) : ARRAY_LEN(always_out);
    for (int i = 0; i < BOOKS; i++) {
        enum book book = (enum book)i;
        uint64_t sum = ledger_sum(ledger, kind, book);
        if (sum > 0 || is_one_of(book, always, n))
            add_count(f, in ? "input" : "output", book_name(book), sum);
    }
}

void summary_log(const struct summary_facts *facts)
{
    char breach[256];
    struct fields f = {.n = 0};
    add_bool(&f, "running", facts->running);
    add_real(&f, "duration_s", facts->duration_s);
    if (!facts->running) /* until then some are under way */
        add_bool(&f, "balanced", ledger_balances(facts->ledger, breach, sizeof(breach)));
    add_real(&f, "loss", ledger_loss(facts->ledger));
    add_count(&f, NULL, "inputs", accounts(facts->ledger, ACCOUNT_INPUT));
    add_count(&f, NULL, "outputs", accounts(facts->ledger, ACCOUNT_OUTPUT));
    add_books(&f, facts->ledger, ACCOUNT_INPUT);
    add_books(&f, facts->ledger, ACCOUNT_OUTPUT);
    log_event("summary", f.list, f.n);
}
