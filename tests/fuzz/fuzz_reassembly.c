/* SPDX-License-Identifier: MIT */
/* Whatever segments come: no crash, no leak, every message has a known fate, and a request that
 * comes out is framed as it says.
 *
 * Input: one byte of options, one of the allocation that fails; then segments, each with four
 * bytes: flow, direction and flags; distance from the next sequence number; time since the segment
 * before; and the payload, which is one of the pieces below or so many bytes that follow. */
#include <stdlib.h>
#include <string.h>

#include "lib/cursor.h"
#include "lib/mem.h"
#include "reassembly/reassembly.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define FLOWS 4

static const char *const pieces[] = {
    "",
    "GET / HTTP/1.1\r\nHost: x\r\n\r\n",
    "GET / HTT",
    "P/1.1\r\n",
    "\r\n",
    "\r\n\r\n",
    "HEAD / HTTP/1.1\r\n\r\n",
    "POST / HTTP/1.1\r\nContent-Length: 5\r\n\r\n",
    "hello",
    "POST / HTTP/1.1\r\nContent-Length: 5\r\n\r\nhelloGET /2 HTTP/1.1\r\n\r\n",
    "PUT / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n",
    "5\r\nhello\r\n",
    "0\r\n\r\n",
    "CONNECT x:1 HTTP/1.1\r\n\r\n",
    "GET / HTTP/1.1\r\nConnection: upgrade\r\nUpgrade: h2c\r\n\r\n",
    "POST / HTTP/1.1\r\nContent-Length: 9000000000000000000\r\n\r\n",
    "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n",
    "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
    "HTTP/1.1 200 OK\r\n\r\n",
    "HTTP/1.1 100 Continue\r\n\r\n",
    "HTTP/1.1 101 Switching\r\nUpgrade: h2c\r\n\r\n",
    "HTTP/1.1 204 No Content\r\n\r\n",
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
    "HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n",
    "HTT",
    "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "\x16\x03\x01",
    "X-Long: 0123456789012345678901234567890123456789012345678901234567890123456789\r\n",
    "GET /\r\n",
    "GET /a b  c HTTP/1.1\r\n\r\n",
};

static bool binary; /* nothing is looked at */

static void check(bool holds)
{
    if (!holds)
        abort();
}

static void take(struct sink *sink, const struct msg *msg)
{
    struct http_view view;
    size_t total = 0;
    (void)sink;
    enum http_kind kind = msg->type == MSG_REQUEST ? HTTP_REQUEST : HTTP_RESPONSE;
    bool is_http = msg->http.head_len > 0;
    check(msg->id_len == 24 && msg->http.head_len <= msg->len);
    if (!is_http && !binary) /* HTTP/0.9 */
        check(kind == HTTP_REQUEST && msg->len >= 6 && memcmp(msg->bytes, "GET /", 5) == 0 &&
              msg->bytes[msg->len - 1] == '\n' && !memmem(msg->bytes, msg->len, " HTTP/", 6));
    if (is_http && kind == HTTP_REQUEST && !(msg->flags & MSG_CUT))
        check(http_frame(kind, msg->bytes, msg->len, &view, &total) == HTTP_DONE &&
              total == msg->len && view.head_len == msg->http.head_len);
    msg_unref(msg);
}

static struct span payload_of(struct cursor *c)
{
    uint8_t kind = cursor_u8(c);
    if (kind < 128)
        return span_str(pieces[kind % ARRAY_LEN(pieces)]);
    size_t len = kind & 63;
    const uint8_t *raw = cursor_take(c, len);
    return raw ? span_of(raw, len) : span_of("", 0);
}

/* 0: a microsecond; else up to 17 minutes, in powers of two, and back when the highest bit is set.
 */
static int64_t time_step(uint8_t code)
{
    int64_t step = code ? NS_PER_US << (code & 63) % 31 : NS_PER_US;
    return code & 128 ? -step : step;
}

/* Where the segments stand. */
struct wire {
    int64_t now_ns;
    uint32_t next[FLOWS][2]; /* by direction */
};

static struct segment next_segment(struct wire *w, struct cursor *c)
{
    static const uint8_t flags[] = {0, TCP_FIN, TCP_RST, TCP_SYN};
    uint8_t how = cursor_u8(c);
    int8_t distance = (int8_t)cursor_u8(c);
    w->now_ns += time_step(cursor_u8(c));
    struct span payload = payload_of(c);
    uint32_t flow = how & 3;
    int dir = how >> 2 & 1;
    struct endpoint client = {.addr = {10, 0, 0, (uint8_t)flow}, .port = 5000, .family = 4};
    struct endpoint server = {.addr = {10, 0, 1, 1}, .port = 80, .family = 4};
    struct segment s = {.src = dir ? server : client, .dst = dir ? client : server};
    s.ts_ns = w->now_ns;
    s.seq = w->next[flow][dir] + (uint32_t)(int32_t)distance * (distance & 1 ? 1 : 20);
    s.ack = w->next[flow][!dir];
    s.flags = flags[how >> 3 & 3] | (how & 32 ? 0 : TCP_ACK);
    s.payload = payload.ptr;
    s.len = s.wire_len = (uint32_t)payload.len;
    if (how & 64)
        s.wire_len += how & 128 ? 5 : 1000;
    uint32_t end = s.seq + s.wire_len + (s.flags & (TCP_SYN | TCP_FIN) ? 1 : 0);
    if (s.flags & TCP_SYN || (int32_t)(end - w->next[flow][dir]) > 0)
        w->next[flow][dir] = end;
    return s;
}

static int64_t used(void)
{
    return mem_used(MEM_MSG) + mem_used(MEM_FLOW) + mem_used(MEM_PIECES);
}

static void run(struct ledger *ledger, struct cursor *c)
{
    static const uint16_t ports[] = {80};
    struct sink sink = {.put = take};
    uint8_t options = cursor_u8(c), fail = cursor_u8(c);
    struct wire w = {.now_ns = INT64_C(1700000000) * NS_PER_S};
    struct account *account = ledger_account(ledger, ACCOUNT_INPUT, "fuzz");
    struct reassembly_config config = {.sink = &sink, .ports = ports};
    struct reassembly *r;
    check(account != NULL);
    config.books = account_page(account);
    check(config.books != NULL);
    config.track_responses = options & 1;
    config.allow_incomplete = options & 2;
    config.max_head = options & 4 ? 64 : 0;
    config.max_body = options & 8 ? 4 : 0;
    config.max_memory = options & 16 ? 16 * KIB : 0;
    config.n_ports = options & 32 ? 1 : 0;
    config.binary = binary = options & 128;
    for (uint32_t i = 0; i < FLOWS; i++)
        w.next[i][0] = w.next[i][1] = i * 0x7fffff00;
    check(reassembly_new(&r, &config) == 0);
    mem_fail_at(fail);
    while (cursor_left(c) >= 4) {
        struct segment s = next_segment(&w, c);
        reassembly_segment(r, &s);
    }
    mem_fail_at(0);
    if (options & 64)
        reassembly_tick(r, w.now_ns + 30 * NS_PER_S);
    reassembly_finish(r);
    check(reassembly_flows(r) == 0);
    reassembly_free(r);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct cursor c = cursor_of(data, size);
    struct ledger *ledger;
    char text[256];
    int64_t before = used();
    if (size < 2)
        return 0;
    check(ledger_new(&ledger) == 0);
    run(ledger, &c);
    check(ledger_balances(ledger, text, sizeof(text)));
    ledger_free(ledger);
    check(used() == before);
    return 0;
}
