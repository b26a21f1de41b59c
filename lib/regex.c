/* SPDX-License-Identifier: MIT */
#include "lib/regex.h"

#include <errno.h>
#include <stdatomic.h>
#include <string.h>

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include "lib/clock.h"
#include "lib/log.h"
#include "lib/mem.h"
#include "lib/regex_syntax.h"

/* What bounds the cost of a match. PCRE2 counts points where it may go back, for each place where a
 * match may begin; between two such points it may run over the whole subject, at about 0.3 ns a
 * byte. So the number of points shrinks as the subject grows: POINT_BYTES is their product, some
 * 1.5 ms. The places are walked in strides, and the time is looked at after each. Ordinary
 * expressions need a few dozen points, on a subject of 64 KiB too. */
#define POINT_BYTES (UINT32_C(4) << 20)
#define MIN_POINTS 64
#define MAX_POINTS 20000
#define WHOLE_LEN 128 /* shorter subjects are searched in one stride */
#define QUICK_LEN 1024 /* these too, at first, with so few points that no clock is needed: */
#define QUICK_BYTES (UINT32_C(8) << 20) /* the product of places, points and bytes */
#define LOOK_EVERY 16 /* matches in one subject, between two looks at the clock */
#define FIRST_STRIDE 16
#define MAX_STRIDE 64
#define CHEAP_NS (10 * NS_PER_US) /* a stride that took less may be followed by a longer one */
#define BUDGET_NS (4 * NS_PER_MS)
/* Without JIT: frames of the interpreter, in KiB. With it, its stack. */
#define HEAP_KIB 4096
#define JIT_STACK_FIRST (32 * 1024)
#define JIT_STACK_MAX (512 * 1024)
#define MAX_PATTERN (16 * 1024)

struct regex {
    pcre2_general_context *general;
    pcre2_code *code;
    pcre2_match_context *limits;
    pcre2_match_data *data;
    pcre2_jit_stack *stack;
    bool anchored;
    bool jit;
    char *pattern;
};

static atomic_uint_fast64_t given_up;

static void *allocate(PCRE2_SIZE size, void *unused)
{
    (void)unused;
    return mem_alloc(MEM_OTHER, size ? size : 1);
}

static void release(void *ptr, void *unused)
{
    (void)unused;
    mem_free(ptr);
}

/* The message, and the character of the text that it is about. */
static int refuse(const struct regex_part *part, int code, size_t offset, struct err *err)
{
    PCRE2_UCHAR message[160];
    struct span pattern = span_of(part->text + part->at, part->len);
    size_t origin = regex_syntax_origin(pattern, part->separator, offset);
    if (origin >= part->len && part->len > 0)
        origin = part->len - 1;
    pcre2_get_error_message(code, message, sizeof(message));
    return err_usage(err, "--%s \"%s\": %s at character %zu", part->option, part->text,
                     (const char *)message, part->at + origin + 1);
}

/* As RE2 has it: $ is the end only, and with (?m) ^ also stands behind a last LF. */
#define COMPILE_OPTIONS                                                                            \
    (PCRE2_DOLLAR_ENDONLY | PCRE2_ALT_CIRCUMFLEX | PCRE2_NEVER_UTF | PCRE2_USE_OFFSET_LIMIT)

static int compile(struct regex *re, const struct regex_part *part, struct err *err)
{
    int code = 0;
    PCRE2_SIZE offset = 0;
    struct span pattern = span_of(part->text + part->at, part->len);
    if (part->len > MAX_PATTERN)
        return err_usage(err, "--%s: an expression of %zu bytes; at most %d are possible",
                         part->option, part->len, MAX_PATTERN);
    char *translated = mem_alloc(MEM_OTHER, part->len * REGEX_SYNTAX_GROWTH + 1);
    pcre2_compile_context *context = pcre2_compile_context_create(re->general);
    if (translated && context) {
        pcre2_set_newline(context, PCRE2_NEWLINE_LF);
        re->code = pcre2_compile((PCRE2_SPTR)translated,
                                 regex_syntax(translated, pattern, part->separator),
                                 COMPILE_OPTIONS, &code, &offset, context);
    }
    bool no_memory = !translated || !context || (!re->code && code == PCRE2_ERROR_HEAP_FAILED);
    pcre2_compile_context_free(context);
    mem_free(translated);
    if (no_memory)
        return err_sys(err, ENOMEM, "--%s", part->option);
    if (!re->code)
        return refuse(part, code, offset, err);
    uint32_t all = 0;
    pcre2_pattern_info(re->code, PCRE2_INFO_ALLOPTIONS, &all);
    re->anchored = (all & PCRE2_ANCHORED) != 0;
    /* where there is no JIT the interpreter takes over, under the same limits */
    re->jit = pcre2_jit_compile(re->code, PCRE2_JIT_COMPLETE) == 0;
    return 0;
}

static int prepare(struct regex *re, const char *option, struct err *err)
{
    re->limits = pcre2_match_context_create(re->general);
    re->data = pcre2_match_data_create_from_pattern(re->code, re->general);
    re->stack = pcre2_jit_stack_create(JIT_STACK_FIRST, JIT_STACK_MAX, re->general);
    if (!re->limits || !re->data)
        return err_sys(err, ENOMEM, "--%s", option);
    if (re->stack)
        pcre2_jit_stack_assign(re->limits, NULL, re->stack);
    pcre2_set_heap_limit(re->limits, HEAP_KIB);
    return 0;
}

int regex_new_part(struct regex **regexp, const struct regex_part *part, struct err *err)
{
    struct regex *re = mem_zalloc(MEM_OTHER, sizeof(*re));
    if (!re)
        return err_sys(err, ENOMEM, "--%s", part->option);
    re->pattern = mem_zalloc(MEM_OTHER, part->len + 1);
    re->general = pcre2_general_context_create(allocate, release, NULL);
    if (re->pattern)
        memcpy(re->pattern, part->text + part->at, part->len);
    int r = re->pattern && re->general ? compile(re, part, err)
                                       : err_sys(err, ENOMEM, "--%s", part->option);
    if (r == 0)
        r = prepare(re, part->option, err);
    if (r < 0) {
        regex_free(re);
        return r;
    }
    *regexp = re;
    return 0;
}

int regex_new_tail(struct regex **regexp, const char *option, const char *text, const char *pattern,
                   struct err *err)
{
    const struct regex_part tail = {
        .option = option,
        .text = text,
        .at = (size_t)(pattern - text),
        .len = strlen(pattern),
    };
    return regex_new_part(regexp, &tail, err);
}

int regex_new(struct regex **regexp, const char *option, const char *pattern, struct err *err)
{
    return regex_new_tail(regexp, option, pattern, pattern, err);
}

void regex_free(struct regex *re)
{
    if (!re)
        return;
    pcre2_jit_stack_free(re->stack);
    pcre2_match_data_free(re->data);
    pcre2_match_context_free(re->limits);
    pcre2_code_free(re->code);
    pcre2_general_context_free(re->general);
    mem_free(re->pattern);
    mem_free(re);
}

static uint32_t between(uint32_t low, uint64_t n, uint32_t high)
{
    return n < low ? low : n > high ? high : (uint32_t)n;
}

static void set_points(struct regex *re, uint32_t points)
{
    pcre2_set_match_limit(re->limits, points);
    pcre2_set_depth_limit(re->limits, points);
}

/* A match that begins at one of stride places from start on. */
static int try(struct regex *re, struct span s, size_t start, size_t stride)
{
    PCRE2_SPTR bytes = s.ptr ? s.ptr : (PCRE2_SPTR) "";
    pcre2_set_offset_limit(re->limits, start + stride - 1);
    /* the same, but for checks of arguments */
    return re->jit ? pcre2_jit_match(re->code, bytes, s.len, start, 0, re->data, re->limits)
                   : pcre2_match(re->code, bytes, s.len, start, 0, re->data, re->limits);
}

/* Of what try() said: true when it settles the matter. */
static bool settled(int rc, enum regex_result *result)
{
    if (rc == PCRE2_ERROR_NOMATCH)
        return false;
    *result = rc >= 0 ? REGEX_MATCH : REGEX_GAVE_UP;
    return true;
}

/* CPU time since the first look at the clock in this search. */
static int64_t spent_ns(struct regex_search *x)
{
    int64_t now = clock_read_ns(CLOCK_THREAD_CPUTIME_ID);
    if (x->begin_ns == 0)
        x->begin_ns = now;
    return now - x->begin_ns;
}

static enum regex_result next_in_strides(struct regex *re, struct regex_search *x)
{
    enum regex_result result = REGEX_NO_MATCH;
    size_t start = x->at, stride = FIRST_STRIDE;
    set_points(re, between(MIN_POINTS, POINT_BYTES / (x->subject.len + 1), MAX_POINTS));
    int64_t last = spent_ns(x);
    while (!settled(try(re, x->subject, start, stride), &result)) {
        start += stride;
        if (start > x->subject.len)
            return REGEX_NO_MATCH;
        int64_t now = spent_ns(x);
        if (now > BUDGET_NS)
            return REGEX_GAVE_UP;
        if (now - last < CHEAP_NS && stride < MAX_STRIDE)
            stride *= 2;
        last = now;
    }
    return result;
}

static enum regex_result search(struct regex *re, struct regex_search *x)
{
    enum regex_result result = REGEX_NO_MATCH;
    size_t len = x->subject.len, places = len - x->at + 1;
    assert(x->at <= len);
    if (++x->searches % LOOK_EVERY == 0 && spent_ns(x) > BUDGET_NS)
        return REGEX_GAVE_UP;
    bool whole = re->anchored || len <= WHOLE_LEN;
    if (!whole && len > QUICK_LEN)
        return next_in_strides(re, x);
    set_points(re, whole ? between(MIN_POINTS, POINT_BYTES / (len + 1), MAX_POINTS)
                         : between(1, QUICK_BYTES / (places * len), MAX_POINTS));
    int rc = try(re, x->subject, x->at, places);
    if (rc == PCRE2_ERROR_MATCHLIMIT && !whole)
        return next_in_strides(re, x);
    settled(rc, &result);
    return result;
}

enum regex_result regex_next(struct regex *re, struct regex_search *x)
{
    enum regex_result result = search(re, x);
    if (result != REGEX_GAVE_UP)
        return result;
    atomic_fetch_add_explicit(&given_up, 1, memory_order_relaxed);
    log_often(LOG_WARN, "filter", re->pattern,
              "\"%s\" takes too long on %zu bytes, and gave up: what it was to decide on "
              "does not pass",
              re->pattern, x->subject.len);
    return result;
}

uint64_t regex_gave_up(void)
{
    return atomic_load_explicit(&given_up, memory_order_relaxed);
}

bool regex_group(const struct regex *re, unsigned n, size_t *start, size_t *end)
{
    const PCRE2_SIZE *at = pcre2_get_ovector_pointer(re->data);
    /* \K can put the start behind the end */
    if (n >= pcre2_get_ovector_count(re->data) || at[2 * n] == PCRE2_UNSET ||
        at[2 * n + 1] < at[2 * n])
        return false;
    *start = at[2 * n];
    *end = at[2 * n + 1];
    return true;
}

int regex_group_named(const struct regex *re, const char *name)
{
    int n = pcre2_substring_number_from_name(re->code, (PCRE2_SPTR)name);
    return n > 0 ? n : -1;
}

enum regex_result regex_match(struct regex *re, struct span subject)
{
    struct regex_search search = {.subject = subject};
    return regex_next(re, &search);
}
