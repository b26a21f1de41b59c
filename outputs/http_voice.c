/* SPDX-License-Identifier: MIT */
#include "outputs/http_voice.h"

void http_voice_init(struct http_voice *voice, const char *tag)
{
    *voice = (struct http_voice){.tag = tag};
    pthread_mutex_init(&voice->lock, NULL);
}

void http_voice_fini(struct http_voice *voice)
{
    pthread_mutex_destroy(&voice->lock);
}

static bool may_say(struct http_voice *voice, struct http_trouble *trouble)
{
    pthread_mutex_lock(&voice->lock);
    bool may = !trouble->said && log_limit(&trouble->limit);
    trouble->said |= may;
    pthread_mutex_unlock(&voice->lock);
    return may;
}

void http_voice_failed(struct http_voice *voice, enum book why, const char *text)
{
    if (may_say(voice, why == BOOK_HTTP_TLS ? &voice->tls : &voice->connect))
        log_warn(voice->tag, "cannot connect: %s; trying again until it works", text);
}

void http_voice_connected(struct http_voice *voice)
{
    pthread_mutex_lock(&voice->lock);
    bool was_said = voice->connect.said || voice->tls.said;
    voice->connect.said = voice->tls.said = false;
    pthread_mutex_unlock(&voice->lock);
    if (was_said)
        log_info(voice->tag, "connected");
}

void http_voice_alerted(struct http_voice *voice, const char *text)
{
    if (may_say(voice, &voice->alert))
        log_warn(voice->tag, "the server ended a connection: %s", text);
}

void http_voice_lost(struct http_voice *voice, enum book why)
{
    pthread_mutex_lock(&voice->lock);
    bool may = log_limit(&voice->lost);
    pthread_mutex_unlock(&voice->lock);
    if (may)
        log_warn(voice->tag, "%s (the summary counts all)", book_text(why));
}
