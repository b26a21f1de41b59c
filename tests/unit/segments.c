/* SPDX-License-Identifier: MIT */
#include "tests/unit/segments.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

#define START_NS (INT64_C(1700000000) * NS_PER_S)

static int64_t used(void)
{
    return mem_used(MEM_MSG) + mem_used(MEM_FLOW) + mem_used(MEM_PIECES);
}

static void collect(struct sink *sink, const struct msg *msg)
{
    struct scene *s = container_of(sink, struct scene, sink);
    s->n++;
    if (s->only_count) {
        msg_unref(msg);
        return;
    }
    s->msgs = realloc(s->msgs, s->n * sizeof(*s->msgs));
    ck_assert_ptr_nonnull(s->msgs);
    s->msgs[s->n - 1] = msg;
}

int scene_try(struct scene *s)
{
    s->used = used();
    s->sink.put = collect;
    s->now_ns = s->now_ns ? s->now_ns : START_NS;
    s->config.sink = &s->sink;
    return reassembly_new(&s->r, &s->config);
}

void scene_begin(struct scene *s)
{
    ck_assert_int_eq(ledger_new(&s->ledger), 0);
    struct account *account = ledger_account(s->ledger, ACCOUNT_INPUT, "test");
    ck_assert_ptr_nonnull(account);
    s->config.books = account_page(account);
    ck_assert_ptr_nonnull(s->config.books);
    s->used = used();
    ck_assert_int_eq(scene_try(s), 0);
}

void scene_finish(struct scene *s)
{
    char text[256] = "";
    reassembly_finish(s->r);
    ck_assert_uint_eq(reassembly_flows(s->r), 0);
    reassembly_free(s->r);
    s->r = NULL;
    ck_assert_msg(ledger_balances(s->ledger, text, sizeof(text)), "%s", text);
    ck_assert_int_eq(mem_used(MEM_FLOW), 0);
    ck_assert_int_eq(mem_used(MEM_PIECES), 0);
}

void scene_end(struct scene *s)
{
    if (s->r)
        scene_finish(s);
    for (size_t i = 0; !s->only_count && i < s->n; i++)
        msg_unref(s->msgs[i]);
    free(s->msgs);
    ledger_free(s->ledger);
    ck_assert_int_eq(used(), s->used);
    *s = (struct scene){0};
}

uint64_t scene_book(const struct scene *s, enum book book)
{
    return book_get(s->config.books, book);
}

int64_t scene_memory(const struct scene *s)
{
    return used() - s->used;
}

void scene_expect(const struct scene *s, size_t i, enum msg_type type, const char *text)
{
    ck_assert_msg(i < s->n, "only %zu messages came", s->n);
    const struct msg *m = s->msgs[i];
    ck_assert_msg(m->type == type && span_eq(msg_payload(m), span_str(text)),
                  "message %zu is %c %.*s", i, m->type, (int)m->len, (const char *)m->bytes);
}

void scene_pass(struct scene *s, int64_t ns)
{
    s->now_ns += ns;
    reassembly_tick(s->r, s->now_ns);
}

struct conn conn_of(uint32_t n)
{
    struct conn c = {.start = {1000 + n * 7919, 900000 + n * 104729}};
    c.end[TO_SERVER] = (struct endpoint){.addr = {10, 0, 0, 1}, .port = 80, .family = 4};
    c.end[TO_CLIENT] = (struct endpoint){.addr = {172, 16}, .family = 4};
    c.end[TO_CLIENT].port = (uint16_t)(1024 + n % 60000);
    c.end[TO_CLIENT].addr[3] = (uint8_t)(n / 60000);
    return c;
}

struct segment conn_segment(const struct conn *c, enum direction dir, uint32_t offset,
                            const void *bytes, size_t len)
{
    return (struct segment){.src = c->end[!dir],
                            .dst = c->end[dir],
                            .seq = c->start[dir] + offset,
                            .ack = c->start[!dir] + c->sent[!dir],
                            .window = 65535,
                            .flags = TCP_ACK,
                            .payload = bytes,
                            .len = (uint32_t)len,
                            .wire_len = (uint32_t)len};
}

void conn_give(struct scene *s, const struct segment *segment)
{
    struct segment copy = *segment;
    uint8_t *exact = malloc(copy.len ? copy.len : 1); /* a read beyond the end shows */
    ck_assert_ptr_nonnull(exact);
    if (copy.len > 0)
        memcpy(exact, copy.payload, copy.len);
    copy.payload = exact;
    copy.ts_ns = s->now_ns;
    s->now_ns += NS_PER_US;
    reassembly_segment(s->r, &copy);
    free(exact);
}

void conn_send_bytes(struct scene *s, struct conn *c, enum direction dir, const void *bytes,
                     size_t len)
{
    struct segment seg = conn_segment(c, dir, c->sent[dir], bytes, len);
    c->sent[dir] += (uint32_t)len;
    conn_give(s, &seg);
}

void conn_send(struct scene *s, struct conn *c, enum direction dir, const char *text)
{
    conn_send_bytes(s, c, dir, text, strlen(text));
}

void conn_send_at(struct scene *s, const struct conn *c, enum direction dir, uint32_t offset,
                  const char *text)
{
    struct segment seg = conn_segment(c, dir, offset, text, strlen(text));
    conn_give(s, &seg);
}

void conn_miss(struct conn *c, enum direction dir, uint32_t n)
{
    c->sent[dir] += n;
}

static void bare(struct scene *s, const struct conn *c, enum direction dir, uint8_t flags)
{
    struct segment seg = conn_segment(c, dir, c->sent[dir], "", 0);
    seg.flags = flags;
    if (flags & TCP_SYN)
        seg.seq--;
    conn_give(s, &seg);
}

void conn_ack(struct scene *s, const struct conn *c, enum direction dir)
{
    bare(s, c, dir, TCP_ACK);
}

void conn_open(struct scene *s, const struct conn *c)
{
    bare(s, c, TO_SERVER, TCP_SYN);
    bare(s, c, TO_CLIENT, TCP_SYN | TCP_ACK);
    bare(s, c, TO_SERVER, TCP_ACK);
}

void conn_fin(struct scene *s, struct conn *c, enum direction dir)
{
    bare(s, c, dir, TCP_FIN | TCP_ACK);
    c->sent[dir]++;
}

void conn_rst(struct scene *s, const struct conn *c, enum direction dir)
{
    bare(s, c, dir, TCP_RST | TCP_ACK);
}
