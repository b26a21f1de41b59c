/* SPDX-License-Identifier: MIT */
#include "cmd/steer.h"

#include <stdio.h>
#include <string.h>

#include "lib/hash.h"
#include "lib/log.h"
#include "lib/units.h"

const char *pause_reason_text(enum pause_reason reason)
{
    switch (reason) {
    case PAUSED_BY_HAND:
        return "by hand";
    case PAUSED_BY_FILE:
        return "by --stop-file";
    case PAUSED_BY_GUARD:
        return "by --guard";
    }
    return "";
}

/* --- names --- */

/* What stands behind the last c; all of s when there is none, or nothing behind it. */
static struct span behind_last(struct span s, char c)
{
    for (size_t i = s.len; i > 1; i--)
        if (s.ptr[i - 2] == (uint8_t)c)
            return span_from(s, i - 1);
    return s;
}

/* The part of an address that a person would call it by. */
static struct span derived(const char *option, const char *value, size_t address_len)
{
    struct span s = span_of(value, address_len);
    const char *scheme = strstr(value, "://");
    const char *dash = strchr(option, '-');
    if (address_len == 0)
        return span_str(dash ? dash + 1 : option);
    if (!scheme || (size_t)(scheme - value) >= address_len)
        return behind_last(s, '/');
    s = span_from(s, (size_t)(scheme - value) + 3);
    for (size_t i = 0; i < s.len; i++)
        if (strchr("/?#", s.ptr[i]))
            s.len = i;
    return behind_last(s, '@'); /* what stands before it may be a password */
}

static void set_name(struct steered *item, struct span name)
{
    size_t n = 0;
    for (; n < name.len && n < STEER_NAME_MAX - 8; n++) /* room for "#85" */
        item->name[n] = (char)(name.ptr[n] > ' ' && name.ptr[n] <= '~' ? name.ptr[n] : '_');
    item->name[n] = '\0';
}

/* By one before it, or by --to-name. */
static bool is_taken(const struct steer *steer, const struct steered *item, const char *name)
{
    for (const struct steered *one = steer_next(steer, NULL); one; one = steer_next(steer, one))
        if ((one < item || (one > item && one->given)) && strcmp(one->name, name) == 0)
            return true;
    return false;
}

void steer_name_all(struct steer *steer)
{
    for (struct steered *item = steer_next(steer, NULL); item; item = steer_next(steer, item)) {
        size_t len = strlen(item->name);
        for (unsigned n = 2; !item->given && is_taken(steer, item, item->name); n++)
            snprintf(item->name + len, sizeof(item->name) - len, "#%u", n);
    }
}

static struct steered *new_item(struct steer *steer)
{
    size_t i = 0;
    while (steer->items[i].used)
        i++;
    assert(i < STEERED_MAX); /* the pipeline takes no more */
    steer->items[i] = (struct steered){.used = true};
    return &steer->items[i];
}

struct dials *steer_add_input(struct steer *steer, const struct wanted_input *wanted, size_t nth,
                              struct account *account)
{
    size_t len;
    struct limit limit;
    struct err ignored; /* it was read before */
    struct steered *item = new_item(steer);
    item->kind = ACCOUNT_INPUT;
    item->nth = nth;
    item->account = account;
    item->speed = wanted->speed;
    item->rps = wanted->rps;
    if (limit_parse(wanted->ops->option, wanted->value, &len, &limit, &ignored) < 0)
        len = strlen(wanted->value);
    set_name(item, derived(wanted->ops->option, wanted->value, len));
    return &item->dials;
}

static uint64_t target_of(const struct wanted *wanted)
{
    const char *option = wanted->ops->option;
    return hash64(wanted->value, wanted->address_len, hash64(option, strlen(option), 0));
}

struct steered *steer_add_output(struct steer *steer, const struct wanted *wanted, size_t nth,
                                 bool split, struct account *account)
{
    struct steered *item = new_item(steer);
    item->kind = ACCOUNT_OUTPUT;
    item->account = account;
    item->output = wanted->ops;
    item->books = account_page(account);
    item->target = target_of(wanted);
    ramp_init(&item->ramp, &wanted->limit);
    steer_change_output(steer, item, wanted, nth, split);
    return item;
}

static bool same_guard(const struct guard *a, const struct guard *b)
{
    bool same = a->n == b->n && a->window_ns == b->window_ns;
    for (size_t i = 0; i < a->n && same; i++)
        same = strcmp(a->assertions[i].text, b->assertions[i].text) == 0;
    return same;
}

void steer_change_output(struct steer *steer, struct steered *item, const struct wanted *wanted,
                         size_t nth, bool split)
{
    item->nth = nth;
    item->given = wanted->name[0] != '\0';
    item->in_split = split && !wanted->aside;
    if (item->guarded == 0 || !same_guard(&item->guard, &wanted->guard)) {
        item->guard = wanted->guard;
        item->guarded = ++steer->guards;
    }
    set_name(item, item->given ? span_str(wanted->name)
                               : derived(wanted->ops->option, wanted->value, wanted->address_len));
}

void steer_pause_as_all(struct steer *steer, struct steered *item)
{
    unsigned paused = ~0U;
    bool any = false;
    for (const struct steered *one = steer_next(steer, NULL); one; one = steer_next(steer, one)) {
        if (one->kind != ACCOUNT_OUTPUT || one == item)
            continue;
        any = true;
        paused &= one->paused;
    }
    item->paused = any ? paused & (PAUSED_BY_HAND | PAUSED_BY_FILE) : 0;
    atomic_store(&item->dials.paused, item->paused != 0);
}

struct steered *steer_leaving(const struct steer *steer, const struct wanted *wanted)
{
    uint64_t target = target_of(wanted);
    for (size_t i = 0; i < STEERED_MAX; i++)
        if (steer->items[i].used && steer->items[i].leaves && steer->items[i].target == target)
            return (struct steered *)&steer->items[i];
    return NULL;
}

bool steer_has_leaving(const struct steer *steer)
{
    for (size_t i = 0; i < STEERED_MAX; i++)
        if (steer->items[i].used && steer->items[i].leaves)
            return true;
    return false;
}

void steer_forget_gone(struct steer *steer)
{
    for (size_t i = 0; i < STEERED_MAX; i++) {
        struct steered *item = &steer->items[i];
        if (!item->used || !item->leaves || pipeline_has_output(steer->pipe, item->account))
            continue;
        log_info(NULL, "%s has drained and is closed", item->name);
        item->used = false;
    }
}

struct steered *steer_next(const struct steer *steer, const struct steered *item)
{
    for (size_t i = item ? (size_t)(item - steer->items) + 1 : 0; i < STEERED_MAX; i++)
        if (steer->items[i].used && !steer->items[i].leaves)
            return (struct steered *)&steer->items[i];
    return NULL;
}

void steer_set_device(struct steer *steer, const struct account *account, const char *device)
{
    struct steered *item = steer_next(steer, NULL);
    while (item->account != account)
        item = steer_next(steer, item);
    item->captures = true;
    snprintf(item->device, sizeof(item->device), "%s", device);
}

struct steered *steer_find(struct steer *steer, const char *name)
{
    for (struct steered *item = steer_next(steer, NULL); item; item = steer_next(steer, item))
        if (strcmp(item->name, name) == 0)
            return item;
    return NULL;
}

/* --- dials --- */

/* What is being set, for the messages. */
struct setting {
    struct steered *item;
    const char *value;
    double number;
    struct err *err;
};

/* "20", "20%", "0.5", "100rps"; NULL, or what is expected. */
static const char *read_number(struct setting *s, const char *suffix)
{
    struct span rest = span_str(s->value);
    size_t n = strlen(suffix);
    if (rest.len > n && memcmp(rest.ptr + rest.len - n, suffix, n) == 0)
        rest.len -= n;
    return limit_parse_number(rest, &s->number) ? NULL : "a number";
}

static int wrong_value(const struct setting *s, const char *dial, const char *expected)
{
    return err_usage(s->err, "%s.%s \"%s\": expected %s", s->item->name, dial, s->value, expected);
}

static int has_no(const struct setting *s, const char *dial, const char *why)
{
    return err_usage(s->err, "%s has no %s: %s", s->item->name, dial, why);
}

static int set_percent(struct setting *s)
{
    if (read_number(s, "%") || s->number > 100)
        return wrong_value(s, "percent", "a percentage from 0 to 100");
    atomic_store(&s->item->dials.percent, s->number);
    if (s->item->ramp.n == 0)
        return 0;
    s->item->ramp.held = true;
    snprintf(s->item->why, sizeof(s->item->why), "the share was set by hand");
    return 0;
}

/* Of a replay at a rate it is the speed that makes it. */
static int set_rate(struct setting *s)
{
    if (read_number(s, "rps") || s->number > LIMIT_RATE_MAX)
        return wrong_value(s, "rate", "requests a second; 0: no limit");
    if (s->item->rps == 0)
        atomic_store(&s->item->dials.rate, s->number);
    else if (s->number > 0)
        atomic_store(&s->item->dials.speed, s->number / s->item->rps);
    else
        return wrong_value(s, "rate", "requests a second");
    return 0;
}

static int set_weight(struct setting *s)
{
    if (!s->item->in_split)
        return has_no(s, "weight", "it is not an output of --split-output");
    if (read_number(s, "") || s->number > LIMIT_WEIGHT_MAX)
        return wrong_value(s, "weight", "a number; 0: it gets nothing");
    atomic_store(&s->item->dials.weight, s->number);
    return 0;
}

static int set_speed(struct setting *s)
{
    if (s->item->speed == 0)
        return has_no(s, "speed", "it is not a replay");
    if (read_number(s, "%") || s->number < 0.01 || s->number > 1e6)
        return wrong_value(s, "speed", "a percentage of the recording's, from 0.01% to 1000000%");
    atomic_store(&s->item->dials.speed, s->number / s->item->speed);
    return 0;
}

static const struct {
    const char *name;
    int (*set)(struct setting *s);
} settings[] = {
    {"percent", set_percent},
    {"rate", set_rate},
    {"weight", set_weight},
    {"speed", set_speed},
};

int steer_set(struct steer *steer, const char *what, const char *value, struct err *err)
{
    const char *dot = strrchr(what, '.');
    char name[STEER_NAME_MAX];
    int n = snprintf(name, sizeof(name), "%.*s", dot ? (int)(dot - what) : 0, what);
    struct setting s = {.value = value, .err = err};
    if (!dot)
        return err_usage(err, "\"%s\": expected NAME.percent, .rate, .weight or .speed", what);
    s.item = n > 0 && (size_t)n < sizeof(name) ? steer_find(steer, name) : NULL;
    if (!s.item)
        return err_usage(
            err, "\"%s\": there is no input or output of that name (status lists them)", name);
    for (size_t i = 0; i < ARRAY_LEN(settings); i++) {
        if (strcmp(settings[i].name, dot + 1) != 0)
            continue;
        int r = settings[i].set(&s);
        if (r < 0)
            return r;
        pipeline_turn(steer->pipe);
        steer->changes++;
        log_info(NULL, "%s is set to %s", what, value);
        return 0;
    }
    return err_usage(err, "\"%s\": expected .percent, .rate, .weight or .speed", what);
}

void steer_follow_ramp(struct steer *steer, struct steered *item)
{
    assert(item->ramp.n > 0);
    atomic_store(&item->dials.percent, ramp_percent(&item->ramp));
    pipeline_turn(steer->pipe);
    steer->changes++;
}

/* --- pauses --- */

static void apply_pause(struct steered *item, unsigned paused)
{
    bool was = item->paused != 0;
    item->paused = paused;
    atomic_store(&item->dials.paused, paused != 0);
    if (was != (paused != 0))
        log_info(NULL, "%s %s", item->name, paused != 0 ? "is paused" : "goes on");
}

void steer_pause(struct steer *steer, struct steered *item, enum pause_reason reason)
{
    for (struct steered *one = steer_next(steer, NULL); one; one = steer_next(steer, one))
        if (item ? one == item : one->kind == ACCOUNT_OUTPUT)
            apply_pause(one, one->paused | reason);
    pipeline_turn(steer->pipe);
    steer->changes++;
}

void steer_resume(struct steer *steer, struct steered *item, unsigned reasons)
{
    for (struct steered *one = steer_next(steer, NULL); one; one = steer_next(steer, one)) {
        if (item && one != item)
            continue;
        if ((reasons & PAUSED_BY_GUARD) && one->ramp.held) {
            ramp_resume(&one->ramp);
            atomic_store(&one->dials.percent, ramp_percent(&one->ramp));
            log_info(NULL, "%s: the ramp goes on from %.10g%%", one->name,
                     ramp_percent(&one->ramp));
        }
        if (reasons & PAUSED_BY_GUARD)
            one->why[0] = '\0';
        apply_pause(one, one->paused & ~reasons);
    }
    pipeline_turn(steer->pipe);
    steer->changes++;
}
