/* SPDX-License-Identifier: MIT */
/* The way of answers: from the thread of the output that got them to the outputs that its requests
 * went to. */
#include <errno.h>

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

/* Takes msg. */
static void put_answer(struct lane *lane, const struct msg *msg)
{
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

/* In the thread of the output that got it, or in one of that one's threads at a time. */
void answers_put(struct sink *sink, const struct msg *msg)
{
    struct lane *lane = container_of(sink, struct lane, sink);
    pthread_mutex_lock(&lane->lock);
    lane_look_around(lane);
    put_answer(lane, msg);
    pthread_mutex_unlock(&lane->lock);
}

/* --- who hears of them --- */

/* The last input or output of its leg that something can come from has ended. */
void answers_close(struct pipeline *pipe, enum pipeline_leg leg)
{
    if (atomic_load(&pipe->inputs_running[leg]) > 0)
        return;
    bool answering = leg == LEG_LAST && atomic_load(&pipe->answers_running) > 0;
    pthread_mutex_lock(&pipe->exits_lock);
    for (size_t i = 0; i < MAX_OUTPUTS; i++) {
        struct exit_lane *exit = pipe->exits[i];
        if (exit && exit->leg == leg && !(answering && atomic_load(&exit->hears)))
            queue_close(exit->queue);
    }
    pthread_mutex_unlock(&pipe->exits_lock);
}

bool answers_are_heard(const struct lane *lane, const struct exit_lane *exit)
{
    const struct output_ops *from = lane->from->ops, *ops = exit->ops;
    if (ops->documents)
        return from->exchanges && !from->baseline;
    return ops->compares || (lane->to_all && !ops->requests_only);
}

void answers_introduce(struct output *from, struct exit_lane *exit)
{
    atomic_store(&exit->hears, true);
    from->answer_tells |= exit->ops->documents;
}
