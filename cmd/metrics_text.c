/* SPDX-License-Identifier: MIT */
#include "cmd/metrics_text.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "cmd/exposition.h"
#include "cmd/metrics_books.h"
#include "config.h"
#include "lib/mem.h"
#include "lib/regex.h"

static const struct labels none;

static struct labels of(const struct shown *s)
{
    return (struct labels){.at = {{s->kind == ACCOUNT_INPUT ? "input" : "output", s->name}}};
}

/* --- times --- */

static bool gets_answers(const struct view *view, const struct shown *s)
{
    (void)view;
    return s->item && s->item->output && s->item->output->exchanges;
}

static bool keeps_time(const struct view *view, const struct shown *s)
{
    return view->keeps_time && s->kind == ACCOUNT_OUTPUT;
}

static void put_times(FILE *f, const struct view *view, const char *name,
                      bool (*has)(const struct view *view, const struct shown *s),
                      struct histogram *(*get)(const struct account *account))
{
    for (size_t i = 0; i < view->n; i++) {
        const struct shown *s = &view->shown[i];
        if (!has(view, s))
            continue;
        const struct labels labels = of(s);
        const struct histogram *h = get(s->account);
        metric_histogram(f, name, &labels, &h, 1);
    }
}

static void put_recorded(FILE *f, const struct view *view)
{
    static const char name[] = "refrain_recorded_duration_seconds";
    metric_head(f, name, METRIC_HISTOGRAM,
                "How long responses took when they were recorded: from their requests' last bytes "
                "to their first.");
    for (size_t i = 0; i < view->n; i++) {
        const struct labels labels = of(&view->shown[i]);
        const struct histogram *all[INPUT_WORKERS_MAX], *h;
        size_t n = 0;
        while (n < ARRAY_LEN(all) && (h = account_recorded(view->shown[i].account, n)))
            all[n++] = h;
        if (n > 0)
            metric_histogram(f, name, &labels, all, n);
    }
}

static void put_all_times(FILE *f, const struct view *view)
{
    static const char duration[] = "refrain_output_request_duration_seconds";
    static const char lateness[] = "refrain_replay_lateness_seconds";
    metric_head(f, duration, METRIC_HISTOGRAM,
                "How long answers took: from when their requests were due, or went out if they had "
                "no due time.");
    put_times(f, view, duration, gets_answers, account_latency);
    put_recorded(f, view);
    metric_head(f, lateness, METRIC_HISTOGRAM,
                "How late requests with a due time reached the output.");
    put_times(f, view, lateness, keeps_time, account_lateness);
}

/* --- what is so now --- */

/* The value of one account; false: it has none. */
struct gauge {
    const char *name, *help;
    enum account_kind kind;
    bool (*get)(const struct view *view, const struct shown *s, double *value);
};

static bool queue_messages(const struct view *view, const struct shown *s, double *value)
{
    *value = (double)pipeline_queue(view->of.pipe, s->account).msgs;
    return true;
}

static bool queue_bytes_now(const struct view *view, const struct shown *s, double *value)
{
    *value = (double)pipeline_queue(view->of.pipe, s->account).bytes;
    return true;
}

static bool queue_max_messages(const struct view *view, const struct shown *s, double *value)
{
    (void)s;
    *value = (double)options_int(view->of.options, "output-queue-len");
    return true;
}

static bool queue_max_bytes(const struct view *view, const struct shown *s, double *value)
{
    (void)s;
    *value = (double)options_size(view->of.options, "output-queue-size");
    return true;
}

static bool under_way(const struct view *view, const struct shown *s, double *value)
{
    (void)view;
    *value = (double)account_open(s->account);
    return true;
}

static bool share(const struct view *view, const struct shown *s, double *value)
{
    (void)view;
    if (s->item)
        *value = atomic_load(&s->item->dials.percent) / 100;
    return s->item != NULL;
}

static bool ramp_step(const struct view *view, const struct shown *s, double *value)
{
    (void)view;
    *value = (double)atomic_load(&s->step) + 1;
    return s->item && s->item->ramp.n > 0;
}

static bool ramp_steps(const struct view *view, const struct shown *s, double *value)
{
    (void)view;
    if (s->item)
        *value = (double)s->item->ramp.n;
    return s->item && s->item->ramp.n > 0;
}

static bool ramp_held(const struct view *view, const struct shown *s, double *value)
{
    (void)view;
    *value = atomic_load(&s->held);
    return s->item && s->item->ramp.n > 0;
}

static bool speed(const struct view *view, const struct shown *s, double *value)
{
    (void)view;
    if (s->item)
        *value = s->item->speed / 100 * atomic_load(&s->item->dials.speed);
    return s->item && s->item->speed > 0;
}

static bool played(const struct view *view, const struct shown *s, double *value)
{
    (void)view;
    *value = (double)atomic_load(&account_playing(s->account)->done);
    return s->item && s->item->speed > 0;
}

static bool to_play(const struct view *view, const struct shown *s, double *value)
{
    (void)view;
    *value = (double)atomic_load(&account_playing(s->account)->total);
    return s->item && s->item->speed > 0;
}

static const struct gauge gauges[] = {
    {"refrain_output_queue_messages", "Messages that wait for the output.", ACCOUNT_OUTPUT,
     queue_messages},
    {"refrain_output_queue_bytes", "What these take in memory.", ACCOUNT_OUTPUT, queue_bytes_now},
    {"refrain_output_queue_max_messages", "Room for messages that wait (--output-queue-len).",
     ACCOUNT_OUTPUT, queue_max_messages},
    {"refrain_output_queue_max_bytes", "Room for their bytes (--output-queue-size).",
     ACCOUNT_OUTPUT, queue_max_bytes},
    {"refrain_output_open_messages",
     "Messages whose fate is still open: they wait, or are under way.", ACCOUNT_OUTPUT, under_way},
    {"refrain_output_share_ratio", "The share of the requests that the output is to get.",
     ACCOUNT_OUTPUT, share},
    {"refrain_ramp_step", "Where the output's ramp stands, from 1 on.", ACCOUNT_OUTPUT, ramp_step},
    {"refrain_ramp_steps", "Steps of the output's ramp.", ACCOUNT_OUTPUT, ramp_steps},
    {"refrain_ramp_held", "1: the ramp does not go on by itself.", ACCOUNT_OUTPUT, ramp_held},
    {"refrain_replay_speed_ratio", "Speed of the replay; 1: as recorded.", ACCOUNT_INPUT, speed},
    {"refrain_replay_done_bytes", "How much of its files the replay has read.", ACCOUNT_INPUT,
     played},
    {"refrain_replay_size_bytes", "How large they are; 0: not known.", ACCOUNT_INPUT, to_play},
};

static void put_gauges(FILE *f, const struct view *view)
{
    for (size_t i = 0; i < ARRAY_LEN(gauges); i++) {
        metric_head(f, gauges[i].name, METRIC_GAUGE, gauges[i].help);
        for (size_t k = 0; k < view->n; k++) {
            const struct shown *s = &view->shown[k];
            const struct labels labels = of(s);
            double value = 0;
            if (s->kind == gauges[i].kind && gauges[i].get(view, s, &value))
                metric_number(f, gauges[i].name, &labels, value);
        }
    }
}

static void put_paused(FILE *f, const struct view *view, enum account_kind kind, const char *name,
                       const char *help)
{
    static const char *const by[PAUSE_REASONS] = {"hand", "stop_file", "guard"};
    metric_head(f, name, METRIC_GAUGE, help);
    for (size_t i = 0; i < view->n; i++) {
        const struct shown *s = &view->shown[i];
        struct labels labels = of(s);
        labels.at[1].name = "by";
        for (size_t k = 0; k < PAUSE_REASONS && s->item && s->kind == kind; k++) {
            labels.at[1].value = by[k];
            metric_count(f, name, &labels, atomic_load(&s->paused) >> k & 1);
        }
    }
}

/* --- of the whole --- */

static void put_one(FILE *f, const char *name, enum metric_type type, const char *help,
                    double value)
{
    metric_head(f, name, type, help);
    metric_number(f, name, &none, value);
}

static void put_memory(FILE *f, const struct options *options)
{
    static const char *const parts[MEM_TAGS] = {
        [MEM_OTHER] = "other",   [MEM_MSG] = "messages", [MEM_FLOW] = "flows",
        [MEM_PIECES] = "pieces", [MEM_IO] = "io",
    };
    static const char name[] = "refrain_memory_bytes";
    metric_head(f, name, METRIC_GAUGE, "Memory in use, by what it is for.");
    for (int tag = 0; tag < MEM_TAGS; tag++) {
        const struct labels labels = {.at = {{"part", parts[tag]}}};
        int64_t used = mem_used((enum mem_tag)tag);
        metric_count(f, name, &labels, used > 0 ? (uint64_t)used : 0);
    }
    put_one(f, "refrain_memory_max_bytes", METRIC_GAUGE,
            "What flows, pieces and messages of a capture may take (--max-memory).",
            (double)options_size(options, "max-memory"));
}

static double cpu_seconds(void)
{
    struct timespec ts = {.tv_sec = 0};
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);
    return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

static void put_process(FILE *f, const struct view *view)
{
    static const char info[] = "refrain_build_info";
    const struct labels labels = {.at = {{"version", REFRAIN_VERSION}}};
    const struct shed *shed = view->of.shed;
    metric_head(f, info, METRIC_GAUGE, "1; what runs.");
    metric_count(f, info, &labels, 1);
    put_one(f, "refrain_ready", METRIC_GAUGE,
            "1: it captures or replays; 0: it drains, has ended or is paused.",
            view_is_ready(view) ? 1 : 0);
    put_one(f, "process_start_time_seconds", METRIC_GAUGE, "When it began, since the epoch.",
            (double)view->start_wall_ns / 1e9);
    put_one(f, "process_cpu_seconds_total", METRIC_COUNTER, "CPU time of all threads.",
            cpu_seconds());
    put_one(f, "refrain_regex_gave_up_total", METRIC_COUNTER,
            "Matches of regular expressions that took too long.", (double)regex_gave_up());
    if (!shed)
        return;
    put_one(f, "refrain_cpu_max_ratio", METRIC_GAUGE, "What it may use of one core (--max-cpu).",
            shed->max);
    put_one(f, "refrain_connections_followed_ratio", METRIC_GAUGE,
            "The share of new connections that --max-cpu lets it follow.",
            (double)atomic_load(&shed->opens) / (double)UINT32_MAX);
}

int metrics_text(char **text, size_t *len, struct view *view)
{
    char *made = NULL;
    FILE *f = open_memstream(&made, len);
    if (!f)
        return -ENOMEM;
    pthread_mutex_lock(&view->lock);
    put_process(f, view);
    metrics_put_books(f, view);
    put_all_times(f, view);
    put_gauges(f, view);
    put_paused(f, view, ACCOUNT_OUTPUT, "refrain_output_paused", "1: the output is paused.");
    put_paused(f, view, ACCOUNT_INPUT, "refrain_input_paused", "1: the input is paused.");
    put_memory(f, view->of.options);
    pthread_mutex_unlock(&view->lock);
    bool failed = fflush(f) != 0 || ferror(f);
    if (fclose(f) != 0 || failed) {
        free(made);
        return -ENOMEM;
    }
    *text = made;
    return 0;
}
