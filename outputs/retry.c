/* SPDX-License-Identifier: MIT */
#include "outputs/retry.h"

#include "lib/log.h"

#define BACKOFF_FIRST_NS (100 * NS_PER_MS)
#define BACKOFF_MAX_NS NS_PER_S

void retry_init(struct retry *r, struct output *out, const char *tag)
{
    *r = (struct retry){.tag = tag, .books = out->books};
    backoff_init(&r->backoff, BACKOFF_FIRST_NS, BACKOFF_MAX_NS);
}

void retry_tell(struct retry *r, const char *what, const char *why)
{
    if (!r->said_down)
        log_warn(r->tag, "%s: %s; trying again until it works", what, why);
    r->said_down = true;
}

void retry_up(struct retry *r)
{
    if (r->was_up)
        book_one(r->books, BOOK_RECONNECTS);
    r->was_up = true;
    if (r->said_down)
        log_info(r->tag, "connected");
    r->said_down = false;
}
