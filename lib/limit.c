/* SPDX-License-Identifier: MIT */
#include "lib/limit.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "lib/fates.h"
#include "lib/mem.h"

#define RATE_MAX 10e6
#define PERCENT_MAX 1e6
/* Requests whose fate is remembered for their responses. */
#define REMEMBERED 65536

/* Digits with an optional fraction, no sign, no exponent, no hex: all of text. */
static bool parse_decimal(const char *text, size_t len, double *value)
{
    char copy[32];
    size_t points = 0, digits = 0;
    if (len == 0 || len >= sizeof(copy))
        return false;
    for (size_t i = 0; i < len; i++) {
        if (text[i] == '.')
            points++;
        else if (text[i] >= '0' && text[i] <= '9')
            digits++;
        else
            return false;
        copy[i] = text[i];
    }
    copy[len] = '\0';
    if (digits == 0 || points > 1)
        return false;
    *value = strtod(copy, NULL);
    return true;
}

int limit_parse(const char *option, const char *text, size_t *address_len, struct limit *limit,
                struct err *err)
{
    const char *bar = strrchr(text, '|');
    struct limit found = {.kind = LIMIT_NONE};
    if (!bar || bar[1] == '\0') {
        *address_len = bar ? (size_t)(bar - text) : strlen(text);
        *limit = found;
        return 0;
    }
    const char *value = bar + 1;
    size_t len = strlen(value);
    bool percent = value[len - 1] == '%';
    bool rps = len > 3 && strcmp(value + len - 3, "rps") == 0;
    double number;
    if (!parse_decimal(value, len - (percent ? 1 : 0) - (rps ? 3 : 0), &number))
        return err_usage(err,
                         "--%s \"%s\": cannot read the limit \"%s\" (use |N for N per second, or "
                         "|N%% for a percentage)",
                         option, text, value);
    if (number <= 0 || number > (percent ? PERCENT_MAX : RATE_MAX))
        return err_usage(err, "--%s \"%s\": the limit \"%s\" must be more than 0 and at most %s",
                         option, text, value, percent ? "1000000%" : "10000000");
    found.kind = percent ? LIMIT_PERCENT : LIMIT_RATE;
    found.rps = rps;
    found.rate = percent ? 0 : number;
    found.percent = percent ? number : 0;
    *address_len = (size_t)(bar - text);
    *limit = found;
    return 0;
}

struct limiter {
    struct limit limit;
    struct fates *fates; /* admission of recent requests */
    uint64_t asked; /* requests so far */
    uint64_t admitted;
    int64_t window_ns;
    size_t slots; /* admissions allowed in one window */
    int64_t times[]; /* when the last slots requests were admitted; a ring */
};

int limiter_new(struct limiter **limiterp, const struct limit *limit)
{
    if (limit->kind == LIMIT_NONE) {
        *limiterp = NULL;
        return 0;
    }
    size_t slots = limit->kind == LIMIT_RATE && limit->rate >= 1 ? (size_t)limit->rate : 1;
    struct limiter *l = mem_zalloc(MEM_OTHER, sizeof(*l) + slots * sizeof(l->times[0]));
    if (!l)
        return -ENOMEM;
    l->limit = *limit;
    l->slots = slots;
    l->window_ns = NS_PER_S + LIMIT_MARGIN_NS;
    if (limit->kind == LIMIT_RATE && limit->rate < 1)
        l->window_ns = (int64_t)((double)l->window_ns / limit->rate);
    int r = fates_new(&l->fates, REMEMBERED);
    if (r < 0) {
        limiter_free(l);
        return r;
    }
    *limiterp = l;
    return 0;
}

void limiter_free(struct limiter *limiter)
{
    if (!limiter)
        return;
    fates_free(limiter->fates);
    mem_free(limiter);
}

static enum admission admit_rate(struct limiter *l, int64_t now_ns)
{
    int64_t *oldest = &l->times[l->admitted % l->slots];
    if (l->admitted >= l->slots && now_ns - *oldest < l->window_ns)
        return RATE_LIMITED;
    *oldest = now_ns;
    l->admitted++;
    return ADMIT;
}

static enum admission admit_percent(struct limiter *l)
{
    /* a share, computed from the whole so that no rounding error adds up */
    l->asked++;
    double share = floor((double)l->asked * l->limit.percent / 100.0 + 1e-9);
    if (share <= (double)l->admitted)
        return SAMPLED_OUT;
    l->admitted++;
    return ADMIT;
}

enum admission limiter_admit(struct limiter *limiter, const struct msg *msg, int64_t now_ns)
{
    if (!limiter)
        return ADMIT;
    if (msg->type != MSG_REQUEST) {
        int fate = fates_get(limiter->fates, msg_id(msg));
        /* a response whose request was never asked about is nobody's: it shares no permission */
        if (fate == FATE_UNKNOWN)
            return limiter->limit.kind == LIMIT_RATE ? RATE_LIMITED : SAMPLED_OUT;
        return (enum admission)fate;
    }
    enum admission a =
        limiter->limit.kind == LIMIT_RATE ? admit_rate(limiter, now_ns) : admit_percent(limiter);
    fates_put(limiter->fates, msg_id(msg), (int)a);
    return a;
}
