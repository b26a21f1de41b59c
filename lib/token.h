/* SPDX-License-Identifier: MIT */
/* Tokens that stand for secrets: the same value gives the same token, and without the key nobody
 * can tell the value (HMAC-SHA256). Read-only after the start; any thread. */
#pragma once

#include "lib/base.h"
#include "lib/span.h"

#define TOKEN_KEY_LEN 32

struct token_key {
    uint8_t bytes[TOKEN_KEY_LEN];
};

/* A key made from a passphrase, the same on every host; with an empty one a key that nobody knows,
 * from the kernel's random pool. 0 or -EIO. */
MUST_CHECK int token_key_init(struct token_key *key, struct span passphrase);

enum token_alphabet {
    TOKEN_TEXT = 0, /* 0-9 and a-v */
    TOKEN_DIGITS = 1, /* 0-9, the first one not 0 */
};

/* Writes a token of len bytes for value. out may be where value lies. 0 or -EIO. */
MUST_CHECK int token_make(const struct token_key *key, struct span value,
                          enum token_alphabet alphabet, uint8_t *out, size_t len);
