/* SPDX-License-Identifier: MIT */
#include "lib/limit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/units.h"

#define PERCENT_MAX 1e6

/* What is being parsed, for the messages. */
struct text {
    const char *option, *whole;
    struct span term;
    struct err *err;
};

static const char ramp_form[] = "a ramp is |ramp=1%,5%,20%;every=24h, with growing percentages";

static int bad_term(const struct text *t, const char *expected)
{
    return err_usage(t->err, "--%s \"%s\": cannot read the limit \"%.*s\" (%s)", t->option,
                     t->whole, (int)t->term.len, (const char *)t->term.ptr, expected);
}

bool limit_parse_number(struct span s, double *value)
{
    char copy[32];
    size_t points = 0, digits = 0;
    if (s.len == 0 || s.len >= sizeof(copy))
        return false;
    for (size_t i = 0; i < s.len; i++) {
        if (s.ptr[i] == '.')
            points++;
        else if (s.ptr[i] >= '0' && s.ptr[i] <= '9')
            digits++;
        else
            return false;
        copy[i] = (char)s.ptr[i];
    }
    copy[s.len] = '\0';
    if (digits == 0 || points > 1)
        return false;
    *value = strtod(copy, NULL);
    return true;
}

static bool cut_suffix(struct span *s, const char *suffix)
{
    size_t len = strlen(suffix);
    if (s->len < len || memcmp(s->ptr + s->len - len, suffix, len) != 0)
        return false;
    s->len -= len;
    return true;
}

static bool cut_prefix(struct span *s, const char *prefix)
{
    size_t len = strlen(prefix);
    if (s->len < len || memcmp(s->ptr, prefix, len) != 0)
        return false;
    *s = span_from(*s, len);
    return true;
}

static int in_bounds(const struct text *t, double number, double max, const char *max_text)
{
    if (number > 0 && number <= max)
        return 0;
    return err_usage(t->err, "--%s \"%s\": the limit \"%.*s\" must be more than 0 and at most %s",
                     t->option, t->whole, (int)t->term.len, (const char *)t->term.ptr, max_text);
}

/* "500rps..2000rps/60s" */
static int parse_ramp(const struct text *t, struct span from, struct span to, struct limit *limit)
{
    static const char expected[] = "a ramp is |500rps..2000rps/60s";
    char duration[32];
    const uint8_t *slash = memchr(to.ptr, '/', to.len);
    struct span time = slash ? span_from(to, (size_t)(slash - to.ptr) + 1) : span_of(to.ptr, 0);
    if (!slash || time.len == 0 || time.len >= sizeof(duration))
        return bad_term(t, expected);
    to.len = (size_t)(slash - to.ptr);
    memcpy(duration, time.ptr, time.len);
    duration[time.len] = '\0';
    if (!cut_suffix(&from, "rps") || !cut_suffix(&to, "rps") ||
        !limit_parse_number(from, &limit->rate) || !limit_parse_number(to, &limit->rate_to) ||
        units_parse_duration(duration, &limit->ramp_ns) || limit->ramp_ns <= 0)
        return bad_term(t, expected);
    limit->rps = true;
    int r = in_bounds(t, limit->rate, LIMIT_RATE_MAX, "10000000");
    return r < 0 ? r : in_bounds(t, limit->rate_to, LIMIT_RATE_MAX, "10000000");
}

static int parse_number(const struct text *t, struct limit *limit)
{
    struct span s = t->term;
    const uint8_t *dots = memmem(s.ptr, s.len, "..", 2);
    double number;
    if (dots)
        return parse_ramp(t, span_of(s.ptr, (size_t)(dots - s.ptr)),
                          span_from(s, (size_t)(dots - s.ptr) + 2), limit);
    bool percent = cut_suffix(&s, "%");
    bool rps = !percent && cut_suffix(&s, "rps");
    if (!limit_parse_number(s, &number))
        return bad_term(t, "use |N for N per second, or |N% for a percentage");
    int r = in_bounds(t, number, percent ? PERCENT_MAX : LIMIT_RATE_MAX,
                      percent ? "1000000%" : "10000000");
    if (r < 0)
        return r;
    if (percent && limit->n_steps > 0)
        return bad_term(t, ramp_form);
    if (percent) {
        limit->percent = number;
    } else {
        limit->rate = number;
        limit->rps = rps;
    }
    return 0;
}

static int parse_copies(const struct text *t, struct span digits, struct limit *limit)
{
    double number;
    if (!limit_parse_number(digits, &number) || number < 1 || number > LIMIT_COPIES_MAX ||
        number != (double)(unsigned)number)
        return bad_term(t, "x3 makes three of each request; up to x1000");
    limit->copies = (unsigned)number;
    return 0;
}

static int parse_weight(const struct text *t, struct span digits, struct limit *limit)
{
    if (!limit_parse_number(digits, &limit->weight))
        return bad_term(t, "weight=33 is a number");
    return in_bounds(t, limit->weight, LIMIT_WEIGHT_MAX, "1000000");
}

static int parse_key(const struct text *t, struct span name, struct key *key)
{
    const char *expected = key_parse(key, (const char *)name.ptr, name.len);
    if (!expected)
        return 0;
    return err_usage(t->err, "--%s \"%s\": unknown key \"%.*s\" (expected %s)", t->option, t->whole,
                     (int)name.len, (const char *)name.ptr, expected);
}

/* "1%,5%,20%" */
static int parse_steps(const struct text *t, struct span rest, struct limit *limit)
{
    while (rest.len > 0) {
        const uint8_t *comma = memchr(rest.ptr, ',', rest.len);
        struct span step = span_of(rest.ptr, comma ? (size_t)(comma - rest.ptr) : rest.len);
        double number;
        rest = span_from(rest, comma ? step.len + 1 : step.len);
        double before = limit->n_steps > 0 ? limit->steps[limit->n_steps - 1] : 0;
        if (!cut_suffix(&step, "%") || !limit_parse_number(step, &number) || number <= before ||
            number > 100 || limit->n_steps == LIMIT_STEPS_MAX)
            return bad_term(t, ramp_form);
        limit->steps[limit->n_steps++] = number;
    }
    return limit->n_steps > 0 ? 0 : bad_term(t, ramp_form);
}

/* "1%,5%,20%;every=24h" */
static int parse_share_ramp(const struct text *t, struct span rest, struct limit *limit)
{
    char duration[32];
    const uint8_t *semicolon = rest.len > 0 ? memchr(rest.ptr, ';', rest.len) : NULL;
    struct span every = semicolon ? span_from(rest, (size_t)(semicolon - rest.ptr) + 1) : rest;
    if (!semicolon || !cut_prefix(&every, "every=") || every.len >= sizeof(duration) ||
        limit->n_steps > 0 || limit->percent > 0)
        return bad_term(t, ramp_form);
    memcpy(duration, every.ptr, every.len);
    duration[every.len] = '\0';
    if (units_parse_duration(duration, &limit->every_ns) || limit->every_ns <= 0)
        return bad_term(t, ramp_form);
    rest.len = (size_t)(semicolon - rest.ptr);
    int r = parse_steps(t, rest, limit);
    limit->percent = limit->steps[0];
    return r;
}

static int parse_term(const struct text *t, struct limit *limit)
{
    struct span rest = t->term;
    if (cut_prefix(&rest, "ramp="))
        return parse_share_ramp(t, rest, limit);
    if (cut_prefix(&rest, "by="))
        return parse_key(t, rest, &limit->by);
    if (cut_prefix(&rest, "per="))
        return parse_key(t, rest, &limit->per);
    if (cut_prefix(&rest, "weight="))
        return parse_weight(t, rest, limit);
    if (rest.len > 1 && cut_prefix(&rest, "x"))
        return parse_copies(t, rest, limit);
    return parse_number(t, limit);
}

/* What belongs together. */
static int check(const char *option, const char *text, const struct limit *limit, struct err *err)
{
    if (limit->by.kind != KEY_NONE && limit->percent == 0)
        return err_usage(err, "--%s \"%s\": by= needs a percentage, e.g. |10%%,by=ip", option,
                         text);
    if (limit->per.kind != KEY_NONE && limit->rate == 0)
        return err_usage(err, "--%s \"%s\": per= needs a rate, e.g. |10,per=ip", option, text);
    return 0;
}

/* Up to the next comma, but those of a ramp's steps are its own. */
static size_t term_len(struct span rest)
{
    struct span ramp = rest;
    const uint8_t *semicolon = memchr(rest.ptr, ';', rest.len);
    size_t begin = cut_prefix(&ramp, "ramp=") && semicolon ? (size_t)(semicolon - rest.ptr) : 0;
    const uint8_t *comma = memchr(rest.ptr + begin, ',', rest.len - begin);
    return comma ? (size_t)(comma - rest.ptr) : rest.len;
}

int limit_parse(const char *option, const char *text, size_t *address_len, struct limit *limit,
                struct err *err)
{
    const char *bar = strrchr(text, '|');
    struct limit found = {.rate = 0};
    struct text t = {.option = option, .whole = text, .err = err};
    struct span rest = span_str(bar ? bar + 1 : "");
    while (rest.len > 0) {
        t.term = span_of(rest.ptr, term_len(rest));
        rest = span_from(rest, t.term.len + (t.term.len < rest.len));
        int r = parse_term(&t, &found);
        if (r < 0)
            return r;
    }
    int r = check(option, text, &found, err);
    if (r < 0)
        return r;
    if (found.n_steps > 0 && found.by.kind == KEY_NONE)
        found.by.kind = KEY_CONNECTION;
    *address_len = bar ? (size_t)(bar - text) : strlen(text);
    *limit = found;
    return 0;
}
