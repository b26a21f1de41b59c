/* SPDX-License-Identifier: MIT */
#include "outputs/http_tls.h"

#include "lib/pem.h"

#define CA_CERT "output-http-ca-cert"
#define CLIENT_CERT "output-http-client-cert"
#define CLIENT_KEY "output-http-client-key"

int http_tls_read(struct http_tls *tls, const struct options *options, struct err *err)
{
    *tls = (struct http_tls){.skip_verify = options_bool(options, "output-http-skip-verify"),
                             .ca_cert = options_string(options, CA_CERT),
                             .client_cert = options_string(options, CLIENT_CERT),
                             .client_key = options_string(options, CLIENT_KEY)};
    int r = tls->ca_cert[0] ? pem_want_cert(CA_CERT, tls->ca_cert, err) : 0;
    if (r < 0)
        return r;
    if (tls->client_cert[0]) {
        r = pem_want_cert(CLIENT_CERT, tls->client_cert, err);
        if (r == 0 && tls->client_key[0])
            return pem_want_key(CLIENT_KEY, tls->client_key, NULL, err);
        return r == 0 ? pem_want_key(CLIENT_CERT, tls->client_cert, CLIENT_KEY, err) : r;
    }
    if (tls->client_key[0])
        return err_usage(err,
                         "--" CLIENT_KEY " %s: a key is of no use without its certificate; "
                         "give it with --" CLIENT_CERT,
                         tls->client_key);
    return 0;
}
