/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <string.h>

#include "compare/compare.h"
#include "compare/pairing.h"
#include "lib/mem.h"

/* Of each role; refrain(1) names them. */
#define WAITING_MSGS 8192
#define WAITING_BYTES (16 << 20)
/* Of a longer request only as much is kept as is shown. */
#define REQUEST_KEPT 2048

static const struct output_ops output_compare;

struct compare {
    struct output base;
    struct comparison *comparison;
    struct ignore *ignore;
    struct pairing *pairing;
    struct answer_diff diff;
    bool twice;
    bool recorded; /* there are recorded responses */
    bool is_baseline[UINT8_MAX + 1]; /* by replayed_by */
};

static void compare_close(struct output *out)
{
    if (!out)
        return;
    struct compare *c = container_of(out, struct compare, base);
    answer_diff_fini(&c->diff);
    pairing_free(c->pairing);
    ignore_free(c->ignore);
    mem_free(c);
}

/* --- an exchange --- */

static void count_pair(struct compare *c, const struct exchange *x, const struct msg *wanted)
{
    struct pair pair = {x->msg[ROLE_REQUEST], wanted, x->msg[ROLE_ANSWER]};
    book_one(c->base.books, BOOK_COMPARED);
    if (comparison_add(c->comparison, &c->diff, &pair))
        book_one(c->base.books, BOOK_STATUS_CHANGES);
}

static void count_unpaired(struct compare *c, const struct exchange *x)
{
    bool answer = x->msg[ROLE_ANSWER] != NULL;
    bool recorded = x->msg[ROLE_RECORDED] && !x->met[ROLE_RECORDED];
    if (!answer && !recorded)
        return;
    comparison_lose(c->comparison, answer ? LOSS_UNRECORDED : LOSS_UNANSWERED);
    if (x->crowded)
        comparison_lose(c->comparison, LOSS_CROWDED);
}

static void learn(struct compare *c, const struct exchange *x)
{
    const struct msg *other = x->msg[c->twice ? ROLE_ANSWER : ROLE_RECORDED];
    struct pair pair = {x->msg[ROLE_REQUEST], other, x->msg[ROLE_BASELINE]};
    if (other && pair.got && !x->met[ROLE_BASELINE])
        comparison_learn(c->comparison, &c->diff, &pair);
}

static void settle(void *arg, const struct exchange *x)
{
    struct compare *c = arg;
    const struct msg *const *msg = x->msg;
    if (msg[ROLE_ANSWER] && msg[ROLE_RECORDED]) {
        count_pair(c, x, msg[ROLE_RECORDED]);
    } else if (msg[ROLE_ANSWER] && msg[ROLE_BASELINE] && !c->recorded) {
        comparison_without_recorded(c->comparison);
        count_pair(c, x, msg[ROLE_BASELINE]);
        return; /* it cannot tell what is noise as well */
    } else {
        count_unpaired(c, x);
    }
    learn(c, x);
}

/* --- the output --- */

int compare_open(struct output **outp, const struct compare_config *config, struct err *err)
{
    struct compare *c = mem_zalloc(MEM_OTHER, sizeof(*c));
    if (!c)
        return err_sys(err, ENOMEM, "--compare");
    c->base = (struct output){.ops = &output_compare, .books = config->books};
    c->comparison = config->comparison;
    c->twice = config->twice;
    struct pairing_config pairing = {
        .max_msgs = WAITING_MSGS,
        .max_bytes = WAITING_BYTES,
        .with_baseline = config->with_baseline,
        .several = config->several,
        .settle = settle,
        .arg = c,
    };
    int r = ignore_open(&c->ignore, config->options, err);
    if (r == 0) {
        r = pairing_new(&c->pairing, &pairing);
        if (r < 0)
            err_sys(err, -r, "--compare");
    }
    answer_diff_init(&c->diff, c->ignore);
    if (r < 0) {
        compare_close(&c->base);
        return r;
    }
    *outp = &c->base;
    return 0;
}

void compare_set_baseline(struct output *out, uint8_t number)
{
    struct compare *c = container_of(out, struct compare, base);
    c->is_baseline[number] = true;
}

/* Its head is not parsed again: nothing but the start line is looked at. */
static void put_request(struct compare *c, const struct msg *msg)
{
    struct msg *shorter = NULL;
    if (msg->len > REQUEST_KEPT && msg->http.target_off + msg->http.target_len <= REQUEST_KEPT)
        shorter = msg_like(msg, REQUEST_KEPT);
    if (shorter) {
        memcpy(shorter->bytes, msg->bytes, REQUEST_KEPT);
        shorter->len = REQUEST_KEPT;
    }
    pairing_put(c->pairing, ROLE_REQUEST, shorter ? shorter : msg);
    msg_unref(shorter);
}

static enum output_result compare_write(struct output *out, const struct msg *msg)
{
    struct compare *c = container_of(out, struct compare, base);
    switch ((enum msg_type)msg->type) {
    case MSG_REQUEST:
        put_request(c, msg);
        break;
    case MSG_RESPONSE:
        c->recorded = true;
        pairing_put(c->pairing, ROLE_RECORDED, msg);
        break;
    case MSG_REPLAYED:
        if (msg->replayed_by == 0) /* replayed when it was recorded */
            return OUTPUT_SKIPPED;
        pairing_put(c->pairing, c->is_baseline[msg->replayed_by] ? ROLE_BASELINE : ROLE_ANSWER,
                    msg);
        break;
    }
    return OUTPUT_DONE;
}

static enum output_result compare_flush(struct output *out)
{
    struct compare *c = container_of(out, struct compare, base);
    pairing_flush(c->pairing);
    book_set(out->books, BOOK_DIFFERENT, comparison_totals(c->comparison).different);
    return OUTPUT_DONE;
}

static int cannot_open(struct output **outp, const struct output_args *args, struct err *err)
{
    (void)outp;
    (void)args;
    return err_failure(err, "--compare: no output of its own"); /* compare_open() is told more */
}

static const struct output_ops output_compare = {
    .option = "compare",
    .is_switch = true,
    .compares = true,
    .open = cannot_open,
    .write = compare_write,
    .flush = compare_flush,
    .close = compare_close,
};
