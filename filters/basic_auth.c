/* SPDX-License-Identifier: MIT */
/* --http-basic-auth-filter REGEXP: "user:password" of a request with Basic credentials (RFC 7617)
 * must match all expressions. A request without such credentials passes, as gor has it; those that
 * cannot be decoded match nothing. */
#include <errno.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <string.h>

#include "filters/filters.h"
#include "filters/rule.h"
#include "lib/lookup.h"
#include "lib/mem.h"
#include "lib/regex.h"

#define OPTION "http-basic-auth-filter"
#define CREDENTIALS_MAX 4096 /* bytes of base64 */

struct basic_auth {
    struct filter base;
    size_t n;
    struct regex *regexes[];
};

static void auth_close(struct filter *filter)
{
    if (!filter)
        return;
    struct basic_auth *f = container_of(filter, struct basic_auth, base);
    for (size_t i = 0; i < f->n; i++)
        regex_free(f->regexes[i]);
    mem_free(f);
}

static int auth_open(struct filter **filterp, const struct options *options, struct err *err)
{
    size_t n = rule_count(options, OPTION);
    if (n == 0)
        return 0;
    struct basic_auth *f = mem_zalloc(MEM_OTHER, sizeof(*f) + n * sizeof(struct regex *));
    if (!f)
        return err_sys(err, ENOMEM, "--" OPTION);
    f->base.ops = &filter_basic_auth;
    for (; f->n < n; f->n++) {
        int r = regex_new(&f->regexes[f->n], OPTION, options_nth(options, OPTION, f->n), err);
        if (r < 0) {
            auth_close(&f->base);
            return r;
        }
    }
    *filterp = &f->base;
    return 0;
}

/* base64 of credentials into room; false: it is none. */
static bool decode(struct span text, uint8_t *room, struct span *credentials)
{
    if (text.len == 0 || text.len > CREDENTIALS_MAX || text.len % 4 != 0)
        return false;
    int n = EVP_DecodeBlock(room, text.ptr, (int)text.len);
    size_t padding = 0;
    while (padding < 2 && text.ptr[text.len - 1 - padding] == '=')
        padding++;
    if (n < (int)padding)
        return false;
    *credentials = span_of(room, (size_t)n - padding); /* OpenSSL counts padding as zeros */
    return true;
}

static enum verdict auth_apply(struct filter *filter, const struct msg *msg, const struct msg **out)
{
    struct basic_auth *f = container_of(filter, struct basic_auth, base);
    uint8_t room[CREDENTIALS_MAX];
    struct span value, credentials;
    bool matches = true;
    (void)out;
    if (!lookup_field(msg, span_str("authorization"), &value) || value.len < 6 ||
        !span_eq_nocase(span_of(value.ptr, 6), span_str("basic ")))
        return VERDICT_PASS;
    if (!decode(span_trim(span_from(value, 6)), room, &credentials))
        return VERDICT_DROP;
    for (size_t i = 0; i < f->n; i++)
        matches = matches && regex_match(f->regexes[i], credentials) == REGEX_MATCH;
    OPENSSL_cleanse(room, sizeof(room));
    return matches ? VERDICT_PASS : VERDICT_DROP;
}

const struct filter_ops filter_basic_auth = {
    .name = OPTION,
    .stage = FILTER_JUDGE,
    .open = auth_open,
    .apply = auth_apply,
    .close = auth_close,
};
