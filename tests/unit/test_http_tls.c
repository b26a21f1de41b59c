/* SPDX-License-Identifier: MIT */
#include "tests/unit/unit.h"

#include <errno.h>
#include <string.h>

#include "outputs/http_tls.h"
#include "tests/unit/folder.h"
#include "tests/unit/options_fake.h"

#define CERT "-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n"
#define KEY "-----BEGIN PRIVATE KEY-----\nMAA=\n-----END PRIVATE KEY-----\n"

static const struct {
    const char *name, *text;
} files[] = {
    {"cert", CERT},
    {"trusted", "-----BEGIN TRUSTED CERTIFICATE-----\nMAA=\n-----END TRUSTED CERTIFICATE-----\n"},
    {"text first", "subject=CN = a\r\n\r\n" CERT},
    {"key", KEY},
    {"ec", "-----BEGIN EC PARAMETERS-----\nMAA=\n-----BEGIN EC PRIVATE KEY-----\nMAA=\n"},
    {"both", CERT KEY},
    {"key first", KEY CERT},
    {"pkcs8", CERT "-----BEGIN ENCRYPTED PRIVATE KEY-----\nMAA=\n"},
    {"old", "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES\n\nMAA=\n"},
    {"public", "-----BEGIN PUBLIC KEY-----\nMAA=\n"},
    {"within", "see -----BEGIN CERTIFICATE-----\n"},
    {"empty", ""},
};

static const struct {
    const char *ca, *cert, *key;
    int result;
    const char *says; /* a part of it */
} cases[] = {
    {NULL, NULL, NULL, 0, ""},
    {"cert", NULL, NULL, 0, ""},
    {"trusted", "both", NULL, 0, ""},
    {"text first", "key first", NULL, 0, ""},
    {NULL, "cert", "key", 0, ""},
    {NULL, "cert", "ec", 0, ""},
    {NULL, "pkcs8", "key", 0, ""},
    {"none", NULL, NULL, -ENOENT, "--output-http-ca-cert: cannot read the file none: No such"},
    {".", NULL, NULL, -EISDIR, "--output-http-ca-cert: cannot read the file .: Is a dir"},
    {"key", NULL, NULL, -EINVAL, "--output-http-ca-cert: there is no certificate (PEM) in key"},
    {"within", NULL, NULL, -EINVAL, "no certificate"},
    {"empty", NULL, NULL, -EINVAL, "no certificate"},
    {NULL, "none", "key", -ENOENT, "--output-http-client-cert: cannot read the file none"},
    {NULL, "key", "key", -EINVAL, "--output-http-client-cert: there is no certificate"},
    {NULL, "cert", NULL, -EINVAL, "no private key (PEM) in cert; give its file with"},
    {NULL, "cert", "none", -ENOENT, "--output-http-client-key: cannot read the file none"},
    {NULL, "both", "cert", -EINVAL, "--output-http-client-key: there is no private key"},
    {NULL, "cert", "public", -EINVAL, "no private key"},
    {NULL, "pkcs8", NULL, -EINVAL, "--output-http-client-cert: the key in pkcs8 is encrypted"},
    {NULL, "cert", "old", -EINVAL, "--output-http-client-key: the key in old is encrypted"},
    {NULL, NULL, "key", -EINVAL, "give it with --output-http-client-cert"},
};

START_TEST(files_are_looked_into_before_libcurl_needs_them)
{
    folder_enter();
    for (size_t i = 0; i < ARRAY_LEN(files); i++)
        file_put(files[i].name, files[i].text, strlen(files[i].text));
    const struct option_value values[] = {
        {"output-http-skip-verify", 1, NULL},
        {"output-http-ca-cert", 0, cases[_i].ca},
        {"output-http-client-cert", 0, cases[_i].cert},
        {"output-http-client-key", 0, cases[_i].key},
    };
    const struct options options = {values, ARRAY_LEN(values)};
    struct err err = {.text = ""};
    struct http_tls tls;
    ck_assert_int_eq(http_tls_read(&tls, &options, &err), cases[_i].result);
    ck_assert_msg(strstr(err.text, cases[_i].says) != NULL, "%s", err.text);
    ck_assert(tls.skip_verify);
    ck_assert_str_eq(tls.client_key, cases[_i].key ? cases[_i].key : "");
    folder_leave();
}
END_TEST

Suite *suite(void)
{
    Suite *s = suite_create("http_tls");
    TCase *tc = tcase_create("files");
    tcase_add_loop_test(tc, files_are_looked_into_before_libcurl_needs_them, 0, ARRAY_LEN(cases));
    suite_add_tcase(s, tc);
    return s;
}
