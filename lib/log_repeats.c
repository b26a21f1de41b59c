/* SPDX-License-Identifier: MIT */
#include "lib/log_repeats.h"

#include <stdio.h>
#include <string.h>

static bool is_same(const struct log_repeat *e, const struct log_saying *saying)
{
    if (!e->used || e->level != saying->level || e->has_words != (saying->words != NULL))
        return false;
    if (strncmp(e->tag, saying->tag, sizeof(e->tag) - 1) != 0)
        return false;
    return saying->words ? strncmp(e->words, saying->words, sizeof(e->words) - 1) == 0
                         : strncmp(e->text, saying->text, sizeof(e->text) - 1) == 0;
}

static struct log_repeat *find(struct log_repeats *r, const struct log_saying *saying)
{
    for (size_t i = 0; i < LOG_REPEATS; i++)
        if (is_same(&r->entries[i], saying))
            return &r->entries[i];
    return NULL;
}

/* One that is free, or was told longest ago; of those with nothing held back if there are any. */
static struct log_repeat *oldest(struct log_repeats *r)
{
    struct log_repeat *best = &r->entries[0];
    for (size_t i = 0; i < LOG_REPEATS; i++) {
        struct log_repeat *e = &r->entries[i];
        if (!e->used)
            return e;
        bool holds = e->held > 0, best_holds = best->held > 0;
        if (holds != best_holds ? best_holds : e->told_ns < best->told_ns)
            best = e;
    }
    return best;
}

/* The next wait, after one in which it was said again, or not. */
static void told(struct log_repeat *e, bool again, int64_t now_ns)
{
    e->wait_ns = again ? e->wait_ns * 2 : LOG_REPEAT_FIRST_NS;
    if (e->wait_ns > LOG_REPEAT_MAX_NS)
        e->wait_ns = LOG_REPEAT_MAX_NS;
    e->told_ns = now_ns;
    e->held = 0;
}

bool log_repeats_hold(struct log_repeats *repeats, const struct log_saying *saying, int64_t now_ns)
{
    struct log_repeat *e = find(repeats, saying);
    if (!e || now_ns - e->told_ns >= e->wait_ns)
        return false;
    e->held++;
    return true;
}

uint64_t log_repeats_told(struct log_repeats *repeats, const struct log_saying *saying,
                          int64_t now_ns, struct log_repeat *old)
{
    struct log_repeat *e = find(repeats, saying);
    old->held = 0;
    uint64_t times = e ? e->held + 1 : 1;
    if (!e) {
        e = oldest(repeats);
        if (e->used && e->held > 0)
            *old = *e;
        *e = (struct log_repeat){
            .used = true, .has_words = saying->words != NULL, .level = saying->level};
        snprintf(e->words, sizeof(e->words), "%s", saying->words ? saying->words : "");
        snprintf(e->tag, sizeof(e->tag), "%s", saying->tag);
    }
    snprintf(e->text, sizeof(e->text), "%s", saying->text);
    told(e, times > 1, now_ns);
    return times;
}

bool log_repeats_due(struct log_repeats *repeats, int64_t now_ns, struct log_repeat *out)
{
    for (size_t i = 0; i < LOG_REPEATS; i++) {
        struct log_repeat *e = &repeats->entries[i];
        if (!e->used || e->held == 0 || (now_ns != INT64_MAX && now_ns - e->told_ns < e->wait_ns))
            continue;
        *out = *e;
        told(e, true, now_ns == INT64_MAX ? e->told_ns : now_ns);
        return true;
    }
    return false;
}
