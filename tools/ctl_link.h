/* SPDX-License-Identifier: MIT */
/* The other end of the control socket: asks a refrain that runs. */
#pragma once

#include <jansson.h>

#include "lib/err.h"

/* Connects. The descriptor, or -errno with err. The socket must be served by root or by the user
 * who asks: anybody else could answer what he likes. */
MUST_CHECK int ctl_connect(const char *path, struct err *err);

/* Sends the words and waits for the answer, an object; CTL_WAIT_MS at most. 0, or -errno with err:
 * also when the answer says that it was refused. */
#define CTL_WAIT_MS 10000
MUST_CHECK int ctl_ask(int fd, const char *const *words, size_t n, json_t **answer,
                       struct err *err);
