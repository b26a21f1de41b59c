/* SPDX-License-Identifier: MIT */
#include "outputs/http_health.h"

#include "lib/clock.h"

#define BACKOFF_FIRST_NS (50 * NS_PER_MS)
#define BACKOFF_MAX_NS NS_PER_S

void http_health_init(struct http_health *health, const char *tag)
{
    *health = (struct http_health){.tag = tag, .why = BOOK_HTTP_REFUSED};
    backoff_init(&health->backoff, BACKOFF_FIRST_NS, BACKOFF_MAX_NS);
}

static bool may_say(struct http_trouble *trouble)
{
    if (trouble->said || !log_limit(&trouble->limit))
        return false;
    trouble->said = true;
    return true;
}

void http_health_failed(struct http_health *health, enum book why, const char *text, int64_t now_ns)
{
    backoff_failed(&health->backoff, now_ns);
    health->why = why;
    if (may_say(why == BOOK_HTTP_TLS ? &health->tls : &health->connect))
        log_warn(health->tag, "cannot connect: %s; trying again until it works", text);
}

void http_health_connected(struct http_health *health)
{
    backoff_worked(&health->backoff);
    if (health->connect.said || health->tls.said)
        log_info(health->tag, "connected");
    health->down = health->connect.said = health->tls.said = false;
}

void http_health_alerted(struct http_health *health, const char *text)
{
    if (may_say(&health->alert))
        log_warn(health->tag, "the server ended a connection: %s", text);
}
