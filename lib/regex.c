/* SPDX-License-Identifier: MIT */
#include "lib/regex.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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
    re->data = pcre2_match_data_create_from_pattern(re->code, re->general);
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

/* --- replacing --- */

/* In PCRE2's syntax, where only $ means something. */
struct template
{
    char *text;
};

static bool is_name(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

/* The group of that name or number; -1: there is none. */
static int group_of(const struct regex *re, const char *name, size_t len)
{
    char copy[64];
    uint32_t groups = 0;
    size_t digits = strspn(name, "0123456789");
    pcre2_pattern_info(re->code, PCRE2_INFO_CAPTURECOUNT, &groups);
    if (len == 0 || len >= sizeof(copy))
        return -1;
    memcpy(copy, name, len);
    copy[len] = '\0';
    if (digits >= len) {
        unsigned long n = len < 6 ? strtoul(copy, NULL, 10) : UINT32_MAX;
        return n <= groups ? (int)n : -1;
    }
    int n = pcre2_substring_number_from_name(re->code, (PCRE2_SPTR)copy);
    return n >= 0 ? n : -1;
}

/* Appends what stands for the $ at p; returns behind it. */
static const char *translate_dollar(const struct regex *re, const char *p, char **out)
{
    bool braces = p[1] == '{';
    const char *name = p + 1 + braces;
    size_t len = 0;
    while (is_name(name[len]))
        len++;
    if (p[1] == '$' || len == 0 || (braces && name[len] != '}')) {
        memcpy(*out, "$$", 2); /* a dollar */
        *out += 2;
        return p + (p[1] == '$' ? 2 : 1);
    }
    int group = group_of(re, name, len);
    if (group >= 0)
        *out += snprintf(*out, 16, "${%d}", group);
    return name + len + braces;
}

int template_new(struct template **templatep, const struct regex *regex, const char *option,
                 const char *text, struct err *err)
{
    struct template *t = mem_zalloc(MEM_OTHER, sizeof(*t));
    /* "$1" becomes "${1}", and "$" becomes "$$": three bytes more for each at most */
    if (t)
        t->text = mem_zalloc(MEM_OTHER, strlen(text) * 4 + 16);
    if (!t || !t->text) {
        template_free(t);
        return err_sys(err, ENOMEM, "--%s", option);
    }
    char *out = t->text;
    for (const char *p = text; *p;) {
        if (*p == '$')
            p = translate_dollar(regex, p, &out);
        else
            *out++ = *p++;
    }
    *templatep = t;
    return 0;
}

void template_free(struct template *template)
{
    if (!template)
        return;
    mem_free(template->text);
    mem_free(template);
}

enum regex_result regex_replace(struct regex *re, const struct template *template, struct span s,
                                struct buf *out)
{
    PCRE2_SIZE room = s.len * 2 + 256;
    for (;;) {
        if (buf_reserve(out, room) < 0)
            return REGEX_GAVE_UP;
        PCRE2_SIZE len = buf_room(out);
        set_points(re, s.len);
        pcre2_set_offset_limit(re->limits, s.len);
        int rc = pcre2_substitute(re->code, s.ptr ? s.ptr : (PCRE2_SPTR) "", s.len, 0,
                                  PCRE2_SUBSTITUTE_GLOBAL | PCRE2_SUBSTITUTE_UNSET_EMPTY |
                                      PCRE2_SUBSTITUTE_OVERFLOW_LENGTH,
                                  re->data, re->limits, (PCRE2_SPTR) template->text,
                                  PCRE2_ZERO_TERMINATED, buf_tail(out), &len);
        if (rc == PCRE2_ERROR_NOMEMORY && len > room) {
            room = len;
            continue;
        }
        if (rc > 0)
            buf_commit(out, len);
        return rc > 0 ? REGEX_MATCH : rc == 0 ? REGEX_NO_MATCH : REGEX_GAVE_UP;
    }
}
