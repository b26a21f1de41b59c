/* SPDX-License-Identifier: MIT */
#include "cmd/wire_self.h"

#include <errno.h>
#include <ifaddrs.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include "capture/raw_address.h"
#include "lib/limit.h"
#include "lib/mem.h"
#include "lib/msg.h"
#include "lib/net.h"
#include "lib/span.h"
#include "outputs/http_target.h"

static struct endpoint endpoint_of(const struct sockaddr *sa)
{
    struct endpoint e = {.family = 0};
    if (sa->sa_family == AF_INET) {
        struct sockaddr_in in;
        memcpy(&in, sa, sizeof(in));
        memcpy(e.addr, &in.sin_addr, 4);
        e.port = ntohs(in.sin_port);
        e.family = 4;
    } else if (sa->sa_family == AF_INET6) {
        struct sockaddr_in6 in6;
        memcpy(&in6, sa, sizeof(in6));
        memcpy(e.addr, &in6.sin6_addr, 16);
        e.port = ntohs(in6.sin6_port);
        e.family = 6;
    }
    return e;
}

static bool same_host(const struct endpoint *a, const struct endpoint *b)
{
    return a->family != 0 && a->family == b->family &&
           memcmp(a->addr, b->addr, a->family == 4 ? 4 : 16) == 0;
}

/* Is it an address of this machine? All of 127.0.0.0/8 is. */
static bool is_local(const struct endpoint *e)
{
    struct ifaddrs *list;
    if (e->family == 4 && e->addr[0] == 127)
        return true;
    if (getifaddrs(&list) < 0)
        return false;
    bool found = false;
    for (const struct ifaddrs *i = list; i && !found; i = i->ifa_next) {
        struct endpoint own = {.family = 0};
        if (i->ifa_addr)
            own = endpoint_of(i->ifa_addr);
        found = same_host(&own, e);
    }
    freeifaddrs(list);
    return found;
}

/* Would a live capture of that address see a request to e? */
static bool captures(const struct raw_address *raw, const struct endpoint *e)
{
    struct endpoint host;
    char text[sizeof(raw->host) + 8];
    bool port = raw->n_ports == 0;
    for (size_t i = 0; i < raw->n_ports; i++)
        port |= raw->ports[i] == e->port;
    if (raw->is_file || !port)
        return false;
    /* an address captures what is sent to it, an interface or nothing what comes to this machine */
    int n = snprintf(text, sizeof(text), strchr(raw->host, ':') ? "[%s]:1" : "%s:1", raw->host);
    assert(n > 0 && (size_t)n < sizeof(text));
    if (endpoint_parse(span_str(text), &host))
        return same_host(&host, e);
    return is_local(e);
}

static int check_address(const struct options *options, const char *option, const char *value,
                         const struct http_target *target, const struct endpoint *e,
                         struct err *err)
{
    bool file = strcmp(options_string(options, "input-raw-engine"), "pcap_file") == 0;
    const char *input;
    for (size_t i = 0; (input = options_nth(options, "input-raw", i)); i++) {
        struct raw_address raw;
        struct err ignored; /* opening the input says it better */
        if (raw_address_parse(&raw, input, file, &ignored) < 0 || !captures(&raw, e))
            continue;
        return err_usage(err,
                         "--%s \"%s\": %s is the server that --input-raw \"%s\" captures: "
                         "it would get every request twice (--allow-self allows it)",
                         option, value, target->shown, input);
    }
    return 0;
}

/* What it is that option sends to; HOST:PORT reads as a URL without a scheme. */
static int parse(struct http_target *target, const char *option, const char *address,
                 struct err *err)
{
    if (strcmp(option, "output-ws") == 0)
        return http_target_parse_ws(target, address, err);
    return http_target_parse(target, option, address, err);
}

static int check_target(const struct options *options, const char *option, const char *value,
                        const char *address, struct err *err)
{
    struct http_target target;
    struct net_name name;
    struct net_addrs addrs;
    struct err ignored; /* what cannot be parsed or found, opening the output says better */
    char text[NET_HOST_MAX + 16];
    if (parse(&target, option, address, &ignored) < 0)
        return 0;
    const char *authority = target.host;
    const char *tail = strrchr(authority, ']') ? strrchr(authority, ']') : authority;
    int n = snprintf(text, sizeof(text), "%s%s", authority,
                     strchr(tail, ':') ? ""
                     : target.tls      ? ":443"
                                       : ":80");
    int r = 0;
    if (n > 0 && (size_t)n < sizeof(text) && net_parse(&name, option, text, &ignored) == 0 &&
        net_resolve(&addrs, &name, option, &ignored) == 0)
        for (size_t i = 0; i < addrs.n && r == 0; i++) {
            struct endpoint e = endpoint_of((const struct sockaddr *)&addrs.addr[i].ss);
            r = check_address(options, option, value, &target, &e, err);
        }
    http_target_fini(&target);
    return r;
}

static int check_option(const struct options *options, const char *option, struct err *err)
{
    const char *value;
    int r = 0;
    for (size_t i = 0; r == 0 && (value = options_nth(options, option, i)); i++) {
        struct limit limit;
        struct err ignored;
        size_t len;
        if (limit_parse(option, value, &len, &limit, &ignored) < 0)
            continue;
        char *address = mem_strdup(MEM_OTHER, value);
        if (!address)
            return err_sys(err, ENOMEM, "--%s", option);
        address[len] = '\0';
        r = check_target(options, option, value, address, err);
        mem_free(address);
    }
    return r;
}

int wire_check_self(const struct options *options, struct err *err)
{
    static const char *const senders[] = {"output-http", "compare-with", "output-ws",
                                          "output-binary"};
    int r = 0;
    if (options_bool(options, "allow-self") || !options_nth(options, "input-raw", 0))
        return 0;
    for (size_t i = 0; i < ARRAY_LEN(senders) && r == 0; i++)
        r = check_option(options, senders[i], err);
    return r;
}
