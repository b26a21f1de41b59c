/* SPDX-License-Identifier: MIT */
/* One connection to a relay whose peer is this test, with a clock that the test turns. */
#include "outputs/relay_conn.h"

#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "lib/mem.h"
#include "outputs/outputs.h"
#include "tests/unit/unit.h"

#define TICK_NS (100 * NS_PER_MS)

struct bench {
    struct books *books;
    struct output out;
    struct tcp_peer peer;
    struct conn *conn;
    int listener, fd; /* fd: the peer's end */
    int64_t now_ns;
};

static void set_up(struct bench *b)
{
    struct sockaddr_in sin = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t len = sizeof(sin);
    int small = 16 * 1024;
    struct err err;
    char address[32];
    *b = (struct bench){.now_ns = NS_PER_S, .fd = -1};
    b->books = aligned_alloc(64, sizeof(*b->books));
    ck_assert_ptr_nonnull(b->books);
    memset(b->books, 0, sizeof(*b->books));
    b->out = (struct output){.ops = &output_tcp, .books = b->books};
    b->listener = socket(AF_INET, SOCK_STREAM, 0);
    setsockopt(b->listener, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small)); /* inherited */
    ck_assert_int_eq(bind(b->listener, (struct sockaddr *)&sin, len), 0);
    ck_assert_int_eq(listen(b->listener, 4), 0);
    ck_assert_int_eq(getsockname(b->listener, (struct sockaddr *)&sin, &len), 0);
    snprintf(address, sizeof(address), "127.0.0.1:%u", ntohs(sin.sin_port));
    ck_assert_int_eq(tcp_peer_init(&b->peer, "output-tcp", address, &err), 0);
    struct spool_config spool = {.out = &b->out, .max_bytes = 64 * MIB, .tag = b->peer.tag};
    struct relay_conn_config config = {.out = &b->out, .peer = &b->peer, .workers = 1};
    ck_assert_int_eq(spool_open(&config.spool, &spool, &err), 0);
    ck_assert_int_eq(relay_conn_new(&b->conn, &config), 0);
}

static void tear_down(struct bench *b)
{
    b->conn->ops->free(b->conn);
    if (b->fd != -1)
        close(b->fd);
    close(b->listener);
    free(b->books);
    mem_thread_flush();
}

static void tick(struct bench *b)
{
    for (int i = 0; i < 20; i++)
        b->conn->ops->step(b->conn, b->now_ns);
    b->now_ns += TICK_NS;
}

/* The peer takes the connection, and says that it acknowledges. */
static void welcome(struct bench *b)
{
    static const char words[] = "refrain-relay/1 have=0\n";
    char hello[256];
    tick(b);
    b->fd = accept(b->listener, NULL, NULL);
    ck_assert_int_ge(b->fd, 0);
    tick(b);
    ck_assert_int_gt(recv(b->fd, hello, sizeof(hello), 0), 0);
    ck_assert_int_eq(send(b->fd, words, sizeof(words) - 1, 0), (ssize_t)sizeof(words) - 1);
    tick(b);
}

static void put(struct bench *b, size_t len)
{
    struct msg *msg = msg_new(len);
    ck_assert_ptr_nonnull(msg);
    memset(msg->bytes, 'x', len);
    msg->len = len;
    msg->type = MSG_REQUEST;
    ck_assert(msg_set_id(msg, span_str("1")));
    ck_assert_int_eq(b->conn->ops->put(b->conn, msg), OUTPUT_TAKEN);
    msg_unref(msg);
}

/* Has our side given the connection up? Then it has made another one. */
static bool has_come_anew(const struct bench *b)
{
    struct pollfd pfd = {.fd = b->listener, .events = POLLIN};
    return poll(&pfd, 1, 0) == 1;
}

/* Has our side given the connection up? What came on it is read away. */
static bool is_given_up(const struct bench *b)
{
    static char bytes[256 * 1024];
    ssize_t n;
    while ((n = recv(b->fd, bytes, sizeof(bytes), MSG_DONTWAIT)) > 0)
        ;
    return n == 0 || errno == ECONNRESET;
}

START_TEST(a_silent_peer_is_given_up_however_slowly_its_connection_fills)
{
    struct bench b;
    set_up(&b);
    welcome(&b);
    int64_t since_ns = b.now_ns;
    const struct timespec moment = {.tv_nsec = NS_PER_MS};
    /* 1.2 MB a second: with a default of 2.5 MB for what is sent, full after about 2 seconds */
    while (b.now_ns - since_ns < 8 * NS_PER_S) {
        for (int i = 0; i < 120; i++)
            put(&b, 1000);
        nanosleep(&moment, NULL); /* for the kernel, which goes by another clock */
        tick(&b);
    }
    ck_assert(has_come_anew(&b));
    tear_down(&b);
}
END_TEST

START_TEST(a_long_frame_may_take_its_time_as_long_as_the_peer_takes_it)
{
    struct bench b;
    char bytes[32 * 1024];
    set_up(&b);
    welcome(&b);
    put(&b, 16 * MIB);
    for (int i = 0; i < 300; i++) { /* half a minute */
        (void)recv(b.fd, bytes, sizeof(bytes), MSG_DONTWAIT);
        tick(&b);
    }
    ck_assert(!is_given_up(&b));
    for (int i = 0; i < 100; i++) /* and now it takes nothing any more */
        tick(&b);
    ck_assert(is_given_up(&b));
    tear_down(&b);
}
END_TEST

Suite *suite(void)
{
    const TTest *const tests[] = {
        a_silent_peer_is_given_up_however_slowly_its_connection_fills,
        a_long_frame_may_take_its_time_as_long_as_the_peer_takes_it,
    };
    return suite_of("relay_conn", tests, ARRAY_LEN(tests));
}
