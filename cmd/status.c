/* SPDX-License-Identifier: MIT */
#include "cmd/status.h"

#include <unistd.h>

#include "config.h"
#include "lib/mem.h"
#include "report/json_account.h"

static json_t *json_dial(const _Atomic double *dial)
{
    return json_real(atomic_load(dial));
}

/* Why it is paused; empty: it is not. */
static json_t *json_reasons(unsigned paused)
{
    json_t *list = json_array();
    for (unsigned i = 0; i < PAUSE_REASONS; i++)
        if (paused >> i & 1)
            append(&list, json_string(pause_reason_text((enum pause_reason)(1U << i))));
    return list;
}

static json_t *json_ramp(const struct ramp *ramp)
{
    struct object o = object_new();
    json_t *steps = json_array();
    int64_t left_ns = ramp_left_ns(ramp);
    for (size_t i = 0; i < ramp->n; i++)
        append(&steps, json_real(ramp->steps[i]));
    put(&o, "steps", steps);
    put_integer(&o, "step", ramp->step);
    put(&o, "held", json_boolean(ramp->held));
    if (left_ns != INT64_MAX)
        put_seconds(&o, "next_s", left_ns);
    return o.json;
}

static json_t *json_guard(const struct guard *guard)
{
    struct object o = object_new();
    json_t *texts = json_array();
    for (size_t i = 0; i < guard->n; i++)
        append(&texts, json_text(guard->assertions[i].text));
    put(&o, "assertions", texts);
    put_seconds(&o, "window_s", guard->window_ns);
    return o.json;
}

static json_t *json_item(const struct steered *item)
{
    const struct dials *dials = &item->dials;
    struct object o = object_new();
    double speed = atomic_load(&dials->speed);
    put_text(&o, "name", item->name);
    put_text(&o, "account", account_name(item->account));
    put(&o, "paused", json_reasons(item->paused));
    put(&o, "percent", json_dial(&dials->percent));
    if (item->ramp.n > 0)
        put(&o, "ramp", json_ramp(&item->ramp));
    if (item->guard.n > 0)
        put(&o, "guard", json_guard(&item->guard));
    if (item->why[0])
        put_text(&o, "why", item->why);
    put(&o, "rate", item->rps > 0 ? json_real(item->rps * speed) : json_dial(&dials->rate));
    if (item->in_split)
        put(&o, "weight", json_dial(&dials->weight));
    if (item->speed > 0)
        put(&o, "speed", json_real(item->speed * speed));
    put(&o, "books", json_account(item->account, item->kind).json);
    return o.json;
}

static json_t *json_items(const struct steer *steer, enum account_kind kind)
{
    json_t *list = json_array();
    for (struct steered *item = steer_next(steer, NULL); item; item = steer_next(steer, item))
        if (item->kind == kind)
            append(&list, json_item(item));
    return list;
}

/* Outputs that were removed, and drain what they have. */
static json_t *json_leaving(const struct steer *steer)
{
    json_t *list = json_array();
    for (size_t i = 0; i < STEERED_MAX; i++) {
        const struct steered *item = &steer->items[i];
        if (!item->used || !item->leaves)
            continue;
        struct object o = object_new();
        put_text(&o, "name", item->name);
        put_text(&o, "account", account_name(item->account));
        put(&o, "books", json_account(item->account, item->kind).json);
        append(&list, o.json);
    }
    return list;
}

/* What it may take, and takes. */
static json_t *json_limits(const struct options *options, const struct shed *shed)
{
    int64_t used = 0;
    struct object o = object_new();
    for (int tag = 0; tag < MEM_TAGS; tag++)
        used += mem_used((enum mem_tag)tag);
    put_integer(&o, "max_memory", options_size(options, "max-memory"));
    put_integer(&o, "memory_flows",
                (uint64_t)(mem_used(MEM_FLOW) + mem_used(MEM_PIECES) + mem_used(MEM_MSG)));
    put_integer(&o, "memory_all", (uint64_t)used);
    if (shed) {
        put(&o, "max_cpu", json_real(shed->max));
        put(&o, "connections_followed",
            json_real((double)atomic_load(&shed->opens) / (double)UINT32_MAX));
    }
    return o.json;
}

void status_put(struct object *o, const struct steer *steer, const struct options *options,
                const struct shed *shed, int64_t running_ns)
{
    put(o, "version", json_string(REFRAIN_VERSION));
    put_integer(o, "pid", (uint64_t)getpid());
    put_seconds(o, "running_s", running_ns);
    put(o, "limits", json_limits(options, shed));
    put(o, "inputs", json_items(steer, ACCOUNT_INPUT));
    put(o, "outputs", json_items(steer, ACCOUNT_OUTPUT));
    put(o, "leaving", json_leaving(steer));
}
