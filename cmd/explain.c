/* SPDX-License-Identifier: MIT */
#include "cmd/explain.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "capture/file_list.h"
#include "capture/merge.h"
#include "cmd/registry.h"
#include "cmd/wanted.h"
#include "lib/ledger.h"
#include "lib/limiter.h"
#include "lib/log.h"
#include "lib/mem.h"
#include "lib/options_table.h"
#include "lib/waiting.h"

/* Requests that may wait for their response, to be told when it has come. */
#define WAITING_MSGS 65536
#define WAITING_BYTES (64 << 20)

/* One output and what is asked of it. */
struct place {
    char label[LABEL_MAX];
    struct output_rules rules;
    struct sampler sampler;
    struct limiter *limiter;
    uint64_t sent, filtered, sampled, split, limited;
};

struct explain {
    const struct options *options;
    struct err *err;
    struct wanted_outputs wanted;
    size_t n_places;
    struct place places[ROUTE_OUTPUTS_MAX];
    struct filter_chain *chain;
    struct route *route;
    struct waiting *waiting; /* requests whose fate hangs on their response */
    struct ledger *ledger;
    struct merge *merge;
    const char *indent; /* of the steps that are told now */
    const char *prefix; /* "http" or "to": how the options of these steps begin */
    uint64_t requests, dropped;
};

/* --- saying it --- */

/* Bytes that are not visible ASCII as \xNN: a terminal must not be told what to do by strangers. */
static void print_safely(struct span s)
{
    for (size_t i = 0; i < s.len; i++) {
        uint8_t c = s.ptr[i];
        if (c >= ' ' && c < 0x7f && c != '\\')
            putchar(c);
        else
            printf("\\x%02x", (unsigned)c);
    }
}

/* The line at *at of a head, without its end; moves behind it. False at the empty line. */
static bool next_line(const struct msg *msg, size_t *at, struct span *line)
{
    if (*at >= msg->http.head_len)
        return false;
    const uint8_t *start = msg->bytes + *at;
    const uint8_t *lf = memchr(start, '\n', msg->http.head_len - *at);
    size_t len = lf ? (size_t)(lf - start) : msg->http.head_len - *at;
    *at += len + (lf ? 1 : 0);
    *line = span_of(start, len > 0 && start[len - 1] == '\r' ? len - 1 : len);
    return line->len > 0;
}

static bool has_line(const struct msg *msg, struct span wanted)
{
    struct span line;
    size_t at = msg->http.start_off;
    while (next_line(msg, &at, &line))
        if (span_eq(line, wanted))
            return true;
    return false;
}

/* The lines of one head that the other does not have. */
static void print_lines(const struct explain *x, char sign, const struct msg *of,
                        const struct msg *not_in)
{
    struct span line;
    size_t at = of->http.start_off;
    while (next_line(of, &at, &line)) {
        if (has_line(not_in, line))
            continue;
        printf("%s  %c ", x->indent, sign);
        print_safely(line);
        putchar('\n');
    }
}

static void print_changes(const struct explain *x, const struct msg *before,
                          const struct msg *after)
{
    struct span was = msg_body(before), is = msg_body(after);
    print_lines(x, '-', before, after);
    print_lines(x, '+', after, before);
    if (!span_eq(was, is))
        printf("%s  body: %zu bytes before, %zu after\n", x->indent, was.len, is.len);
}

static void tell_step(void *arg, const struct filter_step *step)
{
    const struct explain *x = arg;
    const char *name = step->ops->name;
    if (step->ops->stage == FILTER_REDACT)
        return;
    bool http = strncmp(name, "http-", 5) == 0;
    printf("%s%s by --%s%s%s", x->indent,
           step->verdict == VERDICT_REPLACE ? "changed"
           : step->verdict == VERDICT_DROP  ? "dropped"
                                            : "lost for want of memory",
           http ? x->prefix : "", http ? "-" : "", http ? name + 5 : name);
    if (step->rule)
        printf(" \"%s\"", step->rule);
    putchar('\n');
    if (step->verdict == VERDICT_REPLACE)
        print_changes(x, step->before, step->after);
}

/* --- one request --- */

static void tell_sent(struct explain *x, struct place *place, const struct msg *msg)
{
    const struct msg *changed = NULL;
    unsigned copies = place->rules.limit.copies;
    if (!limiter_admit(place->limiter, msg, msg->ts_ns)) {
        place->limited++;
        printf("  %s: beyond its rate\n", place->label);
        return;
    }
    place->sent++;
    bool answer = x->wanted.wanted[place - x->places].ops->documents;
    printf("  %s: %s", place->label, answer ? "its answer, when it is replayed" : "sent");
    printf(copies > 1 ? " %u times\n" : "\n", copies);
    x->indent = "    ";
    x->prefix = "to";
    if (filter_chain_rewrite(place->rules.rewriters, msg, &changed) == VERDICT_REPLACE)
        msg_unref(changed);
}

static void tell_place(struct explain *x, size_t i, enum route_fate fate, const struct msg *msg)
{
    struct place *place = &x->places[i];
    switch (fate) {
    case ROUTE_TAKEN:
        tell_sent(x, place, msg);
        break;
    case ROUTE_FILTERED:
        place->filtered++;
        printf("  %s: dropped by --to-if \"%s\"\n", place->label,
               route_failed_condition(x->route, i));
        break;
    case ROUTE_SAMPLED:
        place->sampled++;
        printf("  %s: outside of its share of %g %%\n", place->label, place->rules.limit.percent);
        break;
    case ROUTE_PAUSED: /* only while it runs */
    case ROUTE_SPLIT:
        place->split++;
        printf("  %s: given to another output of the split\n", place->label);
        break;
    }
}

/* What the outputs get of a request that passed the filters, but for those of skip. */
static void tell_places(struct explain *x, const struct msg *request, uint64_t fates, uint32_t skip)
{
    const struct msg *changed = NULL;
    x->indent = "  ";
    x->prefix = "http";
    if (filter_chain_rewrite(x->chain, request, &changed) != VERDICT_REPLACE)
        changed = msg_ref(request);
    for (size_t i = 0; i < x->n_places; i++)
        if (!(skip >> i & 1))
            tell_place(x, i, route_fate_at(fates, i), changed);
    msg_unref(changed);
}

static void tell_request(struct explain *x, const struct msg *request)
{
    uint32_t undecided = 0;
    uint64_t note;
    x->indent = "  ";
    x->prefix = "http";
    if (filter_chain_judge(x->chain, request) == VERDICT_DROP) {
        x->dropped++;
        return;
    }
    uint64_t fates = route_request(x->route, request, &undecided);
    tell_places(x, request, fates, undecided);
    if (!undecided)
        return;
    for (size_t i = 0; i < x->n_places; i++)
        if (undecided >> i & 1)
            printf("  %s: waits for the status of its response\n", x->places[i].label);
    waiting_put(x->waiting, request, undecided);
    for (const struct msg *old = waiting_overflow(x->waiting, &note); old;
         old = waiting_overflow(x->waiting, &note))
        msg_unref(old);
}

/* Says again which request it is, when its response decides. */
static void tell_response(struct explain *x, const struct msg *response)
{
    uint64_t note;
    const struct msg *request = waiting_take(x->waiting, msg_id(response), &note);
    if (!request)
        return;
    uint32_t undecided = (uint32_t)note;
    printf("- ");
    print_safely(msg_id(request));
    printf(" was answered with %u\n", (unsigned)response->http.status);
    uint64_t fates = route_status(x->route, request, 0, undecided, response->http.status);
    tell_places(x, request, fates, ~undecided);
    msg_unref(request);
}

static void tell_message(struct explain *x, const struct msg *msg)
{
    if (msg->type != MSG_REQUEST) {
        tell_response(x, msg);
        return;
    }
    /* before anything is said: the report is no place for secrets either */
    const struct msg *redacted = NULL;
    enum verdict verdict = filter_chain_redact(x->chain, msg, &redacted);
    const struct msg *seen = redacted ? redacted : msg;
    bool http = seen->http.head_len > 0;
    x->requests++;
    x->indent = "  ";
    printf("%" PRIu64 " ", x->requests);
    print_safely(msg_id(seen));
    putchar(' ');
    print_safely(http ? msg_method(seen) : span_str("(not HTTP)"));
    putchar(' ');
    print_safely(http ? msg_target(seen) : span_of(NULL, 0));
    putchar('\n');
    if (redacted) {
        printf("  changed by --redact\n");
        print_lines(x, '+', redacted, msg);
    }
    if (verdict == VERDICT_PASS || verdict == VERDICT_REPLACE) {
        tell_request(x, seen);
    } else {
        printf("  dropped by --redact: it cannot be searched for secrets\n");
        x->dropped++;
    }
    msg_unref(redacted);
}

/* --- the recording --- */

static int read_all(struct explain *x)
{
    for (;;) {
        int64_t offset_ns;
        int r = merge_next(x->merge, &offset_ns, x->err);
        if (r < 0)
            return r;
        if (r == READER_END)
            return 0;
        if (r == READER_WAIT)
            continue;
        struct msg *msg = merge_take(x->merge);
        tell_message(x, msg);
        msg_unref(msg);
    }
}

static int open_files(struct explain *x, struct reader_config *config)
{
    const char *value;
    int r = merge_new(&x->merge, config);
    if (r < 0)
        return err_sys(x->err, -r, "refrain explain");
    for (size_t i = 0; r == 0 && (value = options_nth(x->options, "input-file", i)); i++) {
        struct file_list list = {0};
        struct limit limit;
        size_t len;
        r = limit_parse("input-file", value, &len, &limit, x->err);
        char *pattern = r == 0 ? mem_strdup(MEM_OTHER, value) : NULL;
        if (pattern) {
            pattern[len] = '\0';
            r = file_list_make(&list, pattern, x->err);
        } else if (r == 0) {
            r = err_sys(x->err, ENOMEM, "--input-file");
        }
        for (size_t k = 0; k < list.n && r == 0; k++)
            r = merge_add(x->merge, list.paths[k], 100, x->err);
        file_list_free(&list);
        mem_free(pattern);
    }
    return r;
}

static int open_places(struct explain *x)
{
    struct route_output outputs[ROUTE_OUTPUTS_MAX];
    for (size_t i = 0; i < x->wanted.n; i++) {
        const struct wanted *wanted = &x->wanted.wanted[i];
        struct place *place = &x->places[i];
        wanted_label(place->label, sizeof(place->label), wanted->ops->option, wanted->value);
        int r = wanted_open_rules(&place->rules, wanted, x->options, x->err);
        if (r < 0)
            return r;
        x->n_places++;
        filter_chain_watch(place->rules.rewriters, tell_step, x);
        sampler_init(&place->sampler, &wanted->limit, x->wanted.seed);
        if (limiter_new(&place->limiter, &wanted->limit, x->wanted.seed) < 0)
            return err_sys(x->err, ENOMEM, "refrain explain");
        outputs[i] = (struct route_output){
            .name = place->rules.name,
            .options = place->rules.options,
            .sampler = &place->sampler,
            .in_split = x->wanted.split && !wanted->aside,
            .weight = wanted_weight(wanted),
        };
    }
    return route_new(&x->route, outputs, x->wanted.n, &x->wanted.split_by, x->wanted.seed, x->err);
}

static int open_rules(struct explain *x)
{
    if (!options_nth(x->options, "input-file", 0))
        return err_usage(x->err, "refrain explain: give a recording: --input-file requests.gor");
    int r = wanted_read(&x->wanted, x->options, x->err);
    if (r == 0)
        r = filter_chain_new(&x->chain, registry_filters, registry_n_filters(), x->options, x->err);
    if (r < 0)
        return r;
    filter_chain_watch(x->chain, tell_step, x);
    if (waiting_new(&x->waiting, WAITING_MSGS, WAITING_BYTES) < 0)
        return err_sys(x->err, ENOMEM, "refrain explain");
    return open_places(x);
}

static void print_summary(const struct explain *x)
{
    printf("%" PRIu64 " requests, %" PRIu64 " dropped by filters\n", x->requests, x->dropped);
    for (size_t i = 0; i < x->n_places; i++) {
        const struct place *p = &x->places[i];
        printf("  %s: %" PRIu64 " sent, %" PRIu64 " dropped by its conditions, %" PRIu64
               " outside of its share, %" PRIu64 " to another of the split, %" PRIu64
               " beyond its rate\n",
               p->label, p->sent, p->filtered, p->sampled, p->split, p->limited);
    }
}

static void close_all(struct explain *x)
{
    for (size_t i = 0; i < x->n_places; i++) {
        filter_chain_free(x->places[i].rules.rewriters);
        options_free(x->places[i].rules.options);
        limiter_free(x->places[i].limiter);
    }
    filter_chain_free(x->chain);
    route_free(x->route);
    waiting_free(x->waiting);
    merge_free(x->merge);
    ledger_free(x->ledger);
    mem_free(x);
}

static int explain(struct explain *x)
{
    struct account *account = ledger_account(x->ledger, ACCOUNT_INPUT, "input-file");
    struct reader_config config = {
        .stop_fd = -1,
        .depth = (size_t)options_int(x->options, "input-file-read-depth"),
        .books = account ? account_page(account) : NULL,
    };
    if (!config.books)
        return err_sys(x->err, ENOMEM, "refrain explain");
    int r = open_rules(x);
    if (r == 0)
        r = open_files(x, &config);
    if (r == 0)
        r = read_all(x);
    if (r == 0)
        print_summary(x);
    return r;
}

int explain_run(const struct options *options)
{
    struct err err = {.status = STATUS_FAILURE, .text = "out of memory"};
    struct explain *x = mem_zalloc(MEM_OTHER, sizeof(*x));
    int r = -ENOMEM;
    if (x) {
        x->options = options;
        x->err = &err;
        r = ledger_new(&x->ledger);
        if (r == 0)
            r = explain(x);
        close_all(x);
    }
    if (r < 0)
        log_error(NULL, "%s", err.text);
    if (r == 0 && (fflush(stdout) != 0 || ferror(stdout))) {
        log_error(NULL, "refrain explain: standard output: %s", err_text(errno));
        return STATUS_FAILURE;
    }
    return r < 0 ? (int)err.status : STATUS_DONE;
}
