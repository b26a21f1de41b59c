/* SPDX-License-Identifier: MIT */
/* What makes requests belong together: the client's address, its connection, or the value of a
 * field, cookie or query parameter. Sampling, rates and splits decide by it, so that one user is
 * always in or always out. Decided from requests only; a response follows its request. */
#pragma once

#include "lib/base.h"
#include "lib/msg.h"

enum key_kind {
    KEY_NONE = 0,
    KEY_IP,
    KEY_CONNECTION,
    KEY_FIELD,
    KEY_COOKIE,
    KEY_PARAM,
};

#define KEY_NAME_MAX 128
struct key {
    enum key_kind kind;
    char name[KEY_NAME_MAX]; /* of the field, cookie or parameter */
};

/* "ip", "connection", "header:NAME", "cookie:NAME" or "param:NAME", len bytes long. NULL, or what
 * was expected, in words for the user; *key is set on success only. */
MUST_CHECK const char *key_parse(struct key *key, const char *text, size_t len);

/* A number for the value that msg has for the key: the same on every host and at every start for
 * the same seed. A request without the field, cookie, parameter or address goes by its connection.
 * key->kind is not KEY_NONE. */
uint64_t key_hash(const struct key *key, const struct msg *msg, uint64_t seed);
