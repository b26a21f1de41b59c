/* SPDX-License-Identifier: MIT */
#include "capture/relay_sessions.h"

#include <errno.h>

#include "lib/mem.h"
#include "lib/receipt.h"
#include "lib/seen.h"

#define SESSIONS_MAX 4096
/* Rows of frames that are not handed over yet, of all sessions together. */
#define BATCHES ((size_t)8 * 1024)
/* Frames of one session make one row as long as it has no more than so many. */
#define BATCH_FRAMES 64

/* Frames up to number of a session are handed over when the receipt, which all of their messages
 * hold, is settled. */
struct batch_of {
    struct relay_session *session;
    struct receipt *receipt;
    uint64_t number, bytes;
    size_t frames;
};

struct relay_sessions {
    struct books *books;
    struct seen *seen;
    size_t max_msgs, msgs; /* msgs: frames in batches */
    uint64_t max_bytes, bytes, now;
    size_t head, n; /* of batches, a ring */
    size_t n_sessions;
    struct relay_session *sessions[SESSIONS_MAX];
    struct batch_of batches[BATCHES];
};

int relay_sessions_new(struct relay_sessions **sp, struct books *books, size_t max_msgs,
                       uint64_t max_bytes)
{
    struct relay_sessions *s = mem_zalloc(MEM_IO, sizeof(*s));
    if (!s)
        return -ENOMEM;
    s->books = books;
    s->max_msgs = max_msgs;
    s->max_bytes = max_bytes;
    int r = seen_new(&s->seen);
    if (r < 0) {
        relay_sessions_free(s);
        return r;
    }
    *sp = s;
    return 0;
}

void relay_sessions_free(struct relay_sessions *s)
{
    if (!s)
        return;
    for (size_t i = 0; i < s->n; i++)
        receipt_unref(s->batches[(s->head + i) % BATCHES].receipt);
    for (size_t i = 0; i < s->n_sessions; i++)
        mem_free(s->sessions[i]);
    seen_free(s->seen);
    mem_free(s);
}

/* A free place, or that of the session that nobody has used for longest. */
static struct relay_session *place(struct relay_sessions *s)
{
    struct relay_session *oldest = NULL;
    for (size_t i = 0; i < s->n_sessions; i++) {
        struct relay_session *one = s->sessions[i];
        if (!one->client && one->batches == 0 && (!oldest || one->used < oldest->used))
            oldest = one;
    }
    if (s->n_sessions == SESSIONS_MAX)
        return oldest;
    struct relay_session *fresh = mem_zalloc(MEM_IO, sizeof(*fresh));
    if (!fresh)
        return oldest;
    return s->sessions[s->n_sessions++] = fresh;
}

struct relay_session *relay_sessions_find(struct relay_sessions *s, const struct relay_hello *hello)
{
    struct relay_session *found = NULL;
    for (size_t i = 0; i < s->n_sessions && !found; i++)
        if (s->sessions[i]->sender == hello->sender)
            found = s->sessions[i];
    /* it begins behind what we have: what lies between was handed over by somebody else */
    if (found && hello->next > found->received + 1 && found->batches == 0)
        found->received = found->acked = hello->next - 1;
    if (!found && (found = place(s)))
        *found = (struct relay_session){
            .sender = hello->sender, .received = hello->next - 1, .acked = hello->next - 1};
    if (found)
        found->used = ++s->now;
    return found;
}

static struct batch_of *last_batch(struct relay_sessions *s)
{
    return &s->batches[(s->head + s->n - 1) % BATCHES];
}

/* The row that the next frame of the session belongs to. NULL: no memory. */
static struct batch_of *batch_for(struct relay_sessions *s, struct relay_session *session)
{
    if (s->n > 0 && last_batch(s)->session == session && last_batch(s)->frames < BATCH_FRAMES)
        return last_batch(s);
    assert(s->n < BATCHES); /* relay_sessions_full() was asked */
    struct receipt *receipt = mem_alloc(MEM_IO, sizeof(*receipt));
    if (!receipt)
        return NULL;
    receipt_init(receipt);
    s->n++;
    session->batches++;
    *last_batch(s) = (struct batch_of){.session = session, .receipt = receipt};
    return last_batch(s);
}

bool relay_sessions_take(struct relay_sessions *s, struct relay_session *session,
                         const struct relay_head *h, struct msg **msgp)
{
    struct batch_of *batch = batch_for(s, session);
    struct msg *msg = *msgp;
    if (!batch)
        return false;
    session->used = ++s->now;
    batch->number = ++session->received;
    batch->frames++;
    s->msgs++;
    if (msg && h->stream != 0 && seen_has(s->seen, h->stream, h->number)) {
        book_one(s->books, BOOK_RECORDS_AGAIN);
        msg_unref(msg);
        *msgp = msg = NULL;
    }
    if (!msg)
        return true;
    msg->stream = h->stream;
    msg->number = h->number;
    msg_set_receipt(msg, batch->receipt);
    batch->bytes += msg_cost(msg);
    s->bytes += msg_cost(msg);
    (void)seen_add(s->seen, h->stream, h->number);
    return true;
}

bool relay_sessions_full(const struct relay_sessions *s)
{
    return s->msgs >= s->max_msgs || s->n == BATCHES || s->bytes >= s->max_bytes;
}

bool relay_sessions_progress(struct relay_sessions *s)
{
    bool moved = false;
    while (s->n > 0) {
        const struct batch_of *b = &s->batches[s->head];
        if (!receipt_is_settled(b->receipt) || receipt_is_abandoned(b->receipt))
            break;
        b->session->acked = b->number;
        b->session->batches--;
        s->msgs -= b->frames;
        s->bytes -= b->bytes;
        receipt_unref(b->receipt);
        s->head = (s->head + 1) % BATCHES;
        s->n--;
        moved = true;
    }
    return moved;
}

size_t relay_sessions_out(const struct relay_sessions *s)
{
    return s->msgs;
}
