/* SPDX-License-Identifier: MIT */
#include "lib/pem.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

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

int pem_want_cert(const char *option, const char *path, struct err *err)
{
    struct pem pem;
    int r = look(&pem, option, path, err);
    if (r == 0 && !pem.cert)
        return err_usage(err, "--%s: there is no certificate (PEM) in %s", option, path);
    return r;
}

int pem_want_key(const char *option, const char *path, const char *key_option, struct err *err)
{
    struct pem pem;
    int r = look(&pem, option, path, err);
    if (r < 0)
        return r;
    if (!pem.key)
        return err_usage(err, "--%s: there is no private key (PEM) in %s%s%s", option, path,
                         key_option ? "; give its file with --" : "", key_option ? key_option : "");
    if (pem.encrypted) /* nobody is there to type it */
        return err_usage(err,
                         "--%s: the key in %s is encrypted; write it without passphrase: "
                         "openssl pkey -in %s -out FILE",
                         option, path, path);
    return 0;
}
