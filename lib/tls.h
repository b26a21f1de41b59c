/* SPDX-License-Identifier: MIT */
/* What one end of the relay was told about TLS: certificates, or a key that both ends share
 * (--tcp-key), which is TLS 1.3 too, with the key instead of certificates (RFC 8446, 2.2: a
 * pre-shared key with a fresh Diffie-Hellman exchange). Without a key TLS 1.2 will do. No sessions
 * are resumed and nothing is renegotiated. Made at the start; then read-only, for any thread.
 * lib/wire.h is the connection. */
#pragma once

#include "lib/base.h"
#include "lib/err.h"
#include "lib/options.h"

struct tls;
struct ssl_st; /* OpenSSL's SSL */

/* Reads --input-tcp-secure, --tcp-key and what belongs to them; *tlsp is NULL when the listener is
 * to be plain. 0, or a negative errno with err. */
MUST_CHECK int tls_of_listener(struct tls **tlsp, const struct options *options, struct err *err);
/* The same for --output-tcp. */
MUST_CHECK int tls_of_sender(struct tls **tlsp, const struct options *options, struct err *err);
void tls_free(struct tls *tls);

bool tls_is_server(const struct tls *tls);
/* The other side has our key, or there is no connection. */
bool tls_has_key(const struct tls *tls);
/* The handshake is over. Did it go by the key, if we have one? */
bool tls_is_agreed(const struct tls *tls, const struct ssl_st *ssl);
/* OpenSSL's object for a connection over fd; name: whose certificate a server must show ("": this
 * machine's). NULL: no memory. */
MUST_CHECK struct ssl_st *tls_connection(const struct tls *tls, int fd, const char *name);
