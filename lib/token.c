/* SPDX-License-Identifier: MIT */
#include "lib/token.h"

#include <errno.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <string.h>
#include <sys/random.h>

static const char symbols[] = "0123456789abcdefghijklmnopqrstuv";

int token_key_init(struct token_key *key, struct span passphrase)
{
    unsigned len = 0;
    if (passphrase.len == 0)
        return getrandom(key->bytes, sizeof(key->bytes), 0) == (ssize_t)sizeof(key->bytes) ? 0
                                                                                           : -EIO;
    if (!EVP_Digest(passphrase.ptr, passphrase.len, key->bytes, &len, EVP_sha256(), NULL))
        return -EIO;
    assert(len == sizeof(key->bytes));
    return 0;
}

static uint8_t symbol(enum token_alphabet alphabet, uint8_t random, bool first)
{
    if (alphabet == TOKEN_TEXT)
        return (uint8_t)symbols[random & 31];
    return (uint8_t)(first ? '1' + random % 9 : '0' + random % 10);
}

int token_make(const struct token_key *key, struct span value, enum token_alphabet alphabet,
               uint8_t *out, size_t len)
{
    uint8_t digest[EVP_MAX_MD_SIZE];
    unsigned n = 0;
    if (!HMAC(EVP_sha256(), key->bytes, (int)sizeof(key->bytes), value.ptr, value.len, digest, &n))
        return -EIO;
    for (size_t i = 0; i < len; i++) {
        out[i] = symbol(alphabet, digest[i % n], i == 0);
        /* a longer token goes on with the digest of the digest */
        if (i % n == n - 1 && !EVP_Digest(digest, n, digest, &n, EVP_sha256(), NULL))
            return -EIO;
    }
    return 0;
}
