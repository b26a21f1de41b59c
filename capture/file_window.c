/* SPDX-License-Identifier: MIT */
#include "capture/file_window.h"

#include <errno.h>
#include <string.h>
#include <time.h>

#include "lib/clock.h"
#include "lib/units.h"

#define REMEMBERED 65536 /* requests whose responses may still come */
#define INSIDE 1

/* text as the format says, with nothing behind it. */
static bool matches(const char *text, const char *format, struct tm *tm)
{
    *tm = (struct tm){.tm_isdst = -1};
    const char *end = strptime(text, format, tm);
    return end && *end == '\0';
}

static bool parse_daytime(struct window_time *t, const char *text)
{
    struct tm tm;
    if (!matches(text, "%H:%M:%S", &tm) && !matches(text, "%H:%M", &tm))
        return false;
    *t = (struct window_time){WINDOW_DAYTIME, tm.tm_hour * 3600 + tm.tm_min * 60 + tm.tm_sec};
    return true;
}

static bool parse_moment(struct window_time *t, const char *text)
{
    struct tm tm;
    time_t s;
    if (matches(text, "%Y-%m-%dT%H:%M:%SZ", &tm))
        s = timegm(&tm);
    else if (matches(text, "%Y-%m-%dT%H:%M:%S", &tm) || matches(text, "%Y-%m-%dT%H:%M", &tm) ||
             matches(text, "%Y-%m-%d", &tm))
        s = mktime(&tm);
    else
        return false;
    *t = (struct window_time){WINDOW_MOMENT, (int64_t)s * NS_PER_S};
    return true;
}

static int parse_time(struct window_time *t, const struct options *options, const char *option,
                      struct err *err)
{
    const char *text = options_string(options, option);
    int64_t ns;
    *t = (struct window_time){.unit = WINDOW_NONE};
    if (text[0] == '\0' || parse_daytime(t, text) || parse_moment(t, text))
        return 0;
    if (units_parse_duration(text, &ns))
        return err_usage(err,
                         "--%s \"%s\": expected an offset (90s), a time of day (14:05 or "
                         "14:05:30) or a moment (2026-11-20T14:05:30 or …Z)",
                         option, text);
    *t = (struct window_time){WINDOW_OFFSET, ns};
    return 0;
}

int file_window_init(struct file_window *w, const struct options *options, struct err *err)
{
    *w = (struct file_window){.skip = options_int(options, "skip")};
    int r = parse_time(&w->from, options, "from", err);
    if (r == 0)
        r = parse_time(&w->to, options, "to", err);
    if (r < 0)
        return r;
    if (w->skip < 0)
        return err_usage(err, "--skip %lld: a number of requests is wanted", (long long)w->skip);
    if (w->from.unit == w->to.unit && w->from.unit != WINDOW_NONE &&
        w->from.unit != WINDOW_DAYTIME && w->to.value <= w->from.value)
        return err_usage(err, "--to \"%s\" is not after --from \"%s\"",
                         options_string(options, "to"), options_string(options, "from"));
    bool any = w->from.unit != WINDOW_NONE || w->to.unit != WINDOW_NONE || w->skip > 0;
    if (any && fates_new(&w->fates, REMEMBERED) < 0)
        return err_sys(err, ENOMEM, "--from");
    return 0;
}

void file_window_fini(struct file_window *w)
{
    fates_free(w->fates);
    w->fates = NULL;
}

void file_window_restart(struct file_window *w)
{
    w->begun = false;
    w->n_skipped = 0;
}

/* The first time of day at or after that moment. The day may be 23 or 25 hours long. */
static int64_t next_daytime(int64_t after_ns, int64_t daytime)
{
    time_t after = (time_t)(after_ns / NS_PER_S);
    struct tm tm;
    localtime_r(&after, &tm);
    for (int days = 0; days < 2; days++) {
        struct tm then = {.tm_year = tm.tm_year,
                          .tm_mon = tm.tm_mon,
                          .tm_mday = tm.tm_mday + days,
                          .tm_hour = (int)(daytime / 3600),
                          .tm_min = (int)(daytime / 60 % 60),
                          .tm_sec = (int)(daytime % 60),
                          .tm_isdst = -1};
        int64_t ns = (int64_t)mktime(&then) * NS_PER_S;
        if (ns >= after_ns)
            return ns;
    }
    return INT64_MAX;
}

/* start_ns: the first record; after_ns: where a time of day is looked for. */
static int64_t resolve(const struct window_time *t, int64_t start_ns, int64_t after_ns,
                       int64_t unbounded)
{
    switch (t->unit) {
    case WINDOW_OFFSET:
        return t->value > INT64_MAX - start_ns ? INT64_MAX : start_ns + t->value;
    case WINDOW_DAYTIME:
        return next_daytime(after_ns, t->value);
    case WINDOW_MOMENT:
        return t->value;
    case WINDOW_NONE:
        break;
    }
    return unbounded;
}

static enum window_verdict judge_request(struct file_window *w, const struct msg *msg)
{
    if (msg->ts_ns >= w->to_ns)
        return WINDOW_OVER;
    if (msg->ts_ns < w->from_ns)
        return WINDOW_OUTSIDE;
    if (w->n_skipped < w->skip) {
        w->n_skipped++;
        return WINDOW_OUTSIDE;
    }
    fates_put(w->fates, msg_id(msg), INSIDE);
    return WINDOW_INSIDE;
}

enum window_verdict file_window_judge(struct file_window *w, const struct msg *msg)
{
    if (!w->fates)
        return WINDOW_INSIDE;
    if (!w->begun) {
        w->from_ns = resolve(&w->from, msg->ts_ns, msg->ts_ns, INT64_MIN);
        int64_t after_ns = w->from_ns > msg->ts_ns ? w->from_ns : msg->ts_ns;
        w->to_ns = resolve(&w->to, msg->ts_ns, after_ns, INT64_MAX);
        w->begun = true;
    }
    if (msg->type == MSG_REQUEST)
        return judge_request(w, msg);
    return fates_get(w->fates, msg_id(msg)) == INSIDE ? WINDOW_INSIDE : WINDOW_OUTSIDE;
}

int64_t file_window_from(const struct file_window *w)
{
    return w->begun ? w->from_ns : INT64_MIN;
}
