/* SPDX-License-Identifier: MIT */
/* Guards against sending the copies of requests to the server that they were captured from. */
#pragma once

#include "config.h"
#include "lib/err.h"
#include "lib/options.h"

/* An --output-http, --compare-with, --output-ws or --output-binary whose target is captured by an
 * --input-raw of this host is an error, unless --allow-self. May ask DNS. Main thread.
 * Without libcurl, which reads the URLs, nothing is looked at. */
#if HAVE_HTTP
MUST_CHECK int wire_check_self(const struct options *options, struct err *err);
#else
static inline int wire_check_self(const struct options *options, struct err *err)
{
    (void)options;
    (void)err;
    return 0;
}
#endif
