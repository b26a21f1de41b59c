/* SPDX-License-Identifier: MIT */
#include "outputs/ws_handshake.h"

#include <errno.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <stdio.h>
#include <string.h>

#define GUID "258EAFA5-E914-47DA-95CA-C5AB0DC85B11" /* RFC 6455, 1.3 */

int ws_handshake_with(struct ws_handshake *s, const uint8_t key[16])
{
    uint8_t digest[EVP_MAX_MD_SIZE];
    char text[WS_KEY_LEN + sizeof(GUID)];
    unsigned len = 0;
    *s = (struct ws_handshake){.seen = 0};
    EVP_EncodeBlock((uint8_t *)s->key, key, 16);
    memcpy(text, s->key, WS_KEY_LEN);
    memcpy(text + WS_KEY_LEN, GUID, sizeof(GUID));
    if (!EVP_Digest(text, sizeof(text) - 1, digest, &len, EVP_sha1(), NULL))
        return -EIO;
    EVP_EncodeBlock((uint8_t *)s->accept, digest, (int)len);
    const struct http_limits limits = {.max_head = WS_ANSWER_MAX};
    http_framer_init(&s->framer, HTTP_RESPONSE, &limits);
    return 0;
}

int ws_handshake_init(struct ws_handshake *s)
{
    uint8_t key[16];
    return RAND_bytes(key, sizeof(key)) == 1 ? ws_handshake_with(s, key) : -EIO;
}

int ws_handshake_request(const struct ws_handshake *s, const struct http_target *target,
                         struct buf *out)
{
    const char *const pieces[] = {
        "GET ",
        target->prefix,
        " HTTP/1.1\r\nHost: ",
        target->host,
        "\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n",
        "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: ",
        s->key,
        "\r\n",
        target->authorization,
        "\r\n",
    };
    int r = 0;
    for (size_t i = 0; i < ARRAY_LEN(pieces) && r == 0; i++)
        r = buf_append(out, pieces[i], strlen(pieces[i]));
    return r;
}

/* Is word one of the comma-separated words of all fields of that name? */
static bool has_word(struct span head, const struct http_view *view, const char *name,
                     const char *word)
{
    struct http_field field;
    size_t pos = view->fields_off;
    while (http_field_next(head, view, &pos, &field)) {
        if (!span_eq_nocase(field.name, span_str(name)))
            continue;
        struct span rest = field.value;
        while (rest.len > 0) {
            const uint8_t *comma = memchr(rest.ptr, ',', rest.len);
            size_t n = comma ? (size_t)(comma - rest.ptr) : rest.len;
            if (span_eq_nocase(span_trim(span_of(rest.ptr, n)), span_str(word)))
                return true;
            rest = span_from(rest, comma ? n + 1 : n);
        }
    }
    return false;
}

static enum ws_agreement refuse(struct ws_handshake *s, const char *why)
{
    snprintf(s->why, sizeof(s->why), "%s", why);
    return WS_REFUSED;
}

/* RFC 6455, 4.1: what a client must check. */
static enum ws_agreement judge(struct ws_handshake *s, struct span head)
{
    const struct http_view *view = &s->framer.view;
    struct http_field field;
    struct span line = span_trim(span_of(head.ptr, view->fields_off));
    if (view->status != 101) {
        snprintf(s->why, sizeof(s->why), "the server answers \"%.*s\"",
                 line.len < 100 ? (int)line.len : 100, (const char *)line.ptr);
        return WS_REFUSED;
    }
    if (!has_word(head, view, "Upgrade", "websocket") ||
        !has_word(head, view, "Connection", "upgrade"))
        return refuse(s, "the server does not upgrade to websocket");
    if (!http_field_find(head, view, span_str("Sec-WebSocket-Accept"), &field) ||
        !span_eq(field.value, span_str(s->accept)))
        return refuse(s, "Sec-WebSocket-Accept is not the answer to our key");
    if (http_field_find(head, view, span_str("Sec-WebSocket-Extensions"), &field) ||
        http_field_find(head, view, span_str("Sec-WebSocket-Protocol"), &field))
        return refuse(s, "the server wants an extension or subprotocol that nobody asked for");
    return WS_AGREED;
}

enum ws_agreement ws_handshake_answer(struct ws_handshake *s, struct span answer, size_t *head_len)
{
    size_t used = 0;
    assert(s->seen <= answer.len);
    struct span fresh = span_from(answer, s->seen);
    enum http_verdict v = http_framer_feed(&s->framer, fresh.ptr, fresh.len, &used);
    s->seen += used;
    if (v == HTTP_MORE)
        return WS_UNDECIDED;
    if (v != HTTP_HEAD || http_framer_head(&s->framer, answer.ptr, s->framer.head_len) == HTTP_BAD)
        return refuse(s, "the answer to the handshake is not HTTP/1.x");
    struct span head = span_of(answer.ptr, s->framer.head_len);
    *head_len = head.len;
    return judge(s, head);
}
