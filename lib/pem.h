/* SPDX-License-Identifier: MIT */
/* Files with certificates and keys: a look into them before a library needs them, so that what is
 * wrong is said in words. Main thread, at the start. */
#pragma once

#include "lib/base.h"
#include "lib/err.h"

/* There is a certificate in the file, the value of option ("output-http-ca-cert"). 0, or a negative
 * errno with err. */
MUST_CHECK int pem_want_cert(const char *option, const char *path, struct err *err);
/* There is a private key without passphrase. key_option: where else it could be given; NULL: that
 * is option itself. */
MUST_CHECK int pem_want_key(const char *option, const char *path, const char *key_option,
                            struct err *err);
