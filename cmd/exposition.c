/* SPDX-License-Identifier: MIT */
#include "cmd/exposition.h"

#include <inttypes.h>
#include <string.h>

#include "lib/utf8.h"

void metric_head(FILE *f, const char *name, enum metric_type type, const char *help)
{
    static const char *const types[] = {"counter", "gauge", "histogram"};
    fprintf(f, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, types[type]);
}

static void put_value(FILE *f, const char *text)
{
    struct span rest = span_str(text);
    while (rest.len > 0) {
        size_t n = utf8_len(rest);
        uint8_t c = rest.ptr[0];
        if (c == '\\' || c == '"')
            fputc('\\', f);
        if (n == 0 || c < ' ' || c == 0x7f)
            fprintf(f, "\\\\x%02x", c);
        else
            fwrite(rest.ptr, 1, n, f);
        rest = span_from(rest, n > 0 ? n : 1);
    }
}

/* The name and its labels; le: one more, of a histogram's bucket, or NULL. */
static void put_name(FILE *f, const char *name, const char *suffix, const struct labels *labels,
                     const char *le)
{
    const char *before = "{";
    fprintf(f, "%s%s", name, suffix);
    for (size_t i = 0; i < METRIC_LABELS_MAX; i++) {
        if (!labels->at[i].value)
            continue;
        fprintf(f, "%s%s=\"", before, labels->at[i].name);
        put_value(f, labels->at[i].value);
        fputc('"', f);
        before = ",";
    }
    if (le)
        fprintf(f, "%sle=\"%s\"", before, le);
    if (le || *before == ',')
        fputc('}', f);
    fputc(' ', f);
}

void metric_count(FILE *f, const char *name, const struct labels *labels, uint64_t value)
{
    put_name(f, name, "", labels, NULL);
    fprintf(f, "%" PRIu64 "\n", value);
}

void metric_number(FILE *f, const char *name, const struct labels *labels, double value)
{
    put_name(f, name, "", labels, NULL);
    fprintf(f, "%.12g\n", value);
}

static const struct {
    int64_t ns;
    const char *le;
} bounds[] = {
    {100 * NS_PER_US, "0.0001"},
    {250 * NS_PER_US, "0.00025"},
    {500 * NS_PER_US, "0.0005"},
    {NS_PER_MS, "0.001"},
    {2500 * NS_PER_US, "0.0025"},
    {5 * NS_PER_MS, "0.005"},
    {10 * NS_PER_MS, "0.01"},
    {25 * NS_PER_MS, "0.025"},
    {50 * NS_PER_MS, "0.05"},
    {100 * NS_PER_MS, "0.1"},
    {250 * NS_PER_MS, "0.25"},
    {500 * NS_PER_MS, "0.5"},
    {NS_PER_S, "1"},
    {2500 * NS_PER_MS, "2.5"},
    {5 * NS_PER_S, "5"},
    {10 * NS_PER_S, "10"},
    {30 * NS_PER_S, "30"},
    {60 * NS_PER_S, "60"},
};

void metric_histogram(FILE *f, const char *name, const struct labels *labels,
                      const struct histogram *const *h, size_t n)
{
    int64_t ns[ARRAY_LEN(bounds)];
    uint64_t below[ARRAY_LEN(bounds) + 1] = {0}, sum_ns = 0;
    for (size_t i = 0; i < ARRAY_LEN(bounds); i++)
        ns[i] = bounds[i].ns;
    for (size_t i = 0; i < n; i++) {
        histogram_cumulate(h[i], ns, ARRAY_LEN(bounds), below);
        sum_ns += histogram_sum_ns(h[i]);
    }
    for (size_t i = 0; i <= ARRAY_LEN(bounds); i++) {
        put_name(f, name, "_bucket", labels, i < ARRAY_LEN(bounds) ? bounds[i].le : "+Inf");
        fprintf(f, "%" PRIu64 "\n", below[i]);
    }
    put_name(f, name, "_sum", labels, NULL);
    fprintf(f, "%.9f\n", (double)sum_ns / (double)NS_PER_S);
    put_name(f, name, "_count", labels, NULL);
    fprintf(f, "%" PRIu64 "\n", below[ARRAY_LEN(bounds)]);
}
