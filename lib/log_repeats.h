/* SPDX-License-Identifier: MIT */
/* Lines that are said again and again: the first is told at once, those that follow are held back
 * and counted, and from time to time one line tells how many there were: after a second, then after
 * two, four, up to a minute, until it has been quiet for that long. Nothing is lost: the sum over
 * the lines told of how many times each stands for is how often it was said.
 *
 * Not locked: the owner does that. Lines are the same by level, tag and text, or, when there are
 * words for it, by level, tag and words: one thing with changing details. */
#pragma once

#include "lib/base.h"
#include "lib/log_line.h"

#define LOG_REPEATS 16 /* different lines that are watched */
#define LOG_REPEAT_FIRST_NS NS_PER_S
#define LOG_REPEAT_MAX_NS (60 * NS_PER_S)

struct log_repeat {
    bool used;
    bool has_words;
    enum log_level level;
    int64_t told_ns;
    int64_t wait_ns; /* until it may be told again */
    uint64_t held; /* how often it was said since */
    char words[LOG_TAG_MAX];
    char tag[LOG_TAG_MAX + 2], text[LOG_TEXT_MAX + 2]; /* cut, they are longer than their maximum */
};

struct log_repeats {
    struct log_repeat entries[LOG_REPEATS];
};

/* A line that is to be said. */
struct log_saying {
    enum log_level level;
    const char *tag; /* "": none */
    const char *words; /* NULL: the text counts */
    const char *text; /* may be NULL for log_repeats_hold() when words is not */
};

/* True: it is held back, and counted. Else log_repeats_told() must follow. */
bool log_repeats_hold(struct log_repeats *repeats, const struct log_saying *saying, int64_t now_ns);

/* It is told now; returns how often it was said, this time included. When another one had to be
 * forgotten for it that was held back, old is what is to be told of that, else old->held is 0. */
uint64_t log_repeats_told(struct log_repeats *repeats, const struct log_saying *saying,
                          int64_t now_ns, struct log_repeat *old);

/* True: out is a line that is to be told now, out->held times. Call until false. INT64_MAX for
 * now_ns: all that is held. */
bool log_repeats_due(struct log_repeats *repeats, int64_t now_ns, struct log_repeat *out);
