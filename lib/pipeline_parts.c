/* SPDX-License-Identifier: MIT */
/* The parts of a pipeline: lanes, exits, and what they go by; how they are made and freed. Main
 * thread. */
#include <errno.h>
#include <signal.h>

#include "lib/mem.h"
#include "lib/options_table.h"
#include "lib/pipeline_internal.h"

/* --- what an output's requests go by --- */

int exit_rules_new(struct exit_rules **rulesp, const struct pipeline *pipe,
                   const struct output_rules *rules, struct err *err)
{
    const struct limit *limit = &rules->limit;
    struct exit_rules *r = mem_zalloc(MEM_OTHER, sizeof(*r));
    if (!r) {
        filter_chain_free(rules->rewriters);
        options_free(rules->options);
        return err_sys(err, ENOMEM, "output");
    }
    r->limit = *limit;
    r->in_split = pipe->config.split && !rules->aside;
    r->copies = limit->copies > 0 ? limit->copies : 1;
    r->options = rules->options;
    r->rewriters = rules->rewriters;
    sampler_init(&r->sampler, limit, pipe->config.seed);
    r->name = mem_strdup(MEM_OTHER, rules->name ? rules->name : "");
    if (!r->name || limiter_new(&r->limiter, limit, pipe->config.seed) < 0) {
        exit_rules_free(r);
        return err_sys(err, ENOMEM, "output");
    }
    *rulesp = r;
    return 0;
}

void exit_rules_free(struct exit_rules *rules)
{
    if (!rules)
        return;
    filter_chain_free(rules->rewriters);
    options_free(rules->options);
    limiter_free(rules->limiter);
    mem_free(rules->name);
    mem_free(rules);
}

/* --- exits --- */

/* Takes rules as well. */
static int fill_exit(struct exit_lane *lane, struct exit_rules *rules, struct err *err)
{
    const struct pipeline_config *config = &lane->pipe->config;
    lane->first = lane->rules = rules;
    atomic_init(&lane->newest, rules);
    dials_init(lane->dials, &rules->limit);
    lane->at_once =
        lane->ops->at_once && !rules->rewriters && !rules->limiter && !config->steerable;
    if (queue_new(&lane->queue, config->queue_msgs, config->queue_bytes) < 0)
        return err_sys(err, ENOMEM, "output queue");
    return 0;
}

int exit_lane_new(struct exit_lane **lanep, struct pipeline *pipe, struct output *out,
                  struct account *account, const struct output_rules *asked, struct err *err)
{
    const struct output_ops *ops = out->ops;
    assert(ops->open && ops->write && ops->close && out->books);
    struct exit_rules *rules = NULL;
    struct exit_lane *lane = mem_zalloc(MEM_OTHER, sizeof(*lane));
    int r = exit_rules_new(&rules, pipe, asked, err);
    if (!lane || !rules) {
        ops->close(out);
        exit_rules_free(rules);
        options_free(asked->lent);
        mem_free(lane);
        return r < 0 ? r : err_sys(err, ENOMEM, "output");
    }
    lane->pipe = pipe;
    lane->leg = asked->leg;
    lane->out = out;
    lane->ops = ops;
    lane->books = out->books;
    lane->account = account;
    lane->abandoned_before = account_sum(account, BOOK_ABANDONED);
    lane->lateness = account_lateness(account);
    lane->pace = account_pace(account);
    lane->lent = asked->lent;
    lane->dials = asked->dials ? asked->dials : &lane->usual;
    atomic_init(&lane->turned, atomic_load(&pipe->turned));
    r = fill_exit(lane, rules, err);
    if (r < 0) {
        exit_lane_close(lane);
        exit_lane_free(lane);
        return r;
    }
    *lanep = lane;
    return 0;
}

int exit_lane_start(struct exit_lane *lane, struct err *err)
{
    sigset_t all, old;
    sigfillset(&all); /* what it starts is not to get the main thread's signals, either */
    pthread_sigmask(SIG_SETMASK, &all, &old);
    int r = lane->ops->start ? lane->ops->start(lane->out, err) : 0;
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    if (r == 0)
        r = pipeline_start_thread(lane->pipe, &lane->thread, exit_lane_run, lane, err);
    lane->started = r == 0;
    return r;
}

void exit_lane_close(struct exit_lane *lane)
{
    lane->ops->close(lane->out);
    lane->out = NULL;
}

void exit_lane_free(struct exit_lane *lane)
{
    if (!lane)
        return;
    assert(!lane->out);
    if (lane->queue)
        exit_lane_abandon(lane);
    struct exit_rules *newest = atomic_load(&lane->newest);
    if (newest != lane->first)
        exit_rules_free(newest);
    exit_rules_free(lane->first);
    options_free(lane->lent);
    fates_free(lane->left_out);
    queue_free(lane->queue);
    mem_free(lane);
}

/* --- lanes --- */

void lane_filters_free(struct lane_filters *filters)
{
    if (filters)
        filter_chain_free(filters->chain);
    mem_free(filters);
}

static void init_feed(struct feed *feed, const struct pipeline_config *config)
{
    size_t msgs = config->queue_msgs / FEED_SHARE, bytes = config->queue_bytes / FEED_SHARE;
    feed->max = msgs < 1 ? 1 : msgs > FEED_MSGS ? FEED_MSGS : (unsigned)msgs;
    feed->max_bytes = bytes < FEED_BYTES ? bytes : FEED_BYTES;
}

void lane_init(struct lane *lane, struct pipeline *pipe)
{
    lane->pipe = pipe;
    atomic_init(&lane->turned, atomic_load(&pipe->turned));
    pthread_mutex_init(&lane->lock, NULL);
    for (size_t i = 0; i < MAX_OUTPUTS; i++)
        init_feed(&lane->feeds[i], &pipe->config);
}

void lane_free(struct lane *lane)
{
    if (!lane)
        return;
    if (lane->in)
        lane->in->ops->close(lane->in);
    for (size_t i = 0; i < MAX_OUTPUTS; i++)
        books_hand_back(lane->pages[i]);
    if (lane->from) /* those of an input are its account's to the end */
        books_hand_back(lane->books);
    filter_chain_free(lane->chain);
    lane_filters_free(atomic_load(&lane->next_filters));
    limiter_free(lane->limiter);
    way_free(lane->way);
    way_free(atomic_load(&lane->next_way));
    fates_free(lane->fates);
    waiting_free(lane->waiting);
    pthread_mutex_destroy(&lane->lock);
    mem_free(lane);
}

int answers_new(struct lane **lanep, struct pipeline *pipe, struct output *from,
                const struct answer_rules *rules, struct books *books, struct err *err)
{
    struct lane *lane = mem_zalloc(MEM_OTHER, sizeof(*lane));
    if (!lane) {
        filter_chain_free(rules->chain);
        return err_sys(err, ENOMEM, "answers");
    }
    lane_init(lane, pipe);
    lane->leg = LEG_LAST;
    lane->from = from;
    lane->to_all = rules->to_all;
    lane->books = books;
    lane->chain = rules->chain;
    lane->sink.put = answers_put;
    from->answers = &lane->sink;
    from->answer_max = rules->max_len;
    *lanep = lane;
    return 0;
}

/* --- ways --- */

void layout_read(struct layout *layout, const struct pipeline *pipe)
{
    for (size_t i = 0; i < MAX_OUTPUTS; i++) {
        struct exit_lane *exit = pipe->exits[i];
        bool stays = exit && atomic_load(&exit->leaves_ns) == 0;
        layout->exits[i] = stays ? exit : NULL;
        layout->rules[i] = stays ? atomic_load(&exit->newest) : NULL;
    }
}

int lane_meet(struct lane *lane, struct exit_lane *exit, struct err *err)
{
    if (exit->leg != lane->leg)
        return 0;
    struct books *page = account_page(exit->account);
    if (!page)
        return err_sys(err, ENOMEM, "output");
    lane->pages[exit->slot] = page;
    lane->exits[exit->slot] = exit;
    return 0;
}

static bool is_deaf(const struct lane *lane, const struct exit_lane *exit)
{
    return lane->from ? !answers_are_heard(lane, exit) : exit->ops->documents;
}

int way_new(struct way **wayp, const struct lane *lane, const struct layout *layout,
            struct err *err)
{
    const struct pipeline_config *config = &lane->pipe->config;
    struct route_output outputs[MAX_OUTPUTS] = {{0}};
    struct way *way = mem_zalloc(MEM_OTHER, sizeof(*way));
    size_t n = 0;
    if (!way)
        return err_sys(err, ENOMEM, "output");
    way->shares = lane->pipe->fates != NULL;
    for (size_t i = 0; i < MAX_OUTPUTS; i++) {
        const struct exit_lane *exit = layout->exits[i];
        struct exit_rules *rules = layout->rules[i];
        bool here = exit && exit->leg == lane->leg;
        if (!here || is_deaf(lane, exit))
            way->deaf |= UINT32_C(1) << i;
        if (!here)
            continue;
        way->copies[i] = rules->copies;
        outputs[i] = (struct route_output){
            .name = rules->name,
            .options = rules->options,
            .sampler = &rules->sampler,
            .in_split = rules->in_split,
            .weight = atomic_load(&exit->dials->weight),
        };
        n = i + 1;
    }
    int r =
        lane->from ? 0 : route_new(&way->route, outputs, n, &config->split_by, config->seed, err);
    if (r < 0)
        way_free(way);
    else
        *wayp = way;
    return r;
}

void way_free(struct way *way)
{
    if (!way)
        return;
    route_free(way->route);
    mem_free(way);
}
