/* SPDX-License-Identifier: MIT */
/* What --output-http was told about TLS. */
#pragma once

#include "lib/base.h"
#include "lib/err.h"
#include "lib/options.h"

struct http_tls {
    bool skip_verify; /* any certificate will do */
    /* Files (PEM); "": none. They live as long as the options. */
    const char *ca_cert; /* instead of the system's */
    const char *client_cert;
    const char *client_key; /* "": in client_cert */
};

/* Looks into the files as well: libcurl reads them when it connects, too late to tell of a mistake
 * at the start. 0, or a negative errno with err. */
MUST_CHECK int http_tls_read(struct http_tls *tls, const struct options *options, struct err *err);
