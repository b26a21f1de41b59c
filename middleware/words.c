/* SPDX-License-Identifier: MIT */
#include "middleware/words.h"

#include <errno.h>
#include <string.h>

#include "lib/mem.h"

#define BLANKS " \t\r\n"

/* Inside of "…" at *p; appends to *out. False: it is not closed. */
static bool read_double(const char **p, char **out)
{
    const char *at = *p + 1;
    for (; *at && *at != '"'; at++) {
        if (*at == '\\' && at[1] && strchr("\"\\$`", at[1]))
            at++;
        *(*out)++ = *at;
    }
    *p = at + 1;
    return *at == '"';
}

static bool read_single(const char **p, char **out)
{
    const char *begin = *p + 1, *end = strchr(begin, '\'');
    if (!end)
        return false;
    memcpy(*out, begin, (size_t)(end - begin));
    *out += end - begin;
    *p = end + 1;
    return true;
}

/* The word at *p. False: *p is at what is wrong. */
static bool read_word(const char **p, char **out)
{
    while (**p && !strchr(BLANKS, **p)) {
        const char *begin = *p;
        bool whole = true;
        if (**p == '"') {
            whole = read_double(p, out);
        } else if (**p == '\'') {
            whole = read_single(p, out);
        } else if (**p == '\\') {
            whole = begin[1] != '\0';
            *(*out)++ = begin[1];
            *p += 2;
        } else {
            *(*out)++ = *(*p)++;
        }
        if (!whole) {
            *p = begin;
            return false;
        }
    }
    *(*out)++ = '\0';
    return true;
}

int words_init(struct words *words, const char *text, size_t *bad_at)
{
    size_t len = strlen(text), most = len / 2 + 1; /* words: each has a blank behind it */
    char **argv = mem_zalloc(MEM_OTHER, (most + 1) * sizeof(*argv) + len + 2);
    if (!argv)
        return -ENOMEM;
    char *out = (char *)(argv + most + 1);
    size_t n = 0;
    const char *p = text + strspn(text, BLANKS);
    while (*p) {
        argv[n++] = out;
        assert(n <= most);
        if (!read_word(&p, &out)) {
            *bad_at = (size_t)(p - text);
            mem_free(argv);
            return -EINVAL;
        }
        p += strspn(p, BLANKS);
    }
    *words = (struct words){.argv = argv, .n = n};
    return 0;
}

void words_fini(struct words *words)
{
    mem_free(words->argv);
    *words = (struct words){.argv = NULL};
}
