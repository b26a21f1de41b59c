/* SPDX-License-Identifier: MIT */
#include "tests/unit/unit.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/msg.h"
#include "lib/own.h"

/* A connected pair over loopback; *client and *server are the two ends. */
static void connected(int family, int *client, int *server)
{
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_addr = in6addr_loopback};
    struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct sockaddr_storage addr = {0};
    socklen_t len = family == AF_INET ? sizeof(v4) : sizeof(v6);
    memcpy(&addr, family == AF_INET ? (void *)&v4 : (void *)&v6, len);
    int listener = socket(family, SOCK_STREAM, 0);
    ck_assert_int_eq(bind(listener, (struct sockaddr *)&addr, len), 0);
    ck_assert_int_eq(listen(listener, 1), 0);
    ck_assert_int_eq(getsockname(listener, (struct sockaddr *)&addr, &len), 0);
    *client = socket(family, SOCK_STREAM, 0);
    ck_assert_int_eq(connect(*client, (struct sockaddr *)&addr, len), 0);
    *server = accept(listener, NULL, NULL);
    close(listener);
}

/* The key that a capture would make for the connection of client. */
static uint64_t captured_key(int family, int client)
{
    struct sockaddr_storage local, peer;
    socklen_t len = sizeof(local), peer_len = sizeof(peer);
    struct msg msg = {0};
    ck_assert_int_eq(getsockname(client, (struct sockaddr *)&local, &len), 0);
    ck_assert_int_eq(getpeername(client, (struct sockaddr *)&peer, &peer_len), 0);
    msg.src.family = msg.dst.family = family == AF_INET ? 4 : 6;
    inet_pton(family, family == AF_INET ? "127.0.0.1" : "::1", msg.src.addr);
    memcpy(msg.dst.addr, msg.src.addr, sizeof(msg.dst.addr));
    msg.src.port = ntohs(((struct sockaddr_in *)&local)->sin_port);
    msg.dst.port = ntohs(((struct sockaddr_in *)&peer)->sin_port);
    msg_set_conn(&msg);
    return msg.conn;
}

static void check_family(int family)
{
    int client, server;
    connected(family, &client, &server);
    uint64_t key = captured_key(family, client);
    ck_assert(!own_has(key));
    own_note(client);
    ck_assert(own_has(key));
    ck_assert(!own_has(key + 1));
    close(client);
    close(server);
    ck_assert(own_has(key)); /* its packets may still be on their way */
}

START_TEST(a_noted_ipv4_connection_is_known_by_the_key_that_a_capture_makes)
{
    check_family(AF_INET);
}
END_TEST

START_TEST(a_noted_ipv6_connection_is_known_by_the_key_that_a_capture_makes)
{
    check_family(AF_INET6);
}
END_TEST

START_TEST(what_is_no_connection_is_not_noted)
{
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    own_note(fd);
    own_note(-1);
    ck_assert(!own_has(0));
    close(fd);
}
END_TEST

Suite *suite(void)
{
    const TTest *const tests[] = {
        a_noted_ipv4_connection_is_known_by_the_key_that_a_capture_makes,
        a_noted_ipv6_connection_is_known_by_the_key_that_a_capture_makes,
        what_is_no_connection_is_not_noted,
    };
    return suite_of("own", tests, ARRAY_LEN(tests));
}
