/* SPDX-License-Identifier: MIT */
/* The way of answers: from the thread of the output that got them to the outputs that its requests
 * went to. */
#include <errno.h>

#include "lib/mem.h"
#include "lib/pipeline_internal.h"

/* --- where requests went --- */

int shared_fates_open(struct pipeline *pipe)
{
    return pipe->fates || fates_new(&pipe->fates, FATES_REMEMBERED) == 0 ? 0 : -ENOMEM;
}

void shared_fates_put(struct pipeline *pipe, struct span id, uint64_t fates)
{
    pthread_mutex_lock(&pipe->fates_lock);
    fates_put(pipe->fates, id, fates);
    pthread_mutex_unlock(&pipe->fates_lock);
}

static uint64_t shared_fates_get(struct pipeline *pipe, struct span id)
{
    pthread_mutex_lock(&pipe->fates_lock);
    uint64_t fates = fates_get(pipe->fates, id);
    pthread_mutex_unlock(&pipe->fates_lock);
    return fates;
}

/* --- an answer --- */

/* Takes msg. In the thread of the output that got it. */
static void answers_put(struct sink *sink, const struct msg *msg)
{
    struct lane *lane = container_of(sink, struct lane, sink);
    uint64_t fates = 0;
    book_one(lane->books, BOOK_PRODUCED);
    msg = lane->chain ? lane_redact(lane, msg) : msg;
    if (!msg)
        return;
    if (lane->pipe->fates)
        fates = shared_fates_get(lane->pipe, msg_id(msg));
    if (fates == FATE_UNKNOWN) /* so many came since that it was forgotten */
        fates = ROUTE_NOWHERE;
    lane_pass_on(lane, msg, fates, 0);
    lane_kick(lane);
    msg_unref(msg);
}

/* --- set-up --- */

/* The last input or output of its leg that something can come from has ended. */
void answers_close(struct pipeline *pipe, enum pipeline_leg leg)
{
    if (atomic_load(&pipe->inputs_running[leg]) > 0)
        return;
    bool answering = leg == LEG_LAST && atomic_load(&pipe->answers_running) > 0;
    for (size_t i = 0; i < pipe->n_exits; i++)
        if (pipe->exits[i]->leg == leg && !(answering && pipe->exits[i]->hears))
            queue_close(pipe->exits[i]->queue);
}

static bool hears(const struct exit_lane *exit, const struct output *from, bool all)
{
    const struct output_ops *ops = exit->ops;
    if (ops->documents)
        return from->ops->exchanges && !from->ops->baseline;
    return ops->compares || (all && !ops->requests_only);
}

static int find_receivers(struct lane *lane, struct output *from, bool all, struct err *err)
{
    int r = lane_find_exits(lane, err);
    for (size_t i = 0; i < lane->n_exits; i++) {
        if (!hears(lane->exits[i], from, all)) {
            lane->deaf |= UINT32_C(1) << i;
            continue;
        }
        lane->exits[i]->hears = true;
        from->answer_tells |= lane->exits[i]->ops->documents;
    }
    return r;
}

int pipeline_track_answers(struct pipeline *pipe, struct output *from,
                           const struct answer_rules *rules, struct books *books, struct err *err)
{
    assert(pipe->n_lanes == 0); /* they share with it where their requests went */
    struct lane *lane = mem_zalloc(MEM_OTHER, sizeof(*lane));
    if (!lane || pipe->n_answers == MAX_OUTPUTS) {
        filter_chain_free(rules->chain);
        mem_free(lane);
        return err_sys(err, ENOMEM, "answers");
    }
    pipe->answers[pipe->n_answers++] = lane;
    lane->pipe = pipe;
    lane->leg = LEG_LAST;
    lane->books = books;
    lane->chain = rules->chain;
    lane->sink.put = answers_put;
    from->answers = &lane->sink;
    from->answer_max = rules->max_len;
    from->number = (uint8_t)pipe->n_answers;
    return find_receivers(lane, from, rules->to_all, err);
}
