/* SPDX-License-Identifier: MIT */
/* Guards against sending the copies of requests to the server that they were captured from. */
#pragma once

#include "lib/err.h"
#include "lib/options.h"

/* An --output-http, --compare-with, --output-ws or --output-binary whose target is captured by an
 * --input-raw of this host is an error, unless --allow-self. May ask DNS. Main thread. */
MUST_CHECK int wire_check_self(const struct options *options, struct err *err);
