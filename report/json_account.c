/* SPDX-License-Identifier: MIT */
#include "report/json_account.h"

static double seconds(int64_t ns)
{
    return (double)ns / (double)NS_PER_S;
}

struct rates rates_of(const struct account *account)
{
    const struct pace *p = account_pace(account);
    double gaps = (double)atomic_load(&p->count) - 1;
    struct rates r = {seconds(atomic_load(&p->last_due_ns) - atomic_load(&p->first_due_ns)),
                      seconds(atomic_load(&p->last_out_ns) - atomic_load(&p->first_out_ns)), 0, 0};
    r.wanted = gaps > 0 && r.planned_s > 0 ? gaps / r.planned_s : 0;
    r.achieved = gaps > 0 && r.taken_s > 0 ? gaps / r.taken_s : 0;
    return r;
}

static void put_books(struct object *o, const struct account *account, enum account_kind kind)
{
    for (int book = 0; book < BOOKS; book++)
        if (book_is_of((enum book)book, kind))
            put_integer(o, book_name((enum book)book), account_sum(account, (enum book)book));
}

static void put_pace(struct object *o, const struct account *account)
{
    if (histogram_count(account_lateness(account)) == 0)
        return;
    struct rates r = rates_of(account);
    put(o, "planned_s", json_real(r.planned_s));
    put(o, "taken_s", json_real(r.taken_s));
    put(o, "rate_wanted", json_real(r.wanted));
    put(o, "rate_achieved", json_real(r.achieved));
    put_times(o, "lateness", account_lateness(account));
}

struct object json_account(const struct account *account, enum account_kind kind)
{
    struct object o = object_new();
    put_text(&o, "name", account_name(account));
    if (account_presence(account) > 0)
        put(&o, "removed", json_moment(account_presence(account)));
    put_books(&o, account, kind);
    if (kind == ACCOUNT_INPUT)
        return o;
    put_integer(&o, "under_way", account_open(account));
    put_times(&o, "latency", account_latency(account));
    put_pace(&o, account);
    return o;
}
