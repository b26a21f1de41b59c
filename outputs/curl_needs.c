/* SPDX-License-Identifier: MIT */
#include "outputs/curl_needs.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define PROXY_PORT 1080 /* libcurl's for proxies that name none, but for those of https */
#define HTTPS_PORT 443

void curl_needs(struct needs *needs, const char *option, const char *url, uint16_t usual)
{
    static const char *const names[] = {"http_proxy", "https_proxy", "HTTPS_PROXY", "all_proxy",
                                        "ALL_PROXY",  "ws_proxy",    "wss_proxy"};
    needs_connect_url(needs, option, url, usual);
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        /* NOLINTNEXTLINE(concurrency-mt-unsafe): nobody writes the environment */
        const char *proxy = getenv(names[i]);
        if (!proxy || !proxy[0])
            continue;
        bool tls = strncasecmp(proxy, "https://", 8) == 0;
        const char *authority = strstr(proxy, "://");
        needs_connect_url(needs, option, authority ? authority + 3 : proxy,
                          tls ? HTTPS_PORT : PROXY_PORT);
    }
}
