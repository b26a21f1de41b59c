/* SPDX-License-Identifier: MIT */
#include "lib/key.h"

#include <string.h>

#include "lib/hash.h"
#include "lib/lookup.h"

static const char expected_kind[] = "ip, connection, header:NAME, cookie:NAME or param:NAME";

/* The kinds that take a name. */
static const struct {
    const char *prefix;
    enum key_kind kind;
} named[] = {
    {"header:", KEY_FIELD},
    {"cookie:", KEY_COOKIE},
    {"param:", KEY_PARAM},
};

static bool is_word(const char *text, size_t len, const char *word)
{
    return strlen(word) == len && memcmp(text, word, len) == 0;
}

const char *key_parse(struct key *key, const char *text, size_t len)
{
    struct key found = {.kind = KEY_NONE};
    if (is_word(text, len, "ip"))
        found.kind = KEY_IP;
    else if (is_word(text, len, "connection"))
        found.kind = KEY_CONNECTION;
    for (size_t i = 0; i < ARRAY_LEN(named); i++) {
        size_t prefix = strlen(named[i].prefix);
        if (len < prefix || memcmp(text, named[i].prefix, prefix) != 0)
            continue;
        if (!http_is_token(span_of(text + prefix, len - prefix)))
            return "a name after the colon";
        if (len - prefix >= KEY_NAME_MAX)
            return "a shorter name";
        found.kind = named[i].kind;
        memcpy(found.name, text + prefix, len - prefix);
        found.name[len - prefix] = '\0';
    }
    if (found.kind == KEY_NONE)
        return expected_kind;
    *key = found;
    return NULL;
}

static bool find_value(const struct key *key, const struct msg *msg, struct span *value)
{
    struct span name = span_str(key->name);
    switch (key->kind) {
    case KEY_IP:
        *value = span_of(msg->src.addr, msg->src.family == 4 ? 4 : 16);
        return msg->src.family != 0;
    case KEY_FIELD:
        return lookup_field(msg, name, value);
    case KEY_COOKIE:
        return lookup_cookie(msg, name, value);
    case KEY_PARAM:
        return msg->http.head_len > 0 && lookup_param(msg_target(msg), name, value);
    case KEY_CONNECTION:
    case KEY_NONE:
        break;
    }
    return false;
}

uint64_t key_hash(const struct key *key, const struct msg *msg, uint64_t seed)
{
    struct span value;
    assert(key->kind != KEY_NONE);
    if (find_value(key, msg, &value))
        return hash64(value.ptr, value.len, seed);
    return hash64(&msg->conn, sizeof(msg->conn), seed);
}
