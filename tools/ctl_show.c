/* SPDX-License-Identifier: MIT */
#include "tools/ctl_show.h"

#include <string.h>

#include "lib/base.h"

struct show {
    FILE *out;
    const json_t *before; /* NULL: totals */
    double passed_s; /* since then */
    size_t rows, max_rows; /* 0: any number */
};

static double number(const json_t *object, const char *key)
{
    return json_number_value(json_object_get(object, key));
}

static const char *text(const json_t *object, const char *key)
{
    const char *value = json_string_value(json_object_get(object, key));
    return value ? value : "";
}

static bool begin_row(struct show *s)
{
    return s->max_rows == 0 || ++s->rows <= s->max_rows;
}

/* The item of that name in the list of the answer before; NULL: there was none. */
static const json_t *find_before(const struct show *s, const char *list, const char *name)
{
    const json_t *items = json_object_get(s->before, list);
    for (size_t i = 0; i < json_array_size(items); i++)
        if (strcmp(text(json_array_get(items, i), "name"), name) == 0)
            return json_array_get(items, i);
    return NULL;
}

/* The sum of some counters: of all time, or a second. */
static double sum(const struct show *s, const json_t *item, const json_t *before,
                  const char *const *books, size_t n)
{
    double total = 0;
    const json_t *now = json_object_get(item, "books"), *then = json_object_get(before, "books");
    for (size_t i = 0; i < n; i++)
        total += number(now, books[i]) - (s->before ? number(then, books[i]) : 0);
    return s->before && s->passed_s > 0 ? total / s->passed_s : total;
}

struct column {
    const char *title;
    const char *books[3];
    size_t n;
};

static const struct column input_columns[] = {
    {"RECEIVED", {"produced"}, 1},
    {"LOST", {"kernel_drops", "interface_drops", "records_damaged"}, 3},
};
static const struct column output_columns[] = {
    {"SEEN", {"seen"}, 1},
    {"DELIVERED", {"delivered"}, 1},
    {"FAILED", {"failed", "abandoned"}, 2},
    {"DROPPED", {"dropped_queue"}, 1},
    {"LEFT OUT", {"sampled_out", "limited", "paused"}, 3},
};

static void show_paused(const struct show *s, const json_t *item)
{
    const json_t *reasons = json_object_get(item, "paused");
    for (size_t i = 0; i < json_array_size(reasons); i++)
        fprintf(s->out, "%s%s", i == 0 ? "  paused " : ", ",
                json_string_value(json_array_get(reasons, i)));
}

/* "20%", "10/s", "weight 3", "200% speed": what is not as usual. */
static void show_dials(const struct show *s, const json_t *item)
{
    if (number(item, "percent") < 100)
        fprintf(s->out, "  %.4g%%", number(item, "percent"));
    const json_t *ramp = json_object_get(item, "ramp");
    if (ramp)
        fprintf(s->out, " (step %.0f of %zu%s)", number(ramp, "step") + 1,
                json_array_size(json_object_get(ramp, "steps")),
                json_is_true(json_object_get(ramp, "held")) ? ", held" : "");
    if (number(item, "rate") > 0)
        fprintf(s->out, "  %.6g/s", number(item, "rate"));
    if (json_object_get(item, "weight"))
        fprintf(s->out, "  weight %.4g", number(item, "weight"));
    if (json_object_get(item, "speed"))
        fprintf(s->out, "  speed %.4g%%", number(item, "speed"));
}

static void show_item(struct show *s, const char *list, const json_t *item,
                      const struct column *columns, size_t n)
{
    const json_t *before = s->before ? find_before(s, list, text(item, "name")) : NULL;
    const json_t *books = json_object_get(item, "books");
    if (!begin_row(s))
        return;
    fprintf(s->out, "%-24.24s", text(item, "name"));
    for (size_t i = 0; i < n; i++)
        fprintf(s->out, " %10.*f", s->before ? 1 : 0,
                sum(s, item, before, columns[i].books, columns[i].n));
    if (columns == output_columns) {
        fprintf(s->out, " %10.0f", number(books, "under_way"));
        if (json_object_get(books, "latency_p99_s"))
            fprintf(s->out, " %9.1f", number(books, "latency_p99_s") * 1000);
        else
            fprintf(s->out, " %9s", "-");
    }
    show_dials(s, item);
    show_paused(s, item);
    if (text(item, "why")[0])
        fprintf(s->out, "  %s", text(item, "why"));
    fputc('\n', s->out);
}

static void show_list(struct show *s, const json_t *now, const char *list, const char *title,
                      const struct column *columns, size_t n)
{
    const json_t *items = json_object_get(now, list);
    if (begin_row(s))
        fputc('\n', s->out);
    if (!begin_row(s))
        return;
    fprintf(s->out, "%-24s", title);
    for (size_t i = 0; i < n; i++)
        fprintf(s->out, " %8s%s", columns[i].title, s->before ? "/s" : "  ");
    if (columns == output_columns)
        fprintf(s->out, " %10s %9s", "UNDER WAY", "P99 ms");
    fputc('\n', s->out);
    for (size_t i = 0; i < json_array_size(items); i++)
        show_item(s, list, json_array_get(items, i), columns, n);
}

static double sum_of_inputs(const json_t *now, const char *book)
{
    const json_t *inputs = json_object_get(now, "inputs");
    double sum = 0;
    for (size_t i = 0; i < json_array_size(inputs); i++)
        sum += number(json_object_get(json_array_get(inputs, i), "books"), book);
    return sum;
}

/* What refrain may take, and takes, and what that has cost. */
static void show_limits(struct show *s, const json_t *now)
{
    const json_t *limits = json_object_get(now, "limits");
    double evicted = sum_of_inputs(now, "requests_evicted");
    fprintf(s->out, ", memory %.1f MiB, of which traffic %.1f of %.0f",
            number(limits, "memory_all") / MIB, number(limits, "memory_flows") / MIB,
            number(limits, "max_memory") / MIB);
    if (evicted > 0)
        fprintf(s->out, " (%.0f requests given up)", evicted);
    if (json_object_get(limits, "max_cpu"))
        fprintf(s->out, ", CPU at most %.3g%%: %.3g%% of new connections are followed",
                number(limits, "max_cpu") * 100, number(limits, "connections_followed") * 100);
}

static void show_head(struct show *s, const json_t *now)
{
    long long running = (long long)number(now, "running_s");
    if (!begin_row(s))
        return;
    fprintf(s->out, "refrain %s, pid %.0f, running for %lld:%02lld:%02lld", text(now, "version"),
            number(now, "pid"), running / 3600, running / 60 % 60, running % 60);
    show_limits(s, now);
    fprintf(s->out, ", sandbox %s", text(now, "sandbox"));
    fputc('\n', s->out);
}

/* Outputs that were removed, and drain. */
static void show_leaving(struct show *s, const json_t *now)
{
    const json_t *items = json_object_get(now, "leaving");
    for (size_t i = 0; i < json_array_size(items) && begin_row(s); i++) {
        const json_t *item = json_array_get(items, i);
        fprintf(s->out, "%s is removed: %.0f messages to go\n", text(item, "name"),
                number(json_object_get(item, "books"), "under_way"));
    }
}

void ctl_show(FILE *out, const json_t *now, const json_t *before, size_t rows)
{
    struct show s = {.out = out, .before = before, .max_rows = rows};
    if (before)
        s.passed_s = number(now, "running_s") - number(before, "running_s");
    show_head(&s, now);
    show_list(&s, now, "inputs", "INPUT", input_columns, ARRAY_LEN(input_columns));
    show_list(&s, now, "outputs", "OUTPUT", output_columns, ARRAY_LEN(output_columns));
    show_leaving(&s, now);
}
