/* SPDX-License-Identifier: MIT */
/* --redact: secrets are replaced before anything is judged, written or sent, each by a token that
 * is as long, so that no length and no chunk changes. The same value gives the same token. What
 * cannot be searched for a secret that may be in it does not pass as it was. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "filters/filters.h"
#include "filters/redact_internal.h"
#include "lib/mem.h"

#define OPTION "redact"

static const struct {
    const char *prefix;
    enum redact_kind kind;
} kinds[] = {
    {"header:", REDACT_FIELD}, {"cookie:", REDACT_COOKIE}, {"param:", REDACT_PARAM},
    {"json:", REDACT_JSON},    {"form:", REDACT_FORM},
};

/* What --redact-default stands for. */
static const char *const usual[] = {
    "header:Authorization",
    "header:Proxy-Authorization",
    "header:X-Api-Key",
    "header:X-Auth-Token",
    "header:X-Access-Token",
    "header:X-Csrf-Token",
    "header:X-Xsrf-Token",
    "header:X-Amz-Security-Token",
    "cookie:*",
    "param:token",
    "param:access_token",
    "param:refresh_token",
    "param:id_token",
    "param:api_key",
    "param:apikey",
    "param:key",
    "param:password",
    "param:passwd",
    "param:secret",
    "param:client_secret",
    "param:signature",
    "param:code",
    "form:password",
    "form:passwd",
    "form:token",
    "form:access_token",
    "form:refresh_token",
    "form:secret",
    "form:client_secret",
    "form:card_number",
    "form:cvv",
    "form:ssn",
    "json:**.password",
    "json:**.passwd",
    "json:**.token",
    "json:**.access_token",
    "json:**.refresh_token",
    "json:**.id_token",
    "json:**.secret",
    "json:**.client_secret",
    "json:**.api_key",
    "json:**.apiKey",
    "json:**.accessToken",
    "json:**.refreshToken",
    "json:**.card_number",
    "json:**.cardNumber",
    "json:**.cvv",
    "json:**.ssn",
};

bool redact_wants(const struct redaction *r, enum redact_kind kind, struct span name)
{
    const struct redact *f = r->rules;
    for (size_t i = 0; i < f->n; i++) {
        const struct redact_rule *rule = &f->rules[i];
        if (rule->kind != kind)
            continue;
        if (span_eq(rule->name, span_str("*")) ||
            (kind == REDACT_FIELD ? span_eq_nocase(rule->name, name) : span_eq(rule->name, name)))
            return true;
    }
    return false;
}

/* --- changing --- */

static uint8_t *writable(struct redaction *r)
{
    if (r->copy || r->failed)
        return r->copy ? r->copy->bytes : NULL;
    r->copy = msg_like(r->msg, r->msg->len);
    if (!r->copy) {
        r->failed = true;
        return NULL;
    }
    memcpy(r->copy->bytes, r->msg->bytes, r->msg->len);
    r->copy->len = r->msg->len;
    return r->copy->bytes;
}

/* Writes len bytes over those of the body at offset plain, wherever chunks have put them. */
static void write_pieces(const struct redaction *r, uint8_t *payload, size_t plain,
                         const uint8_t *bytes, size_t len)
{
    for (size_t i = 0; i < r->n_pieces && len > 0; i++) {
        const struct redact_piece *p = &r->pieces[i];
        if (plain >= p->plain + p->len)
            continue;
        size_t skip = plain - p->plain, n = p->len - skip < len ? p->len - skip : len;
        memcpy(payload + p->raw + skip, bytes, n);
        plain += n;
        bytes += n;
        len -= n;
    }
}

void redact_value(struct redaction *r, struct span value, enum token_alphabet alphabet)
{
    uint8_t *payload = value.len > 0 ? writable(r) : NULL;
    if (!payload)
        return;
    uint8_t *token = mem_alloc(MEM_OTHER, value.len);
    if (!token || token_make(&r->rules->key, value, alphabet, token, value.len) < 0) {
        mem_free(token);
        r->failed = true;
        return;
    }
    if (r->plain && value.ptr >= r->plain && value.ptr < r->plain + r->body.len)
        write_pieces(r, payload, (size_t)(value.ptr - r->plain), token, value.len);
    else
        memcpy(payload + (value.ptr - r->msg->bytes), token, value.len);
    mem_free(token);
}

void redact_whole_body(struct redaction *r)
{
    redact_value(r, r->body, TOKEN_TEXT);
}

/* --- the filter --- */

static int add_rule(struct redact *f, const char *text, struct err *err)
{
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
        size_t len = strlen(kinds[i].prefix);
        if (strncmp(text, kinds[i].prefix, len) != 0)
            continue;
        struct redact_rule *rule = &f->rules[f->n];
        *rule = (struct redact_rule){.kind = kinds[i].kind, .name = span_str(text + len)};
        if (rule->name.len == 0)
            return err_usage(err, "--" OPTION " \"%s\": at character %zu: expected a name", text,
                             len + 1);
        if (kinds[i].kind == REDACT_FIELD && !http_is_token(rule->name))
            return err_usage(err,
                             "--" OPTION " \"%s\": at character %zu: expected the name of a header "
                             "field",
                             text, len + 1);
        f->has[rule->kind] = true;
        f->n++;
        return 0;
    }
    return err_usage(err,
                     "--" OPTION
                     " \"%s\": at character 1: expected header:, cookie:, param:, json: "
                     "or form:",
                     text);
}

static void redact_close(struct filter *filter)
{
    if (filter)
        mem_free(container_of(filter, struct redact, base));
}

static int open_rules(struct redact *f, const struct options *options, struct err *err)
{
    const char *text;
    int r = 0;
    for (size_t i = 0; r == 0 && (text = options_nth(options, OPTION, i)); i++)
        r = add_rule(f, text, err);
    for (size_t i = 0; i < ARRAY_LEN(usual) && r == 0; i++)
        if (options_bool(options, "redact-default"))
            r = add_rule(f, usual[i], err);
    if (r == 0 && token_key_init(&f->key, span_str(options_string(options, "redact-key"))) < 0)
        r = err_failure(err, "--" OPTION ": no random numbers for a key");
    return r;
}

static int redact_open(struct filter **filterp, const struct options *options, struct err *err)
{
    size_t n = options_bool(options, "redact-default") ? ARRAY_LEN(usual) : 0;
    for (size_t i = 0; options_nth(options, OPTION, i); i++)
        n++;
    if (n == 0)
        return 0;
    struct redact *f = mem_zalloc(MEM_OTHER, sizeof(*f) + n * sizeof(f->rules[0]));
    if (!f)
        return err_sys(err, ENOMEM, "--" OPTION);
    f->base.ops = &filter_redact;
    int r = open_rules(f, options, err);
    if (r < 0) {
        redact_close(&f->base);
        return r;
    }
    *filterp = &f->base;
    return 0;
}

static enum verdict redact_apply(struct filter *filter, const struct msg *msg,
                                 const struct msg **out)
{
    const struct redact *f = container_of(filter, struct redact, base);
    struct redaction r = {.rules = f, .msg = msg};
    if (msg->http.head_len == 0)
        return VERDICT_DROP; /* nobody can tell what is in it */
    redact_head(&r);
    redact_body(&r);
    mem_free(r.plain);
    mem_free(r.pieces);
    if (r.failed) {
        msg_unref(r.copy);
        return VERDICT_FAIL;
    }
    if (!r.copy)
        return VERDICT_PASS;
    *out = r.copy;
    return VERDICT_REPLACE;
}

const struct filter_ops filter_redact = {
    .name = OPTION,
    .stage = FILTER_REDACT,
    .open = redact_open,
    .apply = redact_apply,
    .close = redact_close,
};
