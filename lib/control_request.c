/* SPDX-License-Identifier: MIT */
#include "lib/control_request.h"

#include <string.h>

static bool is_printable(struct span word)
{
    for (size_t i = 0; i < word.len; i++)
        if (word.ptr[i] <= ' ' || word.ptr[i] > '~')
            return false;
    return word.len > 0;
}

/* Cuts the first word off rest. */
static struct span next_word(struct span *rest)
{
    const uint8_t *space = rest->len > 0 ? memchr(rest->ptr, ' ', rest->len) : NULL;
    size_t len = space ? (size_t)(space - rest->ptr) : rest->len;
    struct span word = span_of(rest->ptr, len);
    *rest = span_from(*rest, len + 1);
    return word;
}

const char *control_request_parse(struct control_request *request, struct span line)
{
    struct span rest = line;
    size_t used = 0;
    if (line.len >= CONTROL_LINE_MAX)
        return "the line is too long";
    if (line.len > 0 && line.ptr[line.len - 1] == ' ')
        return "a space at the end";
    if (!span_eq(next_word(&rest), span_str(CONTROL_VERSION)))
        return "another version of the protocol is spoken here: " CONTROL_VERSION;
    request->n = 0;
    while (rest.len > 0) {
        struct span word = next_word(&rest);
        if (!is_printable(word))
            return "words are printable ASCII, with single spaces between them";
        if (request->n == CONTROL_WORDS_MAX)
            return "too many words";
        request->words[request->n++] = request->text + used;
        memcpy(request->text + used, word.ptr, word.len);
        request->text[used + word.len] = '\0';
        used += word.len + 1; /* as long as in the line, so it fits */
    }
    return request->n > 0 ? NULL : "there is no verb";
}

size_t control_request_write(char *out, const char *const *words, size_t n)
{
    size_t used = strlen(CONTROL_VERSION);
    if (n == 0 || n > CONTROL_WORDS_MAX)
        return 0;
    memcpy(out, CONTROL_VERSION, used);
    for (size_t i = 0; i < n; i++) {
        struct span word = span_str(words[i]);
        if (!is_printable(word) || word.len + 2 > CONTROL_LINE_MAX - used)
            return 0;
        out[used] = ' ';
        memcpy(out + used + 1, word.ptr, word.len);
        used += word.len + 1;
    }
    out[used] = '\n';
    return used + 1;
}
