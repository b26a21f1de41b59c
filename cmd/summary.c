/* SPDX-License-Identifier: MIT */
#include "cmd/summary.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cmd/number.h"
#include "cmd/summary_log.h"
#include "config.h"
#include "lib/clock.h"
#include "lib/log.h"
#include "lib/regex.h"
#include "report/json_account.h"

static int64_t started_ns;
static const struct comparison *comparison;

void summary_start(const struct comparison *compared)
{
    comparison = compared;
    started_ns = clock_mono_ns();
}

static double seconds(int64_t ns)
{
    return (double)ns / (double)NS_PER_S;
}

/* A counter and the words that follow its number. */
struct term {
    enum book book;
    const char *words;
};

/* "  N seen = N delivered + N failed": the first of law is the sum; of the rest, what is zero is
 * left out, but for the first. */
static void print_law(FILE *f, const struct account *a, const struct term *law, size_t n)
{
    fprintf(f, "  %s %s", grouped(account_sum(a, law[0].book)).text, law[0].words);
    for (size_t i = 1; i < n; i++)
        if (i == 1 || account_sum(a, law[i].book) > 0)
            fprintf(f, "%s%s %s", i == 1 ? " = " : " + ", grouped(account_sum(a, law[i].book)).text,
                    law[i].words);
}

/* "  N a, N b" of those terms that are not zero; no line when all are. */
static void print_list(FILE *f, const struct account *a, const char *title,
                       const struct term *terms, size_t n)
{
    const char *before = title;
    for (size_t i = 0; i < n; i++) {
        if (account_sum(a, terms[i].book) == 0)
            continue;
        fprintf(f, "%s%s %s", before, grouped(account_sum(a, terms[i].book)).text, terms[i].words);
        before = ", ";
    }
    if (before != title)
        fputc('\n', f);
}

/* What an input's lines tell, in order. */
static const struct term packets[] = {
    {BOOK_PACKETS, "packets"},
    {BOOK_KERNEL_DROPS, "lost by the kernel"},
    {BOOK_INTERFACE_DROPS, "lost by the network card"},
    {BOOK_UNSEEN_BYTES, "bytes acknowledged but never seen"},
    {BOOK_HOLE_BYTES, "bytes never seen in the midst of others"},
    {BOOK_FLOWS_SHED, "connections left out (--max-cpu)"},
    {BOOK_SEGMENTS_SHED, "segments of such"},
};
static const struct term requests[] = {
    {BOOK_REQ_STARTED, "requests"},         {BOOK_REQ_COMPLETE, "complete"},
    {BOOK_REQ_SHORT, "passed on cut"},      {BOOK_REQ_GAP, "with a hole"},
    {BOOK_REQ_CUT, "cut by the snaplen"},   {BOOK_REQ_TOO_LARGE, "too large"},
    {BOOK_REQ_EVICTED, "evicted (memory)"}, {BOOK_REQ_EXPIRED, "expired"},
    {BOOK_REQ_MALFORMED, "malformed"},      {BOOK_REQ_CLOSED, "cut short by close"},
    {BOOK_REQ_OPEN, "still open"},
};
static const struct term responses[] = {
    {BOOK_RES_STARTED, "responses"},        {BOOK_RES_COMPLETE, "complete"},
    {BOOK_RES_SHORT, "passed on cut"},      {BOOK_RES_GAP, "with a hole"},
    {BOOK_RES_CUT, "cut by the snaplen"},   {BOOK_RES_TOO_LARGE, "too large"},
    {BOOK_RES_EVICTED, "evicted (memory)"}, {BOOK_RES_EXPIRED, "expired"},
    {BOOK_RES_MALFORMED, "malformed"},      {BOOK_RES_CLOSED, "cut short by close"},
    {BOOK_RES_OPEN, "still open"},
};
static const struct term skipped[] = {
    {BOOK_FLOWS_TLS, "TLS streams"},
    {BOOK_FLOWS_H2C, "HTTP/2 streams"},
    {BOOK_FLOWS_OTHER, "streams not HTTP"},
    {BOOK_RES_ORPHAN, "responses without request"},
    {BOOK_FLOWS_EVICTED, "connections evicted (memory)"},
    {BOOK_SKIPPED_LINK, "packets without IP"},
    {BOOK_SKIPPED_NOT_TCP, "packets not TCP"},
    {BOOK_SKIPPED_MALFORMED, "malformed packets"},
    {BOOK_SKIPPED_PORT, "segments of other ports"},
    {BOOK_SKIPPED_NETWORK, "segments of other networks"},
    {BOOK_SKIPPED_OWN, "messages of refrain itself"},
    {BOOK_SKIPPED_REALIP, "requests without room for the address"},
    {BOOK_CAPTURES_CUT, "capture file cut short"},
    {BOOK_FRAGMENTS_LOST, "fragments lost"},
};
static const struct term records[] = {
    {BOOK_RECORDS, "records"},
    {BOOK_RECORDS_DAMAGED, "damaged (skipped)"},
    {BOOK_RECORDS_OUTSIDE, "outside of --from, --skip and --to"},
    {BOOK_RECORDS_AGAIN, "handed over again (passed over)"},
    {BOOK_RECORDS_NOT_HTTP, "not HTTP"},
    {BOOK_MIDDLEWARE_NEW, "of the middleware's own"},
    {BOOK_MIDDLEWARE_KEPT, "not given back by the middleware"},
    {BOOK_MIDDLEWARE_WITHHELD, "responses without the request that it kept"},
    {BOOK_NOT_DECODED, "bodies not decoded"},
};
static const struct term connections[] = {
    {BOOK_TLS_NOT, "with TLS on one side only"},
    {BOOK_TLS_CERTIFICATE, "with a certificate that was refused"},
    {BOOK_TLS_KEY, "with another --tcp-key, or none"},
    {BOOK_TLS_OTHER, "that failed in TLS otherwise"},
    {BOOK_STRANGERS, "of strangers"},
};

static void print_name(FILE *f, const struct account *a)
{
    char text[MOMENT_MAX];
    int64_t removed_ns = account_presence(a);
    if (removed_ns > 0)
        fprintf(f, "%s (removed at %s)\n", account_name(a), moment_text(text, removed_ns));
    else
        fprintf(f, "%s\n", account_name(a));
}

static void print_input(FILE *f, const struct account *a)
{
    print_name(f, a);
    print_list(f, a, "  ", packets, ARRAY_LEN(packets));
    if (account_sum(a, BOOK_PACKETS) > 0) {
        print_law(f, a, requests, ARRAY_LEN(requests));
        fputc('\n', f);
    }
    if (account_sum(a, BOOK_RES_STARTED) > 0) {
        print_law(f, a, responses, ARRAY_LEN(responses));
        fputc('\n', f);
    }
    print_list(f, a, "  not decoded: ", skipped, ARRAY_LEN(skipped));
    print_list(f, a, "  ", records, ARRAY_LEN(records));
    print_list(f, a, "  connections closed: ", connections, ARRAY_LEN(connections));
}

static void print_times(FILE *f, const char *title, const struct histogram *h)
{
    if (histogram_count(h) > 0)
        fprintf(f, "  %s: p50 %.3f ms, p99 %.3f ms, p99.9 %.3f ms, max %.3f ms\n", title,
                (double)histogram_at_ns(h, 0.5) / (double)NS_PER_MS,
                (double)histogram_at_ns(h, 0.99) / (double)NS_PER_MS,
                (double)histogram_at_ns(h, 0.999) / (double)NS_PER_MS,
                (double)histogram_max_ns(h) / (double)NS_PER_MS);
}

static void print_pace(FILE *f, const struct account *a)
{
    struct rates r = rates_of(a);
    if (r.wanted > 0)
        fprintf(f, "  pace: %.1f/s wanted, %.1f/s achieved (%.3f s planned, %.3f s taken)\n",
                r.wanted, r.achieved, r.planned_s, r.taken_s);
    print_times(f, "lateness", account_lateness(a));
}

static const struct term kafka_faults[] = {
    {BOOK_KAFKA_TOO_LARGE, "too large for the topic"},
    {BOOK_KAFKA_UNKNOWN_TOPIC, "without a topic"},
    {BOOK_KAFKA_REFUSED, "refused by the brokers"},
    {BOOK_KAFKA_TIMEOUT, "not confirmed in time"},
    {BOOK_KAFKA_OTHER, "otherwise"},
};

static const struct term guard_actions[] = {
    {BOOK_GUARD_BACK, "steps back"},
    {BOOK_GUARD_PAUSED, "pauses"},
};

static void print_output(FILE *f, const struct account *a)
{
    static const struct term messages[] = {
        {BOOK_SEEN, "seen"},
        {BOOK_DELIVERED, "delivered"},
        {BOOK_FILTERED, "filtered"},
        {BOOK_SAMPLED, "sampled out"},
        {BOOK_LIMITED, "over the rate limit"},
        {BOOK_DROPPED, "dropped (queue full)"},
        {BOOK_FAILED, "failed"},
        {BOOK_ABANDONED, "abandoned"},
        {BOOK_SPOOLED, "left in the spool"},
        {BOOK_SPLIT, "given to another output"},
        {BOOK_PAUSED, "left out (paused)"},
        {BOOK_SKIPPED, "not for this output"},
    };
    static const struct term answers[] = {
        {BOOK_HTTP_2XX, "2xx"},
        {BOOK_HTTP_3XX, "3xx"},
        {BOOK_HTTP_4XX, "4xx"},
        {BOOK_HTTP_5XX, "5xx"},
        {BOOK_HTTP_OTHER, "600 and above"},
        {BOOK_HTTP_REFUSED, "refused"},
        {BOOK_HTTP_TLS, "failed TLS"},
        {BOOK_HTTP_RESET, "reset"},
        {BOOK_HTTP_BAD_ANSWER, "not HTTP"},
        {BOOK_HTTP_TIMEOUT, "timed out"},
        {BOOK_HTTP_UNSENDABLE, "not sendable"},
        {BOOK_HTTP_NO_MEMORY, "without memory"},
        {BOOK_HTTP_RETRIES, "tried again"},
        {BOOK_HTTP_REDIRECTS, "redirects followed"},
        {BOOK_HTTP_ELSEWHERE, "redirects to elsewhere"},
        {BOOK_UNTOLD, "answers not passed on"},
        {BOOK_HTTP_CONNECTIONS, "connections opened"},
        {BOOK_ANSWER_BYTES, "bytes not kept"},
    };
    print_name(f, a);
    print_law(f, a, messages, ARRAY_LEN(messages));
    uint64_t open = account_open(a);
    if (open > 0)
        fprintf(f, " + %s under way", grouped(open).text);
    fputc('\n', f);
    print_list(f, a, "  answers: ", answers, ARRAY_LEN(answers));
    print_list(f, a, "  connections failed: ", connections, ARRAY_LEN(connections));
    print_list(f, a, "  failed: ", kafka_faults, ARRAY_LEN(kafka_faults));
    print_list(f, a, "  guard: ", guard_actions, ARRAY_LEN(guard_actions));
    print_times(f, "latency", account_latency(a));
    print_pace(f, a);
}

#define LOCATIONS_SHOWN 10

static void print_location(FILE *f, const struct shown_location *l)
{
    static const char *const words[DIFFERENCE_KINDS] = {"", " of another type", " missing",
                                                        " added"};
    fprintf(f, "    %s %s%s%s\n", grouped(l->count).text, l->name, words[l->kind],
            l->is_noise ? " (noise)" : "");
}

static void print_comparison(FILE *f)
{
    struct comparison_totals t = comparison_totals(comparison);
    struct shown_location locations[LOCATIONS_SHOWN];
    fprintf(f, "comparison with %s\n  %s answers compared = %s equal + %s different",
            t.without_recorded ? "the baseline" : "what was recorded", grouped(t.pairs).text,
            grouped(t.equal).text, grouped(t.different).text);
    if (t.only_noise > 0)
        fprintf(f, " + %s with noise only", grouped(t.only_noise).text);
    fputc('\n', f);
    const struct {
        uint64_t n;
        const char *words;
    } rest[] = {
        {t.status_changes, "with another status"},
        {t.cut, "of them compared as far as they were not cut"},
        {t.lost[LOSS_UNANSWERED], "recorded responses without an answer"},
        {t.lost[LOSS_UNRECORDED], "answers without a recorded response"},
        {t.lost[LOSS_CROWDED], "of these for want of room to wait"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rest); i++)
        if (rest[i].n > 0)
            fprintf(f, "  %s %s\n", grouped(rest[i].n).text, rest[i].words);
    size_t n = comparison_locations(comparison, locations, LOCATIONS_SHOWN);
    if (n > 0)
        fprintf(f, "  where they differ:\n");
    for (size_t i = 0; i < n && i < LOCATIONS_SHOWN; i++)
        print_location(f, &locations[i]);
    if (n > LOCATIONS_SHOWN)
        fprintf(f, "    and %s more (--summary json)\n", grouped(n - LOCATIONS_SHOWN).text);
}

static void print_text(FILE *f, const struct ledger *ledger, enum summary_when when)
{
    char breach[256];
    fprintf(f, "refrain: summary after %.1f s%s\n", seconds(clock_mono_ns() - started_ns),
            when == SUMMARY_RUNNING ? ", still running" : "");
    const struct account *a;
    for (size_t i = 0; (a = ledger_nth(ledger, ACCOUNT_INPUT, i)); i++)
        print_input(f, a);
    for (size_t i = 0; (a = ledger_nth(ledger, ACCOUNT_OUTPUT, i)); i++)
        print_output(f, a);
    if (comparison && comparison_tells(comparison))
        print_comparison(f);
    if (regex_gave_up() > 0)
        fprintf(f, "%s matches of regular expressions took too long and gave up\n",
                grouped(regex_gave_up()).text);
    if (when == SUMMARY_RUNNING)
        return;
    if (ledger_balances(ledger, breach, sizeof(breach)))
        fprintf(f, "the books balance: nothing is unaccounted for\n");
    else
        fprintf(f, "THE BOOKS DO NOT BALANCE: %s. This is a bug: please report it.\n", breach);
}

/* NULL: no memory. */
static json_t *json_accounts(const struct ledger *ledger, enum account_kind kind)
{
    json_t *list = json_array();
    const struct account *a;
    for (size_t i = 0; (a = ledger_nth(ledger, kind, i)); i++)
        append(&list, json_account(a, kind).json);
    return list;
}

/* False: no memory, and nothing is written. */
static bool print_json(FILE *f, const struct ledger *ledger, enum summary_when when)
{
    char breach[256];
    struct object o = object_new();
    put(&o, "version", json_string(REFRAIN_VERSION));
    put(&o, "running", json_boolean(when == SUMMARY_RUNNING));
    put(&o, "duration_s", json_real(seconds(clock_mono_ns() - started_ns)));
    put(&o, "balanced", json_boolean(ledger_balances(ledger, breach, sizeof(breach))));
    put(&o, "loss", json_real(ledger_loss(ledger)));
    put_integer(&o, "regex_gave_up", regex_gave_up());
    put(&o, "inputs", json_accounts(ledger, ACCOUNT_INPUT));
    put(&o, "outputs", json_accounts(ledger, ACCOUNT_OUTPUT));
    if (comparison && comparison_tells(comparison))
        put(&o, "comparison", comparison_json(comparison));
    /* json_dumps() can lose a part of the text without saying so; a stream remembers it */
    bool done = o.json && json_dumpf(o.json, f, JSON_COMPACT | JSON_REAL_PRECISION(9)) == 0 &&
                fputc('\n', f) != EOF;
    json_decref(o.json);
    return done;
}

/* To a string: one write, so that it does not mix with the lines of other threads. False: no
 * memory. */
static bool compose(char **text, size_t *len, const struct ledger *ledger, bool as_json,
                    enum summary_when when)
{
    FILE *f = open_memstream(text, len);
    bool done = f && (!as_json || print_json(f, ledger, when));
    if (f && !as_json)
        print_text(f, ledger, when);
    if (!f)
        return false;
    done = fflush(f) == 0 && !ferror(f) && done;
    return fclose(f) == 0 && done;
}

char *summary_text(const struct ledger *ledger, const struct options *options,
                   enum summary_when when)
{
    char *text = NULL;
    size_t len = 0;
    bool as_json = strcmp(options_string(options, "summary"), "json") == 0;
    if (compose(&text, &len, ledger, as_json, when))
        return text;
    free(text);
    return NULL;
}

/* The table is for a person, the line for a program: both, where both may look. */
static bool wants_line(const char *form)
{
    return strcmp(form, "log") == 0 || (strcmp(form, "auto") == 0 && log_format() != LOG_TEXT);
}

static bool wants_text(const char *form)
{
    return strcmp(form, "auto") == 0 ? log_format() != LOG_JSON : strcmp(form, "log") != 0;
}

void summary_print(const struct ledger *ledger, const struct options *options,
                   enum summary_when when)
{
    const char *form = options_string(options, "summary");
    char *text = wants_text(form) ? summary_text(ledger, options, when) : NULL;
    if (text)
        log_block(text, strlen(text));
    else if (wants_text(form))
        log_error("summary", "no memory for it");
    free(text);
    if (wants_line(form))
        summary_log(&(struct summary_facts){.ledger = ledger,
                                            .duration_s = seconds(clock_mono_ns() - started_ns),
                                            .running = when == SUMMARY_RUNNING});
}
