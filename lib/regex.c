/* SPDX-License-Identifier: MIT */
#include "lib/regex.h"

#include <errno.h>

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include "lib/clock.h"
#include "lib/mem.h"

/* What bounds the cost of a match. PCRE2 counts points where it may go back, for each place where a
 * match may begin; between two such points it may run over the whole subject, at about 0.3 ns a
 * byte. So the number of points shrinks as the subject grows: POINT_BYTES is their product, some
 * 1.5 ms. The places are walked in strides, and the time is looked at after each. Ordinary
 * expressions need a few dozen points, on a subject of 64 KiB too. */
#define POINT_BYTES (UINT32_C(4) << 20)
#define MIN_POINTS 64
#define MAX_POINTS 20000
#define WHOLE_LEN 128 /* shorter subjects are searched in one stride */
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
    char *pattern;
};

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

static int refuse(const char *option, const char *pattern, int code, size_t offset, struct err *err)
{
    PCRE2_UCHAR text[160];
    pcre2_get_error_message(code, text, sizeof(text));
    return err_usage(err, "--%s \"%s\": %s at character %zu", option, pattern, (const char *)text,
                     offset > 0 ? offset : 1);
}

/* $ is the end only, as in RE2. */
static int compile(struct regex *re, const char *option, const char *pattern, struct err *err)
{
    int code;
    PCRE2_SIZE offset;
    pcre2_compile_context *context = pcre2_compile_context_create(re->general);
    if (!context)
        return err_sys(err, ENOMEM, "--%s", option);
    pcre2_set_max_pattern_length(context, MAX_PATTERN);
    re->code = pcre2_compile((PCRE2_SPTR)pattern, PCRE2_ZERO_TERMINATED,
                             PCRE2_DOLLAR_ENDONLY | PCRE2_NEVER_UTF | PCRE2_USE_OFFSET_LIMIT, &code,
                             &offset, context);
    pcre2_compile_context_free(context);
    if (!re->code && code == PCRE2_ERROR_HEAP_FAILED)
        return err_sys(err, ENOMEM, "--%s", option);
    if (!re->code)
        return refuse(option, pattern, code, offset, err);
    uint32_t all = 0;
    pcre2_pattern_info(re->code, PCRE2_INFO_ALLOPTIONS, &all);
    re->anchored = (all & PCRE2_ANCHORED) != 0;
    /* where there is no JIT the interpreter takes over, under the same limits */
    (void)pcre2_jit_compile(re->code, PCRE2_JIT_COMPLETE);
    return 0;
}

static int prepare(struct regex *re, const char *option, struct err *err)
{
    re->limits = pcre2_match_context_create(re->general);
    re->data = pcre2_match_data_create(1, re->general);
    re->stack = pcre2_jit_stack_create(JIT_STACK_FIRST, JIT_STACK_MAX, re->general);
    if (!re->limits || !re->data)
        return err_sys(err, ENOMEM, "--%s", option);
    if (re->stack)
        pcre2_jit_stack_assign(re->limits, NULL, re->stack);
    pcre2_set_heap_limit(re->limits, HEAP_KIB);
    return 0;
}

int regex_new(struct regex **regexp, const char *option, const char *pattern, struct err *err)
{
    struct regex *re = mem_zalloc(MEM_OTHER, sizeof(*re));
    if (!re)
        return err_sys(err, ENOMEM, "--%s", option);
    re->pattern = mem_strdup(MEM_OTHER, pattern);
    re->general = pcre2_general_context_create(allocate, release, NULL);
    int r = re->pattern && re->general ? compile(re, option, pattern, err)
                                       : err_sys(err, ENOMEM, "--%s", option);
    if (r == 0)
        r = prepare(re, option, err);
    if (r < 0) {
        regex_free(re);
        return r;
    }
    *regexp = re;
    return 0;
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

const char *regex_pattern(const struct regex *re)
{
    return re->pattern;
}

static void set_points(struct regex *re, size_t len)
{
    uint32_t points =
        len > POINT_BYTES / MIN_POINTS ? MIN_POINTS : POINT_BYTES / (uint32_t)(len + 1);
    points = points > MAX_POINTS ? MAX_POINTS : points < MIN_POINTS ? MIN_POINTS : points;
    pcre2_set_match_limit(re->limits, points);
    pcre2_set_depth_limit(re->limits, points);
}

/* A match that begins at one of stride places from start on. */
static int try(struct regex *re, struct span s, size_t start, size_t stride)
{
    pcre2_set_offset_limit(re->limits, start + stride - 1);
    return pcre2_match(re->code, s.ptr ? s.ptr : (PCRE2_SPTR) "", s.len, start, 0, re->data,
                       re->limits);
}

/* Of what try() said: true when it settles the matter. */
static bool settled(int rc, enum regex_result *result)
{
    if (rc == PCRE2_ERROR_NOMATCH)
        return false;
    *result = rc >= 0 ? REGEX_MATCH : REGEX_GAVE_UP;
    return true;
}

static enum regex_result match_in_strides(struct regex *re, struct span s)
{
    enum regex_result result = REGEX_NO_MATCH;
    size_t start = 0, stride = FIRST_STRIDE;
    int64_t begin = clock_read_ns(CLOCK_THREAD_CPUTIME_ID), last = begin;
    while (!settled(try(re, s, start, stride), &result)) {
        start += stride;
        if (start > s.len)
            return REGEX_NO_MATCH;
        int64_t now = clock_read_ns(CLOCK_THREAD_CPUTIME_ID);
        if (now - begin > BUDGET_NS)
            return REGEX_GAVE_UP;
        if (now - last < CHEAP_NS && stride < MAX_STRIDE)
            stride *= 2;
        last = now;
    }
    return result;
}

enum regex_result regex_match(struct regex *re, struct span s)
{
    enum regex_result result = REGEX_NO_MATCH;
    set_points(re, s.len);
    if (!re->anchored && s.len > WHOLE_LEN)
        return match_in_strides(re, s);
    settled(try(re, s, 0, s.len + 1), &result);
    return result;
}
