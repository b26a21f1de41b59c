/* SPDX-License-Identifier: MIT */
#include "outputs/http_health.h"

#include "lib/clock.h"

#define BACKOFF_FIRST_NS (50 * NS_PER_MS)
#define BACKOFF_MAX_NS NS_PER_S

void http_health_init(struct http_health *health, struct http_voice *voice)
{
    *health = (struct http_health){.voice = voice, .why = BOOK_HTTP_REFUSED};
    backoff_init(&health->backoff, BACKOFF_FIRST_NS, BACKOFF_MAX_NS);
}

void http_health_failed(struct http_health *health, enum book why, const char *text, int64_t now_ns)
{
    backoff_failed(&health->backoff, now_ns);
    health->why = why;
    http_voice_failed(health->voice, why, text);
}

void http_health_connected(struct http_health *health)
{
    backoff_worked(&health->backoff);
    http_voice_connected(health->voice);
    health->down = false;
}
