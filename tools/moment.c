/* SPDX-License-Identifier: MIT */
#include "tools/moment.h"

#include <stdio.h>
#include <time.h>

#define FRACTION_DIGITS 9
/* What int64_t nanoseconds reach. */
#define YEAR_MIN 1677
#define YEAR_MAX 2262

size_t moment_format(char out[MOMENT_TEXT_MAX], int64_t ns, int digits)
{
    struct tm tm;
    int64_t fraction = ns % NS_PER_S;
    time_t s = (time_t)(ns / NS_PER_S - (fraction < 0));
    fraction += fraction < 0 ? NS_PER_S : 0;
    gmtime_r(&s, &tm);
    size_t n = strftime(out, MOMENT_TEXT_MAX, "%Y-%m-%dT%H:%M:%S", &tm);
    for (int i = digits; i < FRACTION_DIGITS; i++)
        fraction /= 10;
    if (digits > 0)
        n += (size_t)snprintf(out + n, MOMENT_TEXT_MAX - n, ".%0*d", digits, (int)fraction);
    return n + (size_t)snprintf(out + n, MOMENT_TEXT_MAX - n, "Z");
}

/* n digits at the start of *s, which is moved behind them. */
static bool take_digits(struct span *s, size_t n, int *value)
{
    *value = 0;
    if (s->len < n)
        return false;
    for (size_t i = 0; i < n; i++) {
        unsigned digit = (unsigned)s->ptr[i] - '0';
        if (digit > 9)
            return false;
        *value = *value * 10 + (int)digit;
    }
    *s = span_from(*s, n);
    return true;
}

static bool take_char(struct span *s, const char *any_of)
{
    if (s->len == 0 || s->ptr[0] == '\0' || !strchr(any_of, s->ptr[0]))
        return false;
    *s = span_from(*s, 1);
    return true;
}

static bool take_date(struct span *s, struct tm *tm)
{
    bool ok = take_digits(s, 4, &tm->tm_year) && take_char(s, "-") &&
              take_digits(s, 2, &tm->tm_mon) && take_char(s, "-") &&
              take_digits(s, 2, &tm->tm_mday) && take_char(s, "Tt ") &&
              take_digits(s, 2, &tm->tm_hour) && take_char(s, ":") &&
              take_digits(s, 2, &tm->tm_min) && take_char(s, ":") && take_digits(s, 2, &tm->tm_sec);
    ok = ok && tm->tm_year >= YEAR_MIN && tm->tm_year <= YEAR_MAX && tm->tm_mon >= 1 &&
         tm->tm_mon <= 12 && tm->tm_mday >= 1 && tm->tm_mday <= 31 && tm->tm_hour <= 23 &&
         tm->tm_min <= 59 && tm->tm_sec <= 60;
    tm->tm_year -= 1900;
    tm->tm_mon -= 1;
    return ok;
}

/* What is beyond nanoseconds is cut off. */
static int64_t take_fraction(struct span *s)
{
    int64_t fraction = 0, unit = NS_PER_S;
    int digit;
    while (take_digits(s, 1, &digit)) {
        unit /= 10;
        fraction += digit * unit;
    }
    return fraction;
}

bool moment_parse(struct span text, int64_t *ns)
{
    struct tm tm = {0};
    int64_t fraction = 0;
    int hours = 0, minutes = 0;
    if (!take_date(&text, &tm))
        return false;
    if (take_char(&text, ".,"))
        fraction = take_fraction(&text);
    if (!take_char(&text, "Zz")) {
        bool west = text.len > 0 && text.ptr[0] == '-';
        if (!take_char(&text, "+-") || !take_digits(&text, 2, &hours))
            return false;
        (void)take_char(&text, ":");
        if (!take_digits(&text, 2, &minutes))
            return false;
        if (west) {
            hours = -hours;
            minutes = -minutes;
        }
    }
    if (text.len > 0)
        return false;
    int64_t s = (int64_t)timegm(&tm) - (int64_t)hours * 3600 - (int64_t)minutes * 60;
    /* the first moments of all lie in a second that does not begin in range */
    if (s < 0 && fraction > 0) {
        s++;
        fraction -= NS_PER_S;
    }
    int64_t sum;
    if (__builtin_mul_overflow(s, NS_PER_S, &sum) || __builtin_add_overflow(sum, fraction, &sum))
        return false;
    *ns = sum;
    return true;
}
