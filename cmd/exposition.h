/* SPDX-License-Identifier: MIT */
/* Prometheus' text format, version 0.0.4. Any thread. */
#pragma once

#include <stdio.h>

#include "lib/histogram.h"

enum metric_type {
    METRIC_COUNTER = 0,
    METRIC_GAUGE,
    METRIC_HISTOGRAM,
};

/* All samples of a metric stand together, behind its head. */
void metric_head(FILE *f, const char *name, enum metric_type type, const char *help);

/* Values may be any bytes: control bytes, and what is not UTF-8, are shown as \xNN. A value that is
 * NULL: no such label. */
#define METRIC_LABELS_MAX 4
struct labels {
    struct {
        const char *name, *value;
    } at[METRIC_LABELS_MAX];
};

void metric_count(FILE *f, const char *name, const struct labels *labels, uint64_t value);
void metric_number(FILE *f, const char *name, const struct labels *labels, double value);
/* In seconds, with the same bounds for all: from 100 us to one minute. n of them in one. labels
 * must have one free. */
void metric_histogram(FILE *f, const char *name, const struct labels *labels,
                      const struct histogram *const *h, size_t n);
