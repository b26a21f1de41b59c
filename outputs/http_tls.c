/* SPDX-License-Identifier: MIT */
#include "outputs/http_tls.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define CA_CERT "output-http-ca-cert"
#define CLIENT_CERT "output-http-client-cert"
#define CLIENT_KEY "output-http-client-key"

/* What a PEM file holds. */
struct pem {
    bool cert, key, encrypted;
};

/* RFC 7468: "-----BEGIN CERTIFICATE-----"; OpenSSL also writes X509, TRUSTED, RSA and EC in front
 * of the label, and RFC 1421's "Proc-Type: 4,ENCRYPTED" for an encrypted key. */
static void see_line(struct pem *pem, const char *line)
{
    if (strncmp(line, "Proc-Type:", 10) == 0)
        pem->encrypted |= strstr(line, "ENCRYPTED") != NULL;
    if (strncmp(line, "-----BEGIN ", 11) != 0)
        return;
    pem->cert |= strstr(line, "CERTIFICATE-----") != NULL;
    pem->key |= strstr(line, "PRIVATE KEY-----") != NULL;
    pem->encrypted |= strstr(line, " ENCRYPTED PRIVATE") != NULL;
}

static int look(struct pem *pem, const char *option, const char *path, struct err *err)
{
    *pem = (struct pem){.cert = false};
    FILE *file = fopen(path, "re");
    if (!file)
        return err_sys(err, errno, "--%s: cannot read the file %s", option, path);
    char line[256];
    while (fgets(line, sizeof(line), file))
        see_line(pem, line);
    int errnum = ferror(file) ? errno : 0;
    fclose(file);
    if (errnum != 0)
        return err_sys(err, errnum, "--%s: cannot read the file %s", option, path);
    return 0;
}

static int look_for_cert(struct pem *pem, const char *option, const char *path, struct err *err)
{
    int r = look(pem, option, path, err);
    if (r == 0 && !pem->cert)
        return err_usage(err, "--%s: there is no certificate (PEM) in %s", option, path);
    return r;
}

int http_tls_check_cert(const char *option, const char *path, struct err *err)
{
    struct pem pem;
    return look_for_cert(&pem, option, path, err);
}

static int look_for_key(const struct http_tls *tls, struct pem *pem, struct err *err)
{
    const char *option = CLIENT_CERT, *path = tls->client_cert;
    if (tls->client_key[0]) {
        option = CLIENT_KEY;
        path = tls->client_key;
        int r = look(pem, option, path, err);
        if (r < 0)
            return r;
    }
    if (!pem->key)
        return err_usage(err, "--%s: there is no private key (PEM) in %s%s", option, path,
                         tls->client_key[0] ? "" : "; give its file with --" CLIENT_KEY);
    if (pem->encrypted) /* nobody is there to type it */
        return err_usage(err,
                         "--%s: the key in %s is encrypted; write it without passphrase: "
                         "openssl pkey -in %s -out FILE",
                         option, path, path);
    return 0;
}

int http_tls_read(struct http_tls *tls, const struct options *options, struct err *err)
{
    *tls = (struct http_tls){.skip_verify = options_bool(options, "output-http-skip-verify"),
                             .ca_cert = options_string(options, CA_CERT),
                             .client_cert = options_string(options, CLIENT_CERT),
                             .client_key = options_string(options, CLIENT_KEY)};
    struct pem pem;
    int r = tls->ca_cert[0] ? look_for_cert(&pem, CA_CERT, tls->ca_cert, err) : 0;
    if (r < 0)
        return r;
    if (tls->client_cert[0]) {
        r = look_for_cert(&pem, CLIENT_CERT, tls->client_cert, err);
        return r < 0 ? r : look_for_key(tls, &pem, err);
    }
    if (tls->client_key[0])
        return err_usage(err,
                         "--" CLIENT_KEY " %s: a key is of no use without its certificate; "
                         "give it with --" CLIENT_CERT,
                         tls->client_key);
    return 0;
}
