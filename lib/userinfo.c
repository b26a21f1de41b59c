/* SPDX-License-Identifier: MIT */
#include "lib/userinfo.h"

#include <string.h>

#define HIDDEN "***"
#define BETWEEN_WORDS " \t\n\"'=,"
#define ENDS_AUTHORITY "/?#|" BETWEEN_WORDS

/* Replaces the len bytes at from by HIDDEN; returns where that ends. */
static char *replace(char *text, size_t size, char *from, size_t len)
{
    size_t at = (size_t)(from - text), tail = strlen(from + len) + 1;
    size_t hidden = strlen(HIDDEN);
    if (at + hidden + 1 > size) { /* there is no room even for that */
        *from = '\0';
        return from;
    }
    if (tail > size - at - hidden) {
        tail = size - at - hidden;
        from[len + tail - 1] = '\0';
    }
    memmove(from + hidden, from + len, tail);
    memcpy(from, HIDDEN, hidden);
    return from + hidden;
}

void userinfo_hide(char *text, size_t size)
{
    if (!strchr(text, '@'))
        return;
    bool of_output = strstr(text, "output-") || strstr(text, "compare-with");
    for (char *word = text; *word;) {
        size_t len = strcspn(word, BETWEEN_WORDS);
        char *scheme = memmem(word, len, "://", 3);
        char *from = scheme ? scheme + 3 : word;
        size_t authority = strcspn(from, ENDS_AUTHORITY);
        char *at = memrchr(from, '@', authority);
        bool hides = at && at > from && (scheme || memchr(from, ':', (size_t)(at - from)));
        if (hides && (scheme || of_output))
            word = replace(text, size, from, (size_t)(at - from));
        word += strcspn(word, BETWEEN_WORDS);
        word += strspn(word, BETWEEN_WORDS);
    }
}
