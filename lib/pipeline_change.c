/* SPDX-License-Identifier: MIT */
/* Outputs, their rules and filters that change while the pipeline runs. All is made ready first;
 * then it is handed to the threads, which take it over between two messages (pipeline_steer.c).
 * What they may still look at stays until each has said that it has (turned). Main thread. */
#include <errno.h>

#include "lib/clock.h"
#include "lib/mem.h"
#include "lib/pipeline_internal.h"

#define TICK_NS (10 * NS_PER_MS)

struct pipeline_change {
    struct pipeline *pipe;
    bool filters; /* there are others */
    struct lane_filters *filters_of[MAX_INPUTS];
    bool outputs; /* there are others, or others' rules */
    struct exit_lane *added[MAX_OUTPUTS];
    struct lane *answers[MAX_OUTPUTS]; /* of those added */
    struct exit_rules *rules[MAX_OUTPUTS]; /* of those that stay */
    bool removed[MAX_OUTPUTS];
    struct layout layout; /* as it is to be */
    struct way *ways[MAX_INPUTS], *ways_of_answers[MAX_OUTPUTS];
};

int pipeline_change_new(struct pipeline_change **changep, struct pipeline *pipe, struct err *err)
{
    assert(pipe->config.steerable);
    struct pipeline_change *c = mem_zalloc(MEM_OTHER, sizeof(*c));
    if (!c)
        return err_sys(err, ENOMEM, "reload");
    c->pipe = pipe;
    *changep = c;
    return 0;
}

/* No lane has that slot's output in its tables any more. */
static void clear_slot(struct pipeline *pipe, size_t slot)
{
    for (size_t i = 0; i < pipe->n_lanes; i++)
        pipe->lanes[i]->pages[slot] = NULL;
    for (size_t i = 0; i < MAX_OUTPUTS; i++)
        if (pipe->answers[i])
            pipe->answers[i]->pages[slot] = NULL;
}

/* Begun or not: no messages have come to it yet. */
static void drop_added(struct exit_lane *exit)
{
    if (exit->started) {
        atomic_store(&exit->leaves_ns, 1); /* long ago: whatever it still has to do is given up */
        queue_close(exit->queue);
        pthread_join(exit->thread, NULL);
    }
    exit_lane_close(exit);
    exit_lane_free(exit);
}

void pipeline_change_free(struct pipeline_change *c)
{
    if (!c)
        return;
    for (size_t i = 0; i < MAX_INPUTS; i++) {
        lane_filters_free(c->filters_of[i]);
        way_free(c->ways[i]);
    }
    for (size_t i = 0; i < MAX_OUTPUTS; i++) {
        if (c->added[i]) {
            struct account *account = c->added[i]->account;
            drop_added(c->added[i]);
            clear_slot(c->pipe, i);
            account_hand_back(account);
        }
        lane_free(c->answers[i]);
        exit_rules_free(c->rules[i]);
        way_free(c->ways_of_answers[i]);
    }
    mem_free(c);
}

/* --- what is to change --- */

int pipeline_change_filters(struct pipeline_change *c, const struct filter_maker *maker,
                            struct err *err)
{
    const struct pipeline *pipe = c->pipe;
    c->filters = true;
    for (size_t i = 0; i < pipe->n_lanes; i++) {
        struct lane_filters *made = c->filters_of[i] = mem_zalloc(MEM_OTHER, sizeof(*made));
        if (!made)
            return err_sys(err, ENOMEM, "filters");
        int r = maker->make(maker->arg, pipe->lanes[i]->leg, &made->chain, err);
        if (r < 0)
            return r;
        filter_chain_count(made->chain, pipe->lanes[i]->books);
    }
    return 0;
}

static struct exit_lane *find(const struct pipeline *pipe, const struct account *account)
{
    for (size_t i = 0; i < MAX_OUTPUTS; i++)
        if (pipe->exits[i] && pipe->exits[i]->account == account)
            return pipe->exits[i];
    return NULL;
}

bool pipeline_has_output(const struct pipeline *pipe, const struct account *account)
{
    return find(pipe, account) != NULL;
}

int pipeline_change_rules(struct pipeline_change *c, const struct account *account,
                          const struct output_rules *rules, struct err *err)
{
    struct exit_lane *exit = find(c->pipe, account);
    assert(exit && !c->rules[exit->slot]);
    c->outputs = true;
    int r = exit_rules_new(&c->rules[exit->slot], c->pipe, rules, err);
    if (r == 0)
        sampler_set_percent(&c->rules[exit->slot]->sampler, atomic_load(&exit->dials->percent));
    return r;
}

void pipeline_change_remove(struct pipeline_change *c, const struct account *account)
{
    struct exit_lane *exit = find(c->pipe, account);
    assert(exit && !c->removed[exit->slot]);
    c->outputs = true;
    c->removed[exit->slot] = true;
}

int pipeline_change_add(struct pipeline_change *c, struct output *out, struct account *account,
                        const struct output_rules *rules, struct err *err)
{
    struct exit_lane *exit;
    size_t slot = 0;
    c->outputs = true;
    int r = exit_lane_new(&exit, c->pipe, out, account, rules, err);
    if (r < 0)
        return r;
    while (slot < MAX_OUTPUTS && (c->pipe->exits[slot] || c->added[slot]))
        slot++;
    if (slot == MAX_OUTPUTS) {
        drop_added(exit);
        return err_usage(err,
                         "more than %d outputs, counting those that were removed and are "
                         "still draining",
                         MAX_OUTPUTS);
    }
    exit->slot = slot;
    c->added[slot] = exit;
    return 0;
}

int pipeline_change_answers(struct pipeline_change *c, struct output *from,
                            const struct answer_rules *rules, struct books *books, struct err *err)
{
    size_t slot = 0;
    while (!c->added[slot] || c->added[slot]->out != from)
        slot++;
    from->number = (uint8_t)(slot + 1);
    return answers_new(&c->answers[slot], c->pipe, from, rules, books, err);
}

/* --- making it ready --- */

static int make_way(struct pipeline_change *c, struct lane *lane, struct way **way, struct err *err)
{
    int r = 0;
    for (size_t i = 0; i < MAX_OUTPUTS && r == 0; i++)
        r = c->added[i] ? lane_meet(lane, c->added[i], err) : 0;
    return r == 0 ? way_new(way, lane, &c->layout, err) : r;
}

static int make_ways(struct pipeline_change *c, struct err *err)
{
    struct pipeline *pipe = c->pipe;
    int r = 0;
    layout_read(&c->layout, pipe);
    for (size_t i = 0; i < MAX_OUTPUTS; i++) {
        if (c->answers[i] && shared_fates_open(pipe) < 0)
            return err_sys(err, ENOMEM, "answers");
        if (c->removed[i])
            c->layout.exits[i] = NULL;
        if (c->added[i])
            c->layout.exits[i] = c->added[i];
        if (c->added[i] || c->rules[i])
            c->layout.rules[i] = c->added[i] ? c->added[i]->first : c->rules[i];
    }
    for (size_t i = 0; i < pipe->n_lanes && r == 0; i++)
        r = make_way(c, pipe->lanes[i], &c->ways[i], err);
    for (size_t i = 0; i < MAX_OUTPUTS && r == 0; i++)
        if (pipe->answers[i])
            r = make_way(c, pipe->answers[i], &c->ways_of_answers[i], err);
    return r;
}

/* The lane of what an added output is answered: it meets all others as well. */
static int make_answers(struct pipeline_change *c, struct lane *lane, struct err *err)
{
    int r = 0;
    lane->waits = true; /* as all inputs do */
    for (size_t i = 0; i < c->pipe->n_lanes; i++)
        lane->waits &= c->pipe->lanes[i]->waits;
    for (size_t i = 0; i < MAX_OUTPUTS && r == 0; i++)
        r = c->layout.exits[i] ? lane_meet(lane, c->layout.exits[i], err) : 0;
    return r == 0 ? way_new(&lane->way, lane, &c->layout, err) : r;
}

static void introduce(const struct pipeline_change *c, const struct lane *lane,
                      const struct way *way)
{
    for (uint32_t left = ALL_OUTPUTS & ~way->deaf; left != 0; left &= left - 1)
        answers_introduce(lane->from, c->layout.exits[__builtin_ctz(left)]);
}

static int make_all_answers(struct pipeline_change *c, struct err *err)
{
    int r = 0;
    for (size_t i = 0; i < MAX_OUTPUTS && r == 0; i++) {
        if (!c->answers[i])
            continue;
        r = make_answers(c, c->answers[i], err);
        if (r == 0)
            introduce(c, c->answers[i], c->answers[i]->way);
    }
    for (size_t i = 0; i < MAX_OUTPUTS && r == 0; i++)
        if (c->ways_of_answers[i])
            introduce(c, c->pipe->answers[i], c->ways_of_answers[i]);
    return r;
}

static int start_added(struct pipeline_change *c, struct err *err)
{
    int r = 0;
    for (size_t i = 0; i < MAX_OUTPUTS && r == 0; i++) {
        if (!c->added[i])
            continue;
        if (c->answers[i])
            atomic_fetch_add(&c->pipe->answers_running, 1);
        r = exit_lane_start(c->added[i], err);
        if (r < 0 && c->answers[i])
            atomic_fetch_sub(&c->pipe->answers_running, 1);
    }
    return r;
}

/* --- handing it over --- */

/* From now on who closes queues sees those added, too. Not when all inputs have ended: nobody would
 * close them. */
static int settle_in(struct pipeline_change *c, struct err *err)
{
    struct pipeline *pipe = c->pipe;
    pthread_mutex_lock(&pipe->exits_lock);
    bool ending = atomic_load(&pipe->stop) || atomic_load(&pipe->inputs_running[LEG_LAST]) == 0;
    for (size_t i = 0; i < MAX_OUTPUTS && !ending; i++)
        if (c->added[i]) {
            pipe->exits[i] = c->added[i];
            pipe->answers[i] = c->answers[i];
            c->added[i] = NULL;
            c->answers[i] = NULL;
        }
    pthread_mutex_unlock(&pipe->exits_lock);
    return ending ? err_failure(err, "refrain is ending: nothing was changed") : 0;
}

static void retire(struct pipeline *pipe, struct exit_rules *rules)
{
    rules->retired = atomic_load(&pipe->turned) + 1; /* the next turn */
    rules->next = pipe->retired;
    pipe->retired = rules;
}

static void replace_rules(struct pipeline_change *c, size_t slot)
{
    struct exit_lane *exit = c->pipe->exits[slot];
    struct exit_rules *old = atomic_exchange(&exit->newest, c->rules[slot]);
    c->rules[slot] = NULL;
    if (old != exit->first)
        retire(c->pipe, old);
}

/* What a thread has not taken yet comes back. */
static void hand_over(struct pipeline_change *c)
{
    struct pipeline *pipe = c->pipe;
    for (size_t i = 0; i < pipe->n_lanes; i++) {
        struct lane *lane = pipe->lanes[i];
        if (c->filters)
            c->filters_of[i] = atomic_exchange(&lane->next_filters, c->filters_of[i]);
        if (c->outputs)
            c->ways[i] = atomic_exchange(&lane->next_way, c->ways[i]);
    }
    for (size_t i = 0; i < MAX_OUTPUTS; i++) {
        if (c->ways_of_answers[i])
            c->ways_of_answers[i] =
                atomic_exchange(&pipe->answers[i]->next_way, c->ways_of_answers[i]);
        if (c->rules[i])
            replace_rules(c, i);
        if (!c->removed[i])
            continue;
        pipe->exits[i]->leaves = atomic_load(&pipe->turned) + 1; /* the next turn */
        atomic_store(&pipe->exits[i]->leaves_ns, clock_mono_ns());
    }
    pipeline_turn(pipe);
}

int pipeline_change_apply(struct pipeline_change *c, struct err *err)
{
    int r = c->outputs ? make_ways(c, err) : 0;
    if (r == 0 && c->outputs)
        r = make_all_answers(c, err);
    if (r == 0 && c->outputs)
        r = start_added(c, err);
    if (r == 0 && c->outputs)
        r = settle_in(c, err);
    if (r == 0)
        hand_over(c);
    return r;
}

/* --- what follows --- */

static bool is_past(unsigned turned, unsigned then)
{
    return (int)(turned - then) >= 0;
}

static bool lane_knows(struct lane *lane, unsigned turn)
{
    return atomic_load(&lane->ended) || is_past(atomic_load(&lane->turned), turn);
}

/* Nobody turns the lane of answers that do not come. */
static bool answers_know(struct lane *lane, unsigned turn)
{
    if (!is_past(atomic_load(&lane->turned), turn) && pthread_mutex_trylock(&lane->lock) == 0) {
        lane_look_around(lane);
        pthread_mutex_unlock(&lane->lock);
    }
    return is_past(atomic_load(&lane->turned), turn);
}

/* Have all who put messages into queues taken over what was new at that turn? */
static bool all_lanes_know(const struct pipeline *pipe, unsigned turn)
{
    bool all = true;
    for (size_t i = 0; i < pipe->n_lanes; i++)
        all &= lane_knows(pipe->lanes[i], turn);
    for (size_t i = 0; i < MAX_OUTPUTS; i++)
        if (pipe->answers[i])
            all &= answers_know(pipe->answers[i], turn);
    return all;
}

static bool all_exits_know(const struct pipeline *pipe, unsigned turn)
{
    for (size_t i = 0; i < MAX_OUTPUTS; i++) {
        struct exit_lane *exit = pipe->exits[i];
        if (exit && !atomic_load(&exit->ended) && !is_past(atomic_load(&exit->turned), turn))
            return false;
    }
    return true;
}

/* The newest were retired by the latest turn: the older ones behind them may be free already. */
static void free_retired(struct pipeline *pipe)
{
    struct exit_rules **at = &pipe->retired;
    while (*at && !(all_lanes_know(pipe, (*at)->retired) && all_exits_know(pipe, (*at)->retired)))
        at = &(*at)->next;
    struct exit_rules *rules = *at;
    *at = NULL;
    while (rules) {
        struct exit_rules *next = rules->next;
        exit_rules_free(rules);
        rules = next;
    }
}

/* Its thread has ended, and nobody knows it any more. */
static void free_slot(struct pipeline *pipe, size_t slot)
{
    struct exit_lane *exit = pipe->exits[slot];
    struct lane *answers = pipe->answers[slot];
    pthread_join(exit->thread, NULL);
    if (answers)
        answers->waits = false; /* of what closing still puts */
    exit_lane_close(exit);
    pthread_mutex_lock(&pipe->exits_lock);
    pipe->exits[slot] = NULL;
    pipe->answers[slot] = NULL;
    pthread_mutex_unlock(&pipe->exits_lock);
    if (pipe->fates) {
        pthread_mutex_lock(&pipe->fates_lock);
        fates_replace(pipe->fates, route_bits(slot), route_with_fate(0, slot, ROUTE_FILTERED));
        pthread_mutex_unlock(&pipe->fates_lock);
    }
    clear_slot(pipe, slot);
    struct account *account = exit->account;
    exit_lane_free(exit);
    lane_free(answers);
    account_hand_back(account);
}

/* True: it is still there. */
static bool is_leaving(struct pipeline *pipe, size_t slot)
{
    struct exit_lane *exit = pipe->exits[slot];
    if (!exit || atomic_load(&exit->leaves_ns) == 0)
        return false;
    if (!all_lanes_know(pipe, exit->leaves))
        return true;
    queue_close(exit->queue);
    if (!atomic_load(&exit->ended))
        return true;
    free_slot(pipe, slot);
    return false;
}

int64_t pipeline_tick(struct pipeline *pipe, int64_t now_ns)
{
    bool busy = false;
    for (size_t i = 0; i < MAX_OUTPUTS; i++)
        busy |= is_leaving(pipe, i);
    free_retired(pipe);
    return busy || pipe->retired ? now_ns + TICK_NS : INT64_MAX;
}
