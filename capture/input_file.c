/* SPDX-License-Identifier: MIT */
/* input-file: recordings, all of them as one timeline, replayed at their own pace or faster. */
#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>

#include "capture/file_list.h"
#include "capture/file_window.h"
#include "capture/inputs.h"
#include "capture/merge.h"
#include "lib/limit.h"
#include "lib/log.h"
#include "lib/mem.h"
#include "lib/pacer.h"
#include "lib/rate_plan.h"

/* Messages put before the outputs are woken. */
#define BATCH 256
#define MAX_DEPTH 1000000

/* One value of the option. */
struct play {
    char *pattern;
    double percent; /* of the speed of the recording */
};

/* What --input-file-dry-run tells at its end. */
struct dry_run {
    int64_t first_ns, last_ns; /* deadlines */
    int64_t min_wait_ns, max_wait_ns;
};

struct file_input {
    struct input base;
    struct play *plays;
    size_t n_plays;
    struct reader_config config;
    struct merge *merge;
    struct file_window window;
    bool sought; /* the records before it were passed over */
    struct pacer pacer;
    bool loop, dry;
    bool closed_loop; /* the next one when an answer makes room: times do not count */
    struct msg *next; /* waits for its deadline; may be NULL */
    int64_t deadline_ns; /* of next */
    bool at_rate; /* "|500rps": plan says when, not the recording */
    struct rate_plan plan;
    uint64_t n_planned; /* requests so far */
    int64_t planned_ns; /* offset of the latest request */
    uint64_t n_put; /* in this round */
    struct dry_run dry_run;
};

static void file_close(struct input *in)
{
    if (!in)
        return;
    struct file_input *f = container_of(in, struct file_input, base);
    msg_unref(f->next);
    merge_free(f->merge);
    file_window_fini(&f->window);
    for (size_t i = 0; i < f->n_plays; i++)
        mem_free(f->plays[i].pattern);
    mem_free(f->plays);
    mem_free(f);
}

static int add_play(struct merge *m, const struct play *play, struct err *err)
{
    struct file_list list = {0};
    int r = file_list_make(&list, play->pattern, err);
    for (size_t i = 0; i < list.n && r == 0; i++)
        r = merge_add(m, list.paths[i], play->percent, err);
    file_list_free(&list);
    return r;
}

/* A round begins: looks for the files and opens them. */
static int begin(struct file_input *f, struct err *err)
{
    struct merge *m = NULL;
    int r = merge_new(&m, &f->config);
    if (r < 0)
        return err_sys(err, -r, "--input-file");
    for (size_t i = 0; i < f->n_plays && r == 0; i++)
        r = add_play(m, &f->plays[i], err);
    if (r < 0) {
        merge_free(m);
        return r;
    }
    f->merge = m;
    f->n_put = 0;
    return 0;
}

/* In a dry run no time passes: deadlines count from 0. */
static int64_t no_time(void *arg)
{
    (void)arg;
    return 0;
}

static void no_sleep(void *arg, int64_t wait_ns, int wake_fd)
{
    (void)arg;
    (void)wait_ns;
    (void)wake_fd;
}

static int read_options(struct file_input *f, const struct options *o, struct err *err)
{
    static const struct pacer_clock no_clock = {.now_ns = no_time, .sleep = no_sleep};
    int64_t depth = options_int(o, "input-file-read-depth");
    if (depth < 1 || depth > MAX_DEPTH)
        return err_usage(err, "--input-file-read-depth %lld: a number from 1 to %d is wanted",
                         (long long)depth, MAX_DEPTH);
    f->config.depth = (size_t)depth;
    f->dry = options_bool(o, "input-file-dry-run");
    f->loop = !f->dry && options_bool(o, "input-file-loop");
    f->closed_loop = !f->dry && options_int(o, "output-http-concurrency") > 0;
    pacer_init(&f->pacer, f->dry ? &no_clock : &pacer_real_clock,
               options_duration_ns(o, "input-file-max-wait"));
    return file_window_init(&f->window, o, err);
}

static int read_address(struct file_input *f, const char *address, struct err *err)
{
    struct limit limit;
    size_t len;
    int r = limit_parse("input-file", address, &len, &limit, err);
    if (r < 0)
        return r;
    struct play *play = &f->plays[f->n_plays];
    play->pattern = mem_strdup(MEM_OTHER, address);
    if (!play->pattern)
        return err_sys(err, ENOMEM, "--input-file %s", address);
    play->pattern[len] = '\0';
    play->percent = limit.percent > 0 ? limit.percent : 100;
    if (limit.rps) {
        /* all values agree on it; any other rate is a limit, which the pipeline holds */
        f->at_rate = true;
        rate_plan_init(&f->plan, &limit);
    }
    f->n_plays++;
    if (strcmp(play->pattern, "-") != 0)
        return 0;
    if (f->loop)
        return err_usage(err, "--input-file -: standard input cannot be read again: leave out "
                              "--input-file-loop, or give a file");
    for (size_t i = 0; i + 1 < f->n_plays; i++)
        if (strcmp(f->plays[i].pattern, "-") == 0)
            return err_usage(err, "--input-file -: standard input can be given only once");
    return 0;
}

/* Not all files are opened at the start, and each once more with --input-file-loop. */
static void file_needs(struct needs *needs, const struct input_args *args)
{
    for (size_t i = 0; i < args->n_addresses; i++) {
        struct err ignored;
        struct limit limit;
        struct file_list list = {0};
        char pattern[PATH_MAX];
        size_t len;
        if (limit_parse("input-file", args->addresses[i], &len, &limit, &ignored) < 0 ||
            len >= sizeof(pattern))
            continue;
        snprintf(pattern, sizeof(pattern), "%.*s", (int)len, args->addresses[i]);
        if (strcmp(pattern, "-") == 0 || file_list_make(&list, pattern, &ignored) < 0)
            continue;
        for (size_t k = 0; k < list.n; k++) {
            needs_path(needs, NEED_READ, "input-file", list.paths[k]);
            if (options_given(args->options, "from")) /* the index, when it is missing */
                needs_path(needs, NEED_WRITE, "input-file", list.paths[k]);
        }
        file_list_free(&list);
    }
}

static int file_open(struct input **inp, const struct input_args *args, struct err *err)
{
    struct file_input *f = mem_zalloc(MEM_IO, sizeof(*f));
    if (f && args->n_addresses > 0)
        f->plays = mem_zalloc(MEM_IO, args->n_addresses * sizeof(*f->plays));
    if (!f || !f->plays) {
        mem_free(f);
        return err_sys(err, ENOMEM, "--input-file");
    }
    f->base.ops = &input_file;
    f->config.stop_fd = args->stop_fd;
    f->config.books = args->books;
    f->config.playing = args->playing;
    int r = read_options(f, args->options, err);
    if (f->loop && args->playing)
        atomic_store(&args->playing->endless, true);
    for (size_t i = 0; i < args->n_addresses && r == 0; i++)
        r = read_address(f, args->addresses[i], err);
    if (r == 0)
        r = begin(f, err);
    if (r < 0) {
        file_close(&f->base);
        return r;
    }
    *inp = &f->base;
    return 0;
}

static void note_dry(struct dry_run *d, uint64_t nth, int64_t deadline_ns)
{
    int64_t wait_ns = deadline_ns > d->last_ns ? deadline_ns - d->last_ns : 0;
    if (nth == 0) {
        *d = (struct dry_run){.first_ns = deadline_ns, .last_ns = deadline_ns};
        return;
    }
    if (nth == 1 || wait_ns < d->min_wait_ns)
        d->min_wait_ns = wait_ns;
    if (wait_ns > d->max_wait_ns)
        d->max_wait_ns = wait_ns;
    if (deadline_ns > d->last_ns)
        d->last_ns = deadline_ns;
}

static double ms(int64_t ns)
{
    return (double)ns / (double)NS_PER_MS;
}

static void tell_dry_run(const struct file_input *f)
{
    const struct dry_run *d = &f->dry_run;
    struct reader_stats s = merge_stats(f->merge);
    log_info("input-file", "dry run: %llu records in %zu files, %llu bytes of payload",
             (unsigned long long)s.records, merge_n_files(f->merge), (unsigned long long)s.bytes);
    log_info("input-file", "dry run: %llu out of order, %llu damaged, %llu not HTTP",
             (unsigned long long)s.out_of_order, (unsigned long long)s.damaged,
             (unsigned long long)s.not_http);
    log_info("input-file",
             "dry run: shortest wait %.3f ms, longest %.3f ms; the replay takes %.3f s",
             ms(d->min_wait_ns), ms(d->max_wait_ns), ms(d->last_ns - d->first_ns) / 1000);
}

/* All records of the round are out. enum input_result, or -errno. */
static int end_of_round(struct file_input *f, struct err *err)
{
    if (f->dry)
        tell_dry_run(f);
    if (!f->loop) {
        if (f->n_put == 0)
            log_warn("input-file", "there was not one record to %s",
                     f->window.begun ? "play between --from, --skip and --to" : "read");
        return INPUT_END;
    }
    if (f->n_put == 0)
        return err_failure(err, "--input-file-loop: there is not one record to read in %s",
                           f->n_plays == 1 ? f->plays[0].pattern : "any of the files");
    merge_free(f->merge);
    f->merge = NULL;
    f->config.quiet = true;
    f->sought = false;
    file_window_restart(&f->window);
    if (!f->at_rate)
        pacer_restart(&f->pacer);
    int r = begin(f, err);
    return r < 0 ? r : INPUT_MORE;
}

static void put(struct file_input *f, struct sink *sink)
{
    struct msg *msg = f->next;
    assert(msg); /* READER_READY says so */
    f->next = NULL;
    if (f->dry) {
        note_dry(&f->dry_run, f->n_put, f->deadline_ns);
        msg_unref(msg);
    } else {
        msg->due_ns = f->closed_loop ? 0 : f->deadline_ns;
        sink_put(sink, msg);
    }
    f->n_put++;
}

/* Takes the next record that is to be played, or READER_WAIT: one that is not was passed over. */
static int take_inside(struct file_input *f, int64_t *offset_ns, struct err *err)
{
    int r = merge_next(f->merge, offset_ns, err);
    if (r != READER_READY)
        return r;
    struct msg *msg = merge_take(f->merge);
    enum window_verdict verdict = file_window_judge(&f->window, msg);
    if (verdict == WINDOW_INSIDE) {
        f->next = msg;
        return READER_READY;
    }
    book_one(f->config.books, BOOK_RECORDS_OUTSIDE);
    bool before = msg->ts_ns < file_window_from(&f->window);
    msg_unref(msg);
    if (before && !f->sought) {
        f->sought = true;
        r = merge_seek(f->merge, file_window_from(&f->window), err);
        if (r < 0)
            return r;
    }
    return verdict == WINDOW_OVER ? READER_END : READER_WAIT;
}

/* Takes the next record, and finds out when it is due. enum reader_result, or -errno. */
static int take_next(struct file_input *f, struct err *err)
{
    int64_t offset_ns;
    int r = take_inside(f, &offset_ns, err);
    if (r != READER_READY)
        return r;
    if (f->at_rate) {
        /* the recorded times do not count; a response is due with the request before it */
        if (f->next->type == MSG_REQUEST)
            f->planned_ns = rate_plan_due_ns(&f->plan, f->n_planned++);
        offset_ns = f->planned_ns;
    }
    f->deadline_ns = pacer_deadline(&f->pacer, offset_ns);
    return READER_READY;
}

static int file_poll(struct input *in, struct sink *sink, int timeout_ms, struct err *err)
{
    struct file_input *f = container_of(in, struct file_input, base);
    for (int i = 0; i < BATCH; i++) {
        int r = f->next ? READER_READY : take_next(f, err);
        if (r < 0)
            return r;
        if (r == READER_WAIT)
            return INPUT_MORE;
        if (r == READER_END)
            return end_of_round(f, err);
        if (!f->dry && !f->closed_loop && !pacer_is_due(&f->pacer, f->deadline_ns)) {
            if (i == 0)
                pacer_wait(&f->pacer, f->deadline_ns, timeout_ms * NS_PER_MS, f->config.stop_fd);
            return INPUT_MORE;
        }
        put(f, sink);
    }
    return INPUT_MORE;
}

static void file_held(struct input *in, int64_t held_ns)
{
    struct file_input *f = container_of(in, struct file_input, base);
    pacer_hold(&f->pacer, held_ns);
    f->deadline_ns += held_ns;
}

static void file_set_speed(struct input *in, double speed)
{
    struct file_input *f = container_of(in, struct file_input, base);
    f->deadline_ns = pacer_set_speed(&f->pacer, speed, f->deadline_ns);
}

const struct input_ops input_file = {
    .option = "input-file",
    .merges = true,
    .speed = true,
    .needs = file_needs,
    .open = file_open,
    .poll = file_poll,
    .held = file_held,
    .set_speed = file_set_speed,
    .close = file_close,
};
