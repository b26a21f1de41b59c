/* SPDX-License-Identifier: MIT */
#include "cmd/metrics_view.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "lib/clock.h"
#include "lib/log.h"
#include "lib/mem.h"

static const struct steered *item_of(const struct steer *steer, const struct account *account)
{
    for (const struct steered *item = steer_next(steer, NULL); item; item = steer_next(steer, item))
        if (item->account == account)
            return item;
    return NULL;
}

static bool is_taken(const struct view *view, const struct shown *shown)
{
    for (const struct shown *s = view->shown; s < shown; s++)
        if (s->kind == shown->kind && strcmp(s->name, shown->name) == 0)
            return true;
    return false;
}

/* Those that cannot be turned (a middleware, a comparison, answers) are called by the first word of
 * their account's name: the rest may be a command, or a URL with whatever stands in it. */
static void set_name(const struct view *view, struct shown *shown)
{
    const char *text = shown->item ? shown->item->name : account_name(shown->account);
    int len = (int)(shown->item ? strlen(text) : strcspn(text, " "));
    snprintf(shown->name, sizeof(shown->name) - 8, "%.*s", len, text);
    size_t end = strlen(shown->name);
    for (unsigned n = 2; is_taken(view, shown); n++)
        snprintf(shown->name + end, sizeof(shown->name) - end, "#%u", n);
}

static void show_all(struct view *view, enum account_kind kind)
{
    const struct account *account;
    for (size_t i = 0; (account = ledger_nth(view->of.ledger, kind, i)); i++) {
        struct shown *shown = &view->shown[view->n];
        if (account_presence(account) != ACCOUNT_PRESENT)
            continue;
        shown->kind = kind;
        shown->account = account;
        shown->item = item_of(view->of.steer, account);
        set_name(view, shown);
        view->keeps_time |= shown->item && (shown->item->speed > 0 || shown->item->rps > 0);
        view->n++;
    }
}

/* 0 or -ENOMEM: then nothing is shown. */
static int show(struct view *view)
{
    size_t n = 0;
    for (size_t i = 0; ledger_nth(view->of.ledger, ACCOUNT_INPUT, i); i++)
        n++;
    for (size_t i = 0; ledger_nth(view->of.ledger, ACCOUNT_OUTPUT, i); i++)
        n++;
    mem_free(view->shown);
    view->n = 0;
    view->shown = mem_zalloc(MEM_OTHER, n * sizeof(view->shown[0]));
    if (!view->shown)
        return -ENOMEM;
    show_all(view, ACCOUNT_INPUT);
    show_all(view, ACCOUNT_OUTPUT);
    view_turn(view, clock_mono_ns());
    return 0;
}

struct view *view_new(const struct view_of *of)
{
    struct view *view = mem_zalloc(MEM_OTHER, sizeof(*view));
    if (!view)
        return NULL;
    pthread_mutex_init(&view->lock, NULL);
    view->of = *of;
    view->start_wall_ns = clock_wall_ns();
    if (show(view) == 0)
        return view;
    view_free(view);
    return NULL;
}

void view_hold(struct view *view)
{
    if (view)
        pthread_mutex_lock(&view->lock);
}

void view_release(struct view *view)
{
    if (!view)
        return;
    if (show(view) < 0)
        log_error(NULL, "no memory for the metrics");
    pthread_mutex_unlock(&view->lock);
}

void view_free(struct view *view)
{
    if (!view)
        return;
    pthread_mutex_destroy(&view->lock);
    mem_free(view->shown);
    mem_free(view);
}

void view_turn(struct view *view, int64_t now_ns)
{
    atomic_store_explicit(&view->turned_ns, now_ns, memory_order_relaxed);
    for (size_t i = 0; i < view->n; i++) {
        struct shown *shown = &view->shown[i];
        if (!shown->item)
            continue;
        atomic_store_explicit(&shown->paused, shown->item->paused, memory_order_relaxed);
        atomic_store_explicit(&shown->step, shown->item->ramp.step, memory_order_relaxed);
        atomic_store_explicit(&shown->held, shown->item->ramp.held, memory_order_relaxed);
    }
}

static bool all_paused(const struct view *view, enum account_kind kind)
{
    bool any = false;
    for (size_t i = 0; i < view->n; i++) {
        const struct shown *shown = &view->shown[i];
        if (!shown->item || shown->kind != kind)
            continue;
        if (!atomic_load_explicit(&shown->item->dials.paused, memory_order_relaxed))
            return false;
        any = true;
    }
    return any;
}

bool view_is_ready(const struct view *view)
{
    return atomic_load(&view->running) && !pipeline_is_draining(view->of.pipe) &&
           !all_paused(view, ACCOUNT_INPUT) && !all_paused(view, ACCOUNT_OUTPUT);
}

bool view_is_alive(const struct view *view, int64_t now_ns)
{
    return now_ns - atomic_load_explicit(&view->turned_ns, memory_order_relaxed) < VIEW_ALIVE_NS;
}
