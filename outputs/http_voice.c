/* SPDX-License-Identifier: MIT */
#include "outputs/http_voice.h"

#include "lib/log.h"

void http_voice_init(struct http_voice *voice, const char *tag)
{
    *voice = (struct http_voice){.tag = tag};
}

void http_voice_failed(struct http_voice *voice, enum book why, const char *text)
{
    if (!atomic_exchange(why == BOOK_HTTP_TLS ? &voice->said_tls : &voice->said_connect, true))
        log_warn(voice->tag, "cannot connect: %s; trying again until it works", text);
}

void http_voice_connected(struct http_voice *voice)
{
    bool said_connect = atomic_exchange(&voice->said_connect, false);
    bool said_tls = atomic_exchange(&voice->said_tls, false);
    if (said_connect || said_tls)
        log_info(voice->tag, "connected");
}

void http_voice_alerted(struct http_voice *voice, const char *text)
{
    if (!atomic_exchange(&voice->said_alert, true))
        log_warn(voice->tag, "the server ended a connection: %s", text);
}

void http_voice_lost(struct http_voice *voice, enum book why)
{
    log_warn(voice->tag, "%s (the summary counts all)", book_text(why));
}
