/* SPDX-License-Identifier: MIT */
/* refrain stat: what is in recordings. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

#include "lib/mem.h"
#include "tools/damage.h"
#include "tools/job.h"
#include "tools/json_text.h"
#include "tools/moment.h"
#include "tools/sums.h"

/* Lines of a list in the text; as JSON, all are there. */
#define SHOWN_MAX 10
#define JSON_MAX (64 * MIB)

static const struct {
    const char *name;
    double share;
} percentiles[] = {{"p50", 0.5}, {"p90", 0.9}, {"p99", 0.99}, {"max", 1}};

static double seconds(int64_t ns)
{
    return (double)ns / (double)NS_PER_S;
}

static bool has_time(const struct sums *s)
{
    return s->first_ns <= s->last_ns;
}

/* Requests a second, over the whole time; 0 when there is no time. */
static double rate(const struct sums *s)
{
    double duration = has_time(s) ? seconds(s->last_ns - s->first_ns) : 0;
    return duration > 0 ? (double)s->requests / duration : 0;
}

/* --- text --- */

/* Strangers' bytes as \xNN: they must not tell a terminal what to do. */
static void print_word(struct span word)
{
    for (size_t i = 0; i < word.len; i++) {
        uint8_t c = word.ptr[i];
        if (c >= ' ' && c < 0x7f && c != '\\')
            putchar(c);
        else
            printf("\\x%02x", (unsigned)c);
    }
}

static void print_words(const char *title, const struct words *words,
                        const struct word_count **room)
{
    size_t n = words_sorted(words, room);
    uint64_t rest = words->others;
    if (n == 0)
        return;
    printf("%s:\n", title);
    for (size_t i = 0; i < n; i++) {
        if (i >= SHOWN_MAX) {
            rest += room[i]->n;
            continue;
        }
        printf("  %" PRIu64 " ", room[i]->n);
        print_word(room[i]->len > 0 ? span_of(room[i]->word, room[i]->len) : span_str("(none)"));
        putchar('\n');
    }
    if (rest > 0)
        printf("  %" PRIu64 " others\n", rest);
}

static void print_sizes(const char *title, const struct histogram *h)
{
    if (histogram_count(h) == 0)
        return;
    printf("%s:", title);
    for (size_t i = 0; i < ARRAY_LEN(percentiles); i++)
        printf("%s %s %" PRId64, i ? "," : "", percentiles[i].name,
               histogram_at_ns(h, percentiles[i].share));
    printf(" bytes\n");
}

static void print_times(const struct sums *s)
{
    char first[MOMENT_TEXT_MAX], last[MOMENT_TEXT_MAX], peak[MOMENT_TEXT_MAX];
    if (!has_time(s))
        return;
    moment_format(first, s->first_ns, 3);
    moment_format(last, s->last_ns, 3);
    moment_format(peak, s->peak_s * NS_PER_S, 0);
    printf("from %s to %s: %.3f s\n", first, last, seconds(s->last_ns - s->first_ns));
    if (s->requests > 0)
        printf("rate: %.1f requests/s, at most %" PRIu64 " in one second (%s)\n", rate(s), s->peak,
               peak);
}

static void print_statuses(const struct sums *s)
{
    bool any = false;
    for (size_t i = 0; i < ARRAY_LEN(s->statuses); i++) {
        if (s->statuses[i] == 0)
            continue;
        printf("%s  %" PRIu64 " %zu\n", any ? "" : "statuses:\n", s->statuses[i], i);
        any = true;
    }
}

static void print_text(const struct sums *s, const struct reader_stats *r,
                       const struct word_count **room)
{
    printf("%" PRIu64 " records: %" PRIu64 " requests, %" PRIu64 " responses", r->records,
           s->requests, s->responses);
    if (s->replayed > 0)
        printf(", %" PRIu64 " replayed", s->replayed);
    if (s->other_types > 0)
        printf(", %" PRIu64 " of other types", s->other_types);
    printf("\n%" PRIu64 " bytes of payload: %" PRIu64 " of requests, %" PRIu64 " of others\n",
           r->bytes, s->request_bytes, s->response_bytes);
    if (r->damaged > 0)
        printf("%" PRIu64 " damaged places: refrain verify tells where\n", r->damaged);
    if (s->not_http > 0)
        printf("%" PRIu64 " not HTTP\n", s->not_http);
    print_times(s);
    print_words("methods", &s->methods, room);
    print_words("hosts", &s->hosts, room);
    print_statuses(s);
    print_sizes("request sizes", &s->request_sizes);
    print_sizes("response sizes", &s->response_sizes);
    if (histogram_count(&s->latencies) == 0)
        return;
    printf("latency:");
    for (size_t i = 0; i < ARRAY_LEN(percentiles); i++)
        printf("%s %s %.3f ms", i ? "," : "", percentiles[i].name,
               seconds(histogram_at_ns(&s->latencies, percentiles[i].share)) * 1000);
    putchar('\n');
}

/* --- JSON --- */

static void put_int(struct json_text *t, const char *name, uint64_t n)
{
    json_text_key(t, name);
    json_text_int(t, (int64_t)n);
}

static void put_moment(struct json_text *t, const char *name, int64_t ns)
{
    char text[MOMENT_TEXT_MAX];
    json_text_key(t, name);
    json_text_string(t, span_of(text, moment_format(text, ns, 9)));
}

static void put_words(struct json_text *t, const char *name, const struct words *words,
                      const struct word_count **room)
{
    size_t n = words_sorted(words, room);
    json_text_key(t, name);
    json_text_open(t, '[');
    for (size_t i = 0; i < n; i++) {
        json_text_open(t, '{');
        json_text_key(t, "name");
        json_text_string(t, span_of(room[i]->word, room[i]->len));
        put_int(t, "count", room[i]->n);
        json_text_close(t, '}');
    }
    json_text_close(t, ']');
    char others[32];
    snprintf(others, sizeof(others), "other_%s", name);
    put_int(t, others, words->others);
}

static void put_statuses(struct json_text *t, const struct sums *s)
{
    char name[24];
    json_text_key(t, "statuses");
    json_text_open(t, '{');
    for (size_t i = 0; i < ARRAY_LEN(s->statuses); i++) {
        snprintf(name, sizeof(name), "%zu", i);
        if (s->statuses[i] > 0)
            put_int(t, name, s->statuses[i]);
    }
    json_text_close(t, '}');
}

static void put_histogram(struct json_text *t, const char *name, const struct histogram *h,
                          double unit)
{
    json_text_key(t, name);
    json_text_open(t, '{');
    for (size_t i = 0; i < ARRAY_LEN(percentiles) && histogram_count(h) > 0; i++) {
        json_text_key(t, percentiles[i].name);
        json_text_real(t, (double)histogram_at_ns(h, percentiles[i].share) / unit);
    }
    json_text_close(t, '}');
}

static void put_counts(struct json_text *t, const struct sums *s, const struct reader_stats *r)
{
    put_int(t, "records", r->records);
    put_int(t, "requests", s->requests);
    put_int(t, "responses", s->responses);
    put_int(t, "replayed", s->replayed);
    put_int(t, "other_types", s->other_types);
    put_int(t, "not_http", s->not_http);
    put_int(t, "damaged", r->damaged);
    put_int(t, "out_of_order", r->out_of_order);
    put_int(t, "without_time", s->without_time);
    put_int(t, "bytes", r->bytes);
    put_int(t, "request_bytes", s->request_bytes);
    put_int(t, "response_bytes", s->response_bytes);
}

static int print_json(const struct sums *s, const struct reader_stats *r,
                      const struct word_count **room)
{
    struct buf buf;
    buf_init(&buf, JSON_MAX);
    struct json_text t = {.buf = &buf};
    json_text_open(&t, '{');
    put_counts(&t, s, r);
    if (has_time(s)) {
        put_moment(&t, "first", s->first_ns);
        put_moment(&t, "last", s->last_ns);
        json_text_key(&t, "duration_s");
        json_text_real(&t, seconds(s->last_ns - s->first_ns));
        json_text_key(&t, "requests_per_s");
        json_text_real(&t, rate(s));
        put_int(&t, "peak_requests_in_a_second", s->peak);
    }
    put_words(&t, "methods", &s->methods, room);
    put_words(&t, "hosts", &s->hosts, room);
    put_statuses(&t, s);
    put_histogram(&t, "request_size", &s->request_sizes, 1);
    put_histogram(&t, "response_size", &s->response_sizes, 1);
    put_histogram(&t, "latency_ms", &s->latencies, (double)NS_PER_MS);
    json_text_close(&t, '}');
    json_text_raw(&t, "\n");
    struct span text = buf_span(&buf);
    if (t.error == 0)
        fwrite(text.ptr, 1, text.len, stdout);
    buf_fini(&buf);
    return t.error;
}

/* --- reading --- */

static int each(struct job *job, const struct msg *msg)
{
    int r = sums_add(job->arg, msg);
    msg_unref(msg);
    return r < 0 ? err_sys(job->err, -r, "refrain stat") : 0;
}

static int print(const struct job *job)
{
    const struct sums *sums = job->arg;
    const struct word_count **room = mem_alloc(MEM_OTHER, SUMS_WORDS * sizeof(struct word_count *));
    int r = 0;
    if (!room)
        return err_sys(job->err, ENOMEM, "refrain stat");
    if (damage_is_json(job->args->options))
        r = print_json(sums, &job->stats, room);
    else
        print_text(sums, &job->stats, room);
    mem_free(room);
    return r < 0 ? err_sys(job->err, -r, "refrain stat") : 0;
}

static int run(const struct tool_args *args, struct err *err)
{
    struct recordings_config config = {.order = RECORDINGS_IN_TURN};
    struct sums *sums = sums_new();
    struct job job = {.args = args, .err = err, .arg = sums, .quiet = true};
    if (!sums)
        return err_sys(err, ENOMEM, "refrain stat");
    int r = job_run(&job, &config, each);
    if (r == 0)
        r = print(&job);
    sums_free(sums);
    if (r < 0)
        return r;
    return job.stats.damaged > 0 ? STATUS_FAILURE : STATUS_DONE;
}

static const char *const takes[] = {"help", "version", "verbose", NULL};

const struct tool tool_stat = {
    .name = "stat",
    .operands = "FILE...",
    .summary = "Tell how much of what there is: rates, hosts, methods, statuses, sizes, times",
    .takes = takes,
    .run = run,
};
