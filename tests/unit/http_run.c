/* SPDX-License-Identifier: MIT */
#include "tests/unit/http_run.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/clock.h"
#include "lib/mem.h"
#include "outputs/outputs.h"
#include "tests/unit/messages.h"

struct option_value values[] = {
    {"output-http-max-connections", 0, NULL},
    {"output-http-workers", 0, NULL},
    {"output-http-queue-len", 1000, NULL},
    {"output-http-timeout", 5 * NS_PER_S, NULL},
    {"http-original-host", 0, NULL},
    {"output-http-skip-verify", 0, NULL},
    {"output-http-ca-cert", 0, NULL},
    {"output-http-client-cert", 0, NULL},
    {"output-http-client-key", 0, NULL},
    {"http-set-header", 0, "X-Any: thing"},
    {"output-http-redirects", 0, NULL},
    {"output-http-retries", 0, NULL},
    {"output-http-connect-timeout", 0, NULL},
    {"output-http-max-requests-per-connection", 0, NULL},
    {"output-http-concurrency", 0, NULL},
    {"output-http-pad-cut", 0, NULL},
    {"recognize-tcp-sessions", 0, NULL},
    {"output-http-version", 0, "1.1"},
    {"output-http-worker-timeout", 10 * NS_PER_S, NULL},
};
const struct options options = {values, ARRAY_LEN(values)};

int64_t mem_all(void)
{
    int64_t sum = 0;
    for (int tag = 0; tag < MEM_TAGS; tag++)
        sum += mem_used(tag);
    return sum;
}

void open_output(struct run *r, const char *address)
{
    struct err err;
    r->mem_before = mem_all();
    ck_assert_int_eq(ledger_new(&r->ledger), 0);
    r->account = ledger_account(r->ledger, ACCOUNT_OUTPUT, address);
    ck_assert_int_eq(account_track_exchanges(r->account), 0);
    struct output_args args = {.address = address,
                               .options = &options,
                               .account = r->account,
                               .books = account_page(r->account),
                               .latency = account_latency(r->account),
                               .exchanges = account_exchanges(r->account)};
    ck_assert_msg(output_http.open(&r->out, &args, &err) == 0, "%s", err.text);
}

/* rest: what follows the port in the URL. */
struct run start(const char *rest)
{
    struct run r = {.server = http_server_start(0)};
    char address[128];
    snprintf(address, sizeof(address), "http://127.0.0.1:%u%s", http_server_port(r.server), rest);
    open_output(&r, address);
    return r;
}

uint64_t count(const struct run *r, enum book book)
{
    return account_sum(r->account, book);
}

static uint64_t settled(const struct run *r)
{
    return count(r, BOOK_DELIVERED) + count(r, BOOK_FAILED) + count(r, BOOK_ABANDONED);
}

/* Takes msg. */
enum output_result offer(struct run *r, struct msg *msg)
{
    int64_t until = clock_mono_ns() + PATIENCE_NS;
    enum output_result result;
    while ((result = output_http.write(r->out, msg)) == OUTPUT_BUSY && clock_mono_ns() < until)
        output_http.poll(r->out, -1, 50);
    r->taken += result == OUTPUT_TAKEN;
    msg_unref(msg);
    return result;
}

struct msg *request(uint64_t conn, const char *bytes)
{
    struct msg *msg = message(MSG_REQUEST, "1", bytes);
    msg_parse_head(msg);
    msg->conn = conn;
    return msg;
}

void send_bytes(struct run *r, uint64_t conn, const char *bytes)
{
    ck_assert_int_eq(offer(r, request(conn, bytes)), OUTPUT_TAKEN);
}

void send_get(struct run *r, uint64_t conn, const char *target)
{
    char bytes[256];
    snprintf(bytes, sizeof(bytes), "GET %s HTTP/1.1\r\nHost: recorded\r\n\r\n", target);
    send_bytes(r, conn, bytes);
}

void drain(struct run *r)
{
    int64_t until = clock_mono_ns() + PATIENCE_NS;
    while (output_http.flush(r->out) == OUTPUT_BUSY && clock_mono_ns() < until)
        output_http.poll(r->out, -1, 50);
    ck_assert_int_eq(output_http.flush(r->out), OUTPUT_DONE);
}

void finish(struct run *r)
{
    output_http.close(r->out);
    ck_assert_uint_eq(settled(r), r->taken);
    ledger_free(r->ledger);
    if (r->server) {
        http_server_stop(r->server);
        http_server_free(r->server);
    }
    ck_assert_int_eq(mem_all(), r->mem_before);
}

void expect(const struct run *r, enum book book, uint64_t n)
{
    ck_assert_msg(count(r, book) == n, "%s: %llu, expected %llu", book_name(book),
                  (unsigned long long)count(r, book), (unsigned long long)n);
}

struct span seen(const struct run *r, size_t i)
{
    size_t len;
    const char *bytes = http_server_seen(r->server, i, &len);
    return span_of(bytes, len);
}

void expect_seen(const struct run *r, size_t i, const char *bytes)
{
    ck_assert_uint_lt(i, http_server_n_seen(r->server));
    ck_assert_str_eq((const char *)seen(r, i).ptr, bytes);
}
