/* SPDX-License-Identifier: MIT */
/* The relay over loopback: output-tcp in the test's threads, input-tcp in another. */
#include "tests/unit/unit.h"

#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "capture/inputs.h"
#include "lib/clock.h"
#include "lib/hash.h"
#include "lib/mem.h"
#include "lib/record.h"
#include "lib/relay_pack.h"
#include "outputs/outputs.h"
#include "tests/unit/messages.h"
#include "tests/unit/options_fake.h"

#define MAX_SENDERS 4
#define PATIENCE_NS (40 * NS_PER_S)

/* Message number n of a sender; the same bytes each time it is asked for. One in 50 is large; all
 * bodies are binary, and some hold a separator. */
static struct msg *make(unsigned sender, unsigned n)
{
    uint64_t r = hash_mix(sender + 1, n);
    size_t body = n % 50 == 7 ? r % 100000 : r % 300;
    struct msg *msg = msg_new(body + 128);
    ck_assert_ptr_nonnull(msg);
    char id[32];
    snprintf(id, sizeof(id), "%08x%016x", sender, n);
    ck_assert(msg_set_id(msg, span_str(id)));
    msg->type = n % 3 == 2 ? MSG_RESPONSE : MSG_REQUEST;
    msg->ts_ns = 1700000000000000000 + n;
    msg->latency_ns = n;
    msg->src = (struct endpoint){.addr = {10, 0, 0, (uint8_t)sender}, .port = 40000, .family = 4};
    msg->dst = (struct endpoint){.addr = {0x20, 1, 0x0d, 0xb8}, .port = 80, .family = 6};
    char *head = (char *)msg->bytes;
    if (msg->type == MSG_REQUEST)
        msg->len = (size_t)snprintf(head, 128, "POST /%u HTTP/1.1\r\nContent-Length: %zu\r\n\r\n",
                                    n, body);
    else
        msg->len =
            (size_t)snprintf(head, 128, "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\n\r\n", body);
    for (size_t i = 0; i < body; i++)
        msg->bytes[msg->len++] = (uint8_t)(r = r * 6364136223846793005u + 1) >> 1;
    if (body > 100)
        memcpy(msg->bytes + msg->len - 60, record_separator, RECORD_SEPARATOR_LEN);
    msg_parse_head(msg);
    msg_set_conn(msg);
    return msg;
}

#define PLAIN_INPUT                                                                                \
    {"input-tcp-secure", 0, NULL}, {"tcp-key", 0, key}, {"input-tcp-certificate", 0, NULL},        \
        {"input-tcp-certificate-key", 0, NULL},                                                    \
    {                                                                                              \
        "input-tcp-client-ca", 0, NULL                                                             \
    }
#define PLAIN_OUTPUT                                                                               \
    {"output-tcp-secure", 0, NULL}, {"tcp-key", 0, key}, {"output-tcp-ca-cert", 0, NULL},          \
        {"output-tcp-client-cert", 0, NULL},                                                       \
    {                                                                                              \
        "output-tcp-client-key", 0, NULL                                                           \
    }

/* Of all relays of a test; NULL: they are plain. */
static const char *key;

static int open_input(struct input **in, const char *address, struct books *books, int stop_fd,
                      struct err *err)
{
    const struct option_value values[] = {
        {"output-queue-len", 1000, NULL},
        {"output-queue-size", MIB, NULL},
        {"drain-timeout", 5 * NS_PER_S, NULL},
        PLAIN_INPUT,
    };
    const struct options options = {values, ARRAY_LEN(values)};
    struct input_args args = {.addresses = &address,
                              .n_addresses = 1,
                              .options = &options,
                              .books = books,
                              .stop_fd = stop_fd};
    return input_tcp.open(in, &args, err);
}

/* A listener in a thread, and what it got. */
struct receiver {
    struct sink sink;
    struct input *in;
    struct books *books;
    char address[32];
    int stop_fd;
    pthread_t thread;
    atomic_uint got;
    unsigned next[MAX_SENDERS]; /* the message that must come next */
    unsigned wrong;
    const struct msg *last; /* of raw senders */
    bool raw;
    int64_t delay_ns;
};

static void check_one(struct receiver *r, const struct msg *msg)
{
    unsigned sender, n;
    ck_assert_uint_eq(msg->id_len, 24);
    ck_assert_int_eq(sscanf(msg->id, "%8x%16x", &sender, &n), 2);
    ck_assert_uint_lt(sender, MAX_SENDERS);
    struct msg *want = make(sender, n);
    if (n != r->next[sender] || msg->type != want->type || msg->ts_ns != want->ts_ns ||
        msg->latency_ns != want->latency_ns || !endpoint_eq(&msg->src, &want->src) ||
        !endpoint_eq(&msg->dst, &want->dst) || msg->conn != want->conn ||
        !span_eq(msg_payload(msg), msg_payload(want)))
        r->wrong++;
    r->next[sender] = n + 1;
    msg_unref(want);
}

static void receive(struct sink *sink, const struct msg *msg)
{
    struct receiver *r = container_of(sink, struct receiver, sink);
    if (r->delay_ns)
        nanosleep(&(struct timespec){.tv_nsec = r->delay_ns}, NULL);
    if (r->raw) {
        msg_unref(r->last);
        r->last = msg_ref(msg);
    } else {
        check_one(r, msg);
    }
    msg_unref(msg);
    atomic_fetch_add(&r->got, 1);
}

static void *receiver_run(void *arg)
{
    struct receiver *r = arg;
    struct pollfd stop = {.fd = r->stop_fd, .events = POLLIN};
    struct err err;
    while (poll(&stop, 1, 0) == 0)
        if (input_tcp.poll(r->in, &r->sink, 200, &err) != INPUT_MORE)
            abort();
    input_tcp.finish(r->in, &r->sink);
    mem_thread_flush();
    return NULL;
}

static struct books *new_books(void)
{
    struct books *books = aligned_alloc(64, sizeof(*books));
    ck_assert_ptr_nonnull(books);
    memset(books, 0, sizeof(*books));
    return books;
}

static void pick_address(char *address, size_t size)
{
    struct sockaddr_in sin = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t len = sizeof(sin);
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    ck_assert_int_eq(bind(fd, (struct sockaddr *)&sin, len), 0);
    ck_assert_int_eq(getsockname(fd, (struct sockaddr *)&sin, &len), 0);
    close(fd);
    snprintf(address, size, "127.0.0.1:%u", ntohs(sin.sin_port));
}

static void receiver_start(struct receiver *r)
{
    struct err err;
    r->stop_fd = eventfd(0, 0);
    ck_assert_msg(open_input(&r->in, r->address, r->books, r->stop_fd, &err) == 0, "%s", err.text);
    ck_assert_int_eq(pthread_create(&r->thread, NULL, receiver_run, r), 0);
}

static struct receiver *receiver_new(void)
{
    struct receiver *r = calloc(1, sizeof(*r));
    ck_assert_ptr_nonnull(r);
    r->sink.put = receive;
    r->books = new_books();
    pick_address(r->address, sizeof(r->address));
    return r;
}

static void receiver_stop(struct receiver *r)
{
    ck_assert_int_eq(eventfd_write(r->stop_fd, 1), 0);
    pthread_join(r->thread, NULL);
    input_tcp.close(r->in);
    close(r->stop_fd);
}

static void receiver_free(struct receiver *r)
{
    msg_unref(r->last);
    free(r->books);
    free(r);
}

static void wait_for(struct receiver *r, unsigned n)
{
    int64_t until = clock_mono_ns() + PATIENCE_NS;
    while (atomic_load(&r->got) < n && clock_mono_ns() < until)
        nanosleep(&(struct timespec){.tv_nsec = 2000000}, NULL);
    ck_assert_uint_eq(atomic_load(&r->got), n);
}

struct sender {
    struct output *out;
    struct books *books;
    unsigned number, first, count;
};

static const char *compress = "none";

static void sender_open(struct sender *s, const char *address, int64_t workers)
{
    struct err err;
    const struct option_value values[] = {{"output-tcp-workers", workers, NULL},
                                          {"output-tcp-spool", 0, ""},
                                          {"output-tcp-compress", 0, compress},
                                          PLAIN_OUTPUT};
    const struct options options = {values, ARRAY_LEN(values)};
    s->books = new_books();
    struct output_args args = {.address = address, .options = &options, .books = s->books};
    ck_assert_msg(output_tcp.open(&s->out, &args, &err) == 0, "%s", err.text);
}

static void sender_write(struct sender *s, const struct msg *msg)
{
    enum output_result r;
    while ((r = output_tcp.write(s->out, msg)) == OUTPUT_BUSY)
        output_tcp.poll(s->out, -1, 50);
    ck_assert_int_eq(r, OUTPUT_TAKEN);
}

/* Sends messages first … first + count - 1, as the pipeline does. */
static void *sender_run(void *arg)
{
    struct sender *s = arg;
    for (unsigned i = 0; i < s->count; i++) {
        struct msg *msg = make(s->number, s->first + i);
        sender_write(s, msg);
        msg_unref(msg);
        if (i % 32 == 0)
            output_tcp.poll(s->out, -1, 0);
    }
    while (book_get(s->books, BOOK_DELIVERED) < s->first + s->count)
        output_tcp.poll(s->out, -1, 50);
    mem_thread_flush();
    return NULL;
}

static void sender_flush(struct sender *s)
{
    int64_t until = clock_mono_ns() + PATIENCE_NS;
    while (output_tcp.flush(s->out) == OUTPUT_BUSY && clock_mono_ns() < until)
        output_tcp.poll(s->out, -1, 50);
    ck_assert_int_eq(output_tcp.flush(s->out), OUTPUT_DONE);
}

static void sender_close(struct sender *s, unsigned delivered, unsigned abandoned)
{
    output_tcp.close(s->out);
    ck_assert_uint_eq(book_get(s->books, BOOK_DELIVERED), delivered);
    ck_assert_uint_eq(book_get(s->books, BOOK_ABANDONED), abandoned);
    ck_assert_uint_eq(book_get(s->books, BOOK_FAILED), 0);
    free(s->books);
}

START_TEST(two_senders_arrive_byte_for_byte_and_in_order)
{
    int64_t before = mem_used(MEM_IO) + mem_used(MEM_MSG);
    struct receiver *r = receiver_new();
    receiver_start(r);
    struct sender s[2] = {{.number = 0, .count = 10000}, {.number = 1, .count = 10000}};
    pthread_t threads[2];
    for (int i = 0; i < 2; i++) {
        sender_open(&s[i], r->address, 1);
        pthread_create(&threads[i], NULL, sender_run, &s[i]);
    }
    for (int i = 0; i < 2; i++) {
        pthread_join(threads[i], NULL);
        sender_flush(&s[i]);
        sender_close(&s[i], 10000, 0);
    }
    wait_for(r, 20000);
    receiver_stop(r);
    ck_assert_uint_eq(r->wrong, 0);
    ck_assert_uint_eq(book_get(r->books, BOOK_RECORDS), 20000);
    ck_assert_uint_eq(book_get(r->books, BOOK_RECORDS_DAMAGED), 0);
    ck_assert_uint_eq(book_get(r->books, BOOK_RECORDS_NOT_HTTP), 0);
    receiver_free(r);
    ck_assert_int_eq(mem_used(MEM_IO) + mem_used(MEM_MSG), before);
}
END_TEST

/* _i: 1: packed, 2: with a key, 3: both. Each test has a process of its own. */
START_TEST(a_key_and_packing_change_nothing)
{
    struct receiver *r = receiver_new();
    signal(SIGPIPE, SIG_IGN);
    key = _i & 2 ? "0123456789abcdef" : NULL;
    compress = _i & 1 && relay_pack_is_built() ? "zstd" : "none";
    receiver_start(r);
    struct sender s = {.number = 0, .count = 10000};
    pthread_t thread;
    sender_open(&s, r->address, 1);
    pthread_create(&thread, NULL, sender_run, &s);
    for (unsigned restart = 1; restart <= 2; restart++) {
        int64_t until = clock_mono_ns() + PATIENCE_NS;
        while (atomic_load(&r->got) < restart * 2000 && clock_mono_ns() < until)
            nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
        receiver_stop(r);
        receiver_start(r);
    }
    pthread_join(thread, NULL);
    sender_flush(&s);
    sender_close(&s, 10000, 0);
    receiver_stop(r);
    ck_assert_uint_eq(atomic_load(&r->got), 10000);
    ck_assert_uint_eq(r->wrong, 0);
    receiver_free(r);
    key = NULL;
    compress = "none";
}
END_TEST

START_TEST(a_flushed_sender_knows_that_all_was_read)
{
    struct receiver *r = receiver_new();
    r->delay_ns = 100000;
    receiver_start(r);
    struct sender s = {.number = 0, .count = 2000};
    sender_open(&s, r->address, 1);
    sender_run(&s);
    sender_flush(&s);
    ck_assert_uint_eq(atomic_load(&r->got), 2000);
    receiver_stop(r);
    ck_assert_uint_eq(r->wrong, 0);
    sender_close(&s, 2000, 0);
    receiver_free(r);
}
END_TEST

START_TEST(several_connections_keep_each_recorded_connection_in_order)
{
    struct receiver *r = receiver_new();
    receiver_start(r);
    struct sender s = {.number = 0};
    sender_open(&s, r->address, 4);
    for (unsigned n = 0; n < 3000; n++)
        for (unsigned number = 0; number < MAX_SENDERS; number++) {
            struct msg *msg = make(number, n);
            sender_write(&s, msg);
            msg_unref(msg);
        }
    sender_flush(&s);
    wait_for(r, 12000);
    receiver_stop(r);
    ck_assert_uint_eq(r->wrong, 0);
    sender_close(&s, 12000, 0);
    receiver_free(r);
}
END_TEST

START_TEST(a_relay_that_starts_late_or_again_gets_everything)
{
    struct receiver *r = receiver_new();
    struct sender s = {.number = 0, .first = 0, .count = 1000};
    pthread_t thread;
    sender_open(&s, r->address, 1);
    for (unsigned restart = 0; restart < 3; restart++) {
        pthread_create(&thread, NULL, sender_run, &s); /* nobody listens yet */
        nanosleep(&(struct timespec){.tv_nsec = 150000000}, NULL);
        receiver_start(r);
        pthread_join(thread, NULL);
        wait_for(r, (restart + 1) * 1000);
        receiver_stop(r);
        s.first += 1000;
    }
    ck_assert_uint_eq(r->wrong, 0);
    ck_assert_uint_eq(book_get(s.books, BOOK_RECONNECTS), 2);
    sender_close(&s, 3000, 0);
    receiver_free(r);
}
END_TEST

START_TEST(what_is_left_when_nobody_listens_is_abandoned)
{
    char address[32];
    struct sender s = {.number = 0};
    pick_address(address, sizeof(address));
    sender_open(&s, address, 1);
    for (unsigned n = 0; n < 100; n++) {
        struct msg *msg = make(0, n);
        ck_assert_int_eq(output_tcp.write(s.out, msg), OUTPUT_TAKEN);
        msg_unref(msg);
        output_tcp.poll(s.out, -1, 1);
    }
    ck_assert_int_eq(output_tcp.flush(s.out), OUTPUT_BUSY);
    sender_close(&s, 0, 100);
}
END_TEST

START_TEST(the_buffer_of_a_sender_is_bounded)
{
    char address[32];
    struct sender s = {.number = 0};
    unsigned taken = 0;
    pick_address(address, sizeof(address));
    sender_open(&s, address, 1);
    int64_t before = mem_used(MEM_IO);
    enum output_result result = OUTPUT_TAKEN;
    while (result == OUTPUT_TAKEN && taken < 100000) {
        struct msg *msg = make(0, 57); /* a large one */
        result = output_tcp.write(s.out, msg);
        msg_unref(msg);
        taken += result == OUTPUT_TAKEN;
    }
    ck_assert_int_eq(result, OUTPUT_BUSY);
    ck_assert_int_le(mem_used(MEM_IO) - before, (int64_t)(48 * MIB));
    sender_close(&s, 0, taken);
}
END_TEST

START_TEST(replayed_answers_do_not_travel)
{
    char address[32];
    struct sender s = {.number = 0};
    pick_address(address, sizeof(address));
    sender_open(&s, address, 1);
    struct msg *msg = message(MSG_REPLAYED, "1", "HTTP/1.1 200 OK\r\n\r\n");
    ck_assert_int_eq(output_tcp.write(s.out, msg), OUTPUT_SKIPPED);
    msg_unref(msg);
    sender_close(&s, 0, 0);
}
END_TEST

static int raw_connect(const char *address)
{
    struct sockaddr_in sin = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    sin.sin_port = htons((uint16_t)strtoul(strchr(address, ':') + 1, NULL, 10));
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    ck_assert_int_eq(connect(fd, (struct sockaddr *)&sin, sizeof(sin)), 0);
    return fd;
}

static void raw_send(int fd, const char *text)
{
    ck_assert_int_eq(send(fd, text, strlen(text), MSG_NOSIGNAL), (ssize_t)strlen(text));
}

#define MONKEYS "\n\xf0\x9f\x90\xb5\xf0\x9f\x99\x88\xf0\x9f\x99\x89\n"

static void expect_last(struct receiver *r, const char *payload)
{
    ck_assert_msg(span_eq(msg_payload(r->last), span_str(payload)), "%.*s", (int)r->last->len,
                  (const char *)r->last->bytes);
}

START_TEST(streams_made_by_gor_are_read)
{
    struct receiver *r = receiver_new();
    r->raw = true;
    receiver_start(r);
    int fd = raw_connect(r->address);
    raw_send(fd, "1 9c4000500a00000100000007 1700000000000000000 5\n"
                 "GET /4 HTTP/1.1\r\nHost: a\r\n\r\n" MONKEYS);
    wait_for(r, 1);
    expect_last(r, "GET /4 HTTP/1.1\r\nHost: a\r\n\r\n");
    ck_assert_int_eq(r->last->ts_ns, 1700000000000000000);
    raw_send(fd, "1 abc 17\nGET /3 HTTP/1.1\r\n\r\n" MONKEYS);
    wait_for(r, 2);
    expect_last(r, "GET /3 HTTP/1.1\r\n\r\n");
    /* one hop through gor adds one line feed */
    raw_send(fd, "1 abd 18 0\nGET /2 HTTP/1.1\r\n\r\n\n" MONKEYS);
    wait_for(r, 3);
    expect_last(r, "GET /2 HTTP/1.1\r\n\r\n");
    close(fd);
    receiver_stop(r);
    ck_assert_uint_eq(book_get(r->books, BOOK_RECORDS_DAMAGED), 0);
    receiver_free(r);
}
END_TEST

START_TEST(a_record_in_single_bytes_arrives_and_a_torn_one_is_counted)
{
    struct receiver *r = receiver_new();
    r->raw = true;
    receiver_start(r);
    int fd = raw_connect(r->address);
    const char *record = "1 abc 17 0\nGET /1 HTTP/1.1\r\n\r\n" MONKEYS;
    for (const char *p = record; *p; p++) {
        ck_assert_int_eq(send(fd, p, 1, MSG_NOSIGNAL), 1);
        nanosleep(&(struct timespec){.tv_nsec = 100000}, NULL);
    }
    wait_for(r, 1);
    raw_send(fd, "1 abd 18 0 50000 00000000\nGET /torn HTTP/1.1\r\n");
    close(fd);
    int64_t until = clock_mono_ns() + PATIENCE_NS;
    while (book_get(r->books, BOOK_RECORDS_DAMAGED) == 0 && clock_mono_ns() < until)
        nanosleep(&(struct timespec){.tv_nsec = 2000000}, NULL);
    receiver_stop(r);
    ck_assert_uint_eq(book_get(r->books, BOOK_RECORDS_DAMAGED), 1);
    ck_assert_uint_eq(atomic_load(&r->got), 1);
    receiver_free(r);
}
END_TEST

START_TEST(a_stopped_listener_takes_what_was_already_sent)
{
    struct receiver *r = receiver_new();
    struct err err;
    r->stop_fd = eventfd(0, 0);
    ck_assert_int_eq(open_input(&r->in, r->address, r->books, r->stop_fd, &err), 0);
    struct sender s = {.number = 0, .count = 500};
    sender_open(&s, r->address, 1);
    sender_run(&s); /* all in the kernel's buffers; nobody has even accepted */
    input_tcp.finish(r->in, &r->sink);
    ck_assert_uint_eq(atomic_load(&r->got), 500);
    ck_assert_uint_eq(r->wrong, 0);
    input_tcp.close(r->in);
    close(r->stop_fd);
    sender_close(&s, 500, 0);
    receiver_free(r);
}
END_TEST

START_TEST(a_relay_that_is_restarted_under_load_loses_nothing)
{
    struct receiver *r = receiver_new();
    struct sender s = {.number = 0, .count = 10000};
    pthread_t thread;
    r->delay_ns = 20000;
    sender_open(&s, r->address, 1);
    receiver_start(r);
    pthread_create(&thread, NULL, sender_run, &s);
    for (unsigned restart = 1; restart <= 5; restart++) {
        int64_t until = clock_mono_ns() + PATIENCE_NS;
        while (atomic_load(&r->got) < restart * 1000 && clock_mono_ns() < until)
            nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
        receiver_stop(r);
        receiver_start(r);
    }
    pthread_join(thread, NULL);
    sender_flush(&s);
    sender_close(&s, 10000, 0);
    receiver_stop(r);
    ck_assert_uint_eq(atomic_load(&r->got), 10000);
    ck_assert_uint_eq(r->wrong, 0);
    ck_assert_uint_eq(book_get(r->books, BOOK_RECORDS_DAMAGED), 0);
    receiver_free(r);
}
END_TEST

START_TEST(a_sender_of_rubbish_does_not_hurt_the_one_beside_it)
{
    struct receiver *r = receiver_new();
    receiver_start(r);
    int fd = raw_connect(r->address);
    struct sender s = {.number = 0, .count = 1000};
    pthread_t thread;
    sender_open(&s, r->address, 1);
    pthread_create(&thread, NULL, sender_run, &s);
    char rubbish[10000];
    for (unsigned i = 0; i < 200; i++) {
        for (size_t j = 0; j < sizeof(rubbish); j++)
            rubbish[j] = (char)hash_mix(i, j);
        if (send(fd, rubbish, sizeof(rubbish), MSG_NOSIGNAL) == -1)
            break; /* it was closed */
    }
    pthread_join(thread, NULL);
    close(fd);
    sender_flush(&s);
    sender_close(&s, 1000, 0);
    receiver_stop(r);
    ck_assert_uint_eq(atomic_load(&r->got), 1000);
    ck_assert_uint_eq(r->wrong, 0);
    ck_assert_uint_ge(book_get(r->books, BOOK_RECORDS_DAMAGED), 1);
    receiver_free(r);
}
END_TEST

static void refuse(const char *address, int64_t workers, const char *complaint)
{
    struct err err;
    struct output *out = NULL;
    const struct option_value values[] = {{"output-tcp-workers", workers, NULL},
                                          {"output-tcp-spool", 0, ""},
                                          {"output-tcp-compress", 0, "none"},
                                          PLAIN_OUTPUT};
    const struct options options = {values, ARRAY_LEN(values)};
    struct books *books = new_books();
    struct output_args args = {.address = address, .options = &options, .books = books};
    ck_assert_int_lt(output_tcp.open(&out, &args, &err), 0);
    ck_assert_int_eq(err.status, STATUS_USAGE);
    ck_assert_msg(strstr(err.text, complaint) != NULL, "%s", err.text);
    ck_assert_ptr_null(out);
    free(books);
}

START_TEST(addresses_that_cannot_work_are_refused_at_the_start)
{
    refuse("nowhere", 1, "no port");
    refuse("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa:1", 1,
           "cannot look up");
    refuse("127.0.0.1:1", 0, "from 1 to");
    refuse("127.0.0.1:1", 1000, "from 1 to");
}
END_TEST

START_TEST(a_port_in_use_stops_the_start)
{
    struct receiver *r = receiver_new();
    receiver_start(r);
    struct err err;
    struct input *in = NULL;
    ck_assert_int_eq(open_input(&in, r->address, r->books, r->stop_fd, &err), -EADDRINUSE);
    ck_assert_ptr_nonnull(strstr(err.text, r->address));
    ck_assert_ptr_null(in);
    receiver_stop(r);
    receiver_free(r);
}
END_TEST

Suite *suite(void)
{
    const TTest *const tests[] = {
        two_senders_arrive_byte_for_byte_and_in_order,
        a_flushed_sender_knows_that_all_was_read,
        several_connections_keep_each_recorded_connection_in_order,
        a_relay_that_starts_late_or_again_gets_everything,
        what_is_left_when_nobody_listens_is_abandoned,
        the_buffer_of_a_sender_is_bounded,
        replayed_answers_do_not_travel,
        streams_made_by_gor_are_read,
        a_record_in_single_bytes_arrives_and_a_torn_one_is_counted,
        a_stopped_listener_takes_what_was_already_sent,
        a_relay_that_is_restarted_under_load_loses_nothing,
        a_sender_of_rubbish_does_not_hurt_the_one_beside_it,
        addresses_that_cannot_work_are_refused_at_the_start,
        a_port_in_use_stops_the_start,
    };
    Suite *s = suite_of("relay", tests, ARRAY_LEN(tests));
    TCase *tc = tcase_create("tls");
    tcase_set_timeout(tc, 60);
    tcase_add_loop_test(tc, a_key_and_packing_change_nothing, 1, 4);
    suite_add_tcase(s, tc);
    return s;
}
