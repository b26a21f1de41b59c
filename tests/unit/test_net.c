/* SPDX-License-Identifier: MIT */
#include "tests/unit/unit.h"

#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "lib/net.h"

static const struct {
    const char *text, *host, *port;
} good[] = {
    {"127.0.0.1:80", "127.0.0.1", "80"},
    {"replay.example.org:28020", "replay.example.org", "28020"},
    {":28020", "", "28020"},
    {"[::1]:8080", "::1", "8080"},
    {"[fe80::1%eth0]:1", "fe80::1%eth0", "1"},
    {"h:0", "h", "0"},
    {"h:65535", "h", "65535"},
};

START_TEST(an_address_is_split_into_host_and_port)
{
    for (size_t i = 0; i < ARRAY_LEN(good); i++) {
        struct net_name name;
        struct err err;
        ck_assert_int_eq(net_parse(&name, "output-tcp", good[i].text, &err), 0);
        ck_assert_str_eq(name.host, good[i].host);
        ck_assert_str_eq(name.port, good[i].port);
    }
}
END_TEST

static const struct {
    const char *text, *complaint;
} bad[] = {
    {"", "no port"},
    {"host", "no port"},
    {"::1", "no port"},
    {"[::1]", "no port"},
    {"[::1]80", "no port"},
    {"[]:80", "no port"},
    {"[::1:80", "no port"},
    {"host:", "\"\" is no port"},
    {"host:http", "\"http\" is no port"},
    {"host:65536", "\"65536\" is no port"},
    {"host:-1", "\"-1\" is no port"},
    {"host:000080", "\"000080\" is no port"},
    {"http://host:80", "not a URL"},
};

START_TEST(an_address_without_a_good_port_is_refused_with_its_text)
{
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        struct net_name name;
        struct err err;
        ck_assert_int_eq(net_parse(&name, "output-tcp", bad[i].text, &err), -EINVAL);
        ck_assert_int_eq(err.status, STATUS_USAGE);
        ck_assert_msg(strstr(err.text, bad[i].complaint) != NULL, "%s", err.text);
        ck_assert_ptr_nonnull(strstr(err.text, "--output-tcp \""));
        ck_assert_ptr_nonnull(strstr(err.text, bad[i].text));
    }
}
END_TEST

START_TEST(a_host_name_that_is_too_long_is_refused)
{
    char text[NET_HOST_MAX + 10];
    struct net_name name;
    struct err err;
    memset(text, 'a', sizeof(text));
    memcpy(text + NET_HOST_MAX + 1, ":80", 4);
    ck_assert_int_eq(net_parse(&name, "output-tcp", text, &err), -EINVAL);
    memcpy(text + NET_HOST_MAX, ":80", 4);
    ck_assert_int_eq(net_parse(&name, "output-tcp", text, &err), 0);
}
END_TEST

static void resolve(const char *text, int want, int family)
{
    struct net_name name;
    struct net_addrs addrs;
    struct err err;
    ck_assert_int_eq(net_parse(&name, "output-tcp", text, &err), 0);
    ck_assert_int_eq(net_resolve(&addrs, &name, "output-tcp", &err), want);
    if (want < 0) {
        ck_assert_int_eq(err.status, STATUS_USAGE);
        return;
    }
    ck_assert_uint_ge(addrs.n, 1);
    ck_assert_int_eq(addrs.addr[0].ss.ss_family, family);
}

START_TEST(names_are_resolved_and_unknown_ones_refused)
{
    resolve("127.0.0.1:80", 0, AF_INET);
    resolve("[::1]:80", 0, AF_INET6);
    resolve("127.0.0.1:0", -EINVAL, 0);
    /* a label beyond 63 bytes cannot be a name, so no DNS server is asked */
    resolve("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa:80", -EINVAL,
            0);
}
END_TEST

static uint16_t port_of(int fd)
{
    struct sockaddr_storage ss;
    socklen_t len = sizeof(ss);
    ck_assert_int_eq(getsockname(fd, (struct sockaddr *)&ss, &len), 0);
    return ntohs(ss.ss_family == AF_INET ? ((struct sockaddr_in *)&ss)->sin_port
                                         : ((struct sockaddr_in6 *)&ss)->sin6_port);
}

static int listen_at(const char *text, struct err *err)
{
    struct net_name name;
    int fd;
    ck_assert_int_eq(net_parse(&name, "input-tcp", text, err), 0);
    int r = net_listen(&fd, 1, &name, "input-tcp", err);
    return r < 0 ? r : fd;
}

static int connect_to(const char *host, uint16_t port)
{
    struct net_name name;
    struct net_addrs addrs;
    struct err err;
    char text[64];
    snprintf(text, sizeof(text), "%s:%u", host, port);
    ck_assert_int_eq(net_parse(&name, "output-tcp", text, &err), 0);
    ck_assert_int_eq(net_resolve(&addrs, &name, "output-tcp", &err), 0);
    int fd = net_connect(&addrs.addr[0]);
    ck_assert_int_ge(fd, 0);
    struct pollfd p = {.fd = fd, .events = POLLOUT};
    ck_assert_int_eq(poll(&p, 1, 5000), 1);
    int outcome = net_connect_outcome(fd);
    close(fd);
    return outcome;
}

START_TEST(a_listener_without_a_host_is_for_this_machine)
{
    struct err err;
    int fd = listen_at(":0", &err);
    ck_assert_int_ge(fd, 0);
    ck_assert(net_is_local(fd));
    close(fd);
}
END_TEST

START_TEST(a_listener_for_all_takes_both_families)
{
    struct err err;
    int fd = listen_at("*:0", &err);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(connect_to("127.0.0.1", port_of(fd)), 0);
    ck_assert_int_eq(connect_to("[::1]", port_of(fd)), 0);
    ck_assert(!net_is_local(fd));
    close(fd);
}
END_TEST

START_TEST(a_listener_with_an_address_takes_only_that)
{
    struct err err;
    int fd = listen_at("127.0.0.1:0", &err);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(connect_to("127.0.0.1", port_of(fd)), 0);
    ck_assert_int_eq(connect_to("[::1]", port_of(fd)), ECONNREFUSED);
    close(fd);
}
END_TEST

START_TEST(a_port_in_use_is_named)
{
    struct err err;
    char text[64];
    int fd = listen_at("127.0.0.1:0", &err);
    ck_assert_int_ge(fd, 0);
    snprintf(text, sizeof(text), "127.0.0.1:%u", port_of(fd));
    ck_assert_int_eq(listen_at(text, &err), -EADDRINUSE);
    ck_assert_int_eq(err.status, STATUS_FAILURE);
    ck_assert_ptr_nonnull(strstr(err.text, text));
    ck_assert_ptr_nonnull(strstr(err.text, "in use"));
    close(fd);
}
END_TEST

START_TEST(back_off_doubles_to_its_maximum_and_starts_again_after_success)
{
    struct backoff b;
    backoff_init(&b, 100, 1000);
    ck_assert_int_eq(backoff_left_ns(&b, 0), 0);
    const int64_t want[] = {100, 200, 400, 800, 1000, 1000};
    for (size_t i = 0; i < ARRAY_LEN(want); i++) {
        backoff_failed(&b, 5000);
        ck_assert_int_eq(backoff_left_ns(&b, 5000), want[i]);
        ck_assert_int_eq(backoff_left_ns(&b, 5000 + want[i]), 0);
    }
    backoff_worked(&b);
    ck_assert_int_eq(backoff_left_ns(&b, 5000), 0);
    backoff_failed(&b, 5000);
    ck_assert_int_eq(backoff_left_ns(&b, 5000), 100);
}
END_TEST

Suite *suite(void)
{
    const TTest *const tests[] = {
        an_address_is_split_into_host_and_port,
        an_address_without_a_good_port_is_refused_with_its_text,
        a_host_name_that_is_too_long_is_refused,
        names_are_resolved_and_unknown_ones_refused,
        a_listener_without_a_host_is_for_this_machine,
        a_listener_for_all_takes_both_families,
        a_listener_with_an_address_takes_only_that,
        a_port_in_use_is_named,
        back_off_doubles_to_its_maximum_and_starts_again_after_success,
    };
    return suite_of("net", tests, ARRAY_LEN(tests));
}
