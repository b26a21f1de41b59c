/* SPDX-License-Identifier: MIT */
/* Finding the entries in a HAR of any length. */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "tools/har.h"

static int no_har(const struct text_in *in, const char *why, struct err *err)
{
    return err_failure(err, "this is no HAR: byte %" PRIu64 ": %s", text_in_offset(in), why);
}

static int expect(struct text_in *in, uint8_t wanted, const char *why, struct err *err)
{
    uint8_t c;
    int r = text_in_peek(in, &c, err);
    if (r < 0)
        return r;
    if (r == 0 || c != wanted)
        return no_har(in, why, err);
    text_in_take(in);
    return 1;
}

/* Moves behind '{' and the members before name, and behind its colon. 1, or -errno. */
static int enter_member(struct text_in *in, const char *name, const char *missing, struct err *err)
{
    int r = expect(in, '{', missing, err);
    while (r > 0) {
        struct span key = span_of(NULL, 0);
        uint8_t c;
        r = text_in_peek(in, &c, err);
        if (r > 0 && c != '"')
            return no_har(in, missing, err);
        if (r > 0)
            r = text_in_value(in, &key, err);
        if (r == 0)
            return no_har(in, missing, err);
        bool found =
            r > 0 && key.len == strlen(name) + 2 && memcmp(key.ptr + 1, name, key.len - 2) == 0;
        if (r > 0)
            r = expect(in, ':', "a colon is missing", err);
        if (r < 0 || found)
            return r;
        r = text_in_skip_value(in, err);
        if (r > 0)
            r = expect(in, ',', missing, err);
    }
    return r;
}

static int begin(struct text_in *in, struct err *err)
{
    int r = enter_member(in, "log", "there is no member \"log\"", err);
    if (r > 0)
        r = enter_member(in, "entries", "there is no list \"log.entries\"", err);
    return r > 0 ? expect(in, '[', "\"log.entries\" is no list", err) : r;
}

/* Behind ']' nothing matters any more, but that it is there. */
static int end(struct text_in *in, struct har_place *place)
{
    text_in_take(in);
    place->state = HAR_DONE;
    return 0;
}

int har_next(struct text_in *in, struct har_place *place, struct span *entry, struct err *err)
{
    uint8_t c;
    if (place->state == HAR_DONE)
        return 0;
    bool first = place->state == HAR_BEGIN;
    int r = first ? begin(in, err) : 1;
    if (r <= 0)
        return r < 0 ? r : no_har(in, "it is empty", err);
    place->state = HAR_ENTRIES;
    r = text_in_peek(in, &c, err);
    if (r > 0 && c == ']')
        return end(in, place);
    if (r > 0 && !first)
        r = expect(in, ',', "a comma between two entries is missing", err);
    if (r > 0)
        r = text_in_value(in, entry, err);
    return r == 0 ? no_har(in, "it ends inside its list of entries", err) : r;
}
