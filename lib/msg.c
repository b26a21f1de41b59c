/* SPDX-License-Identifier: MIT */
#include "lib/msg.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#include "lib/clear.h"
#include "lib/hash.h"
#include "lib/mem.h"

static_assert(offsetof(struct msg, bytes) == sizeof(struct msg), "payload follows without padding");

struct msg *msg_new(size_t cap)
{
    struct msg *msg = mem_alloc(MEM_MSG, sizeof(*msg) + cap);
    if (!msg)
        return NULL;
    clear(msg, sizeof(*msg)); /* the payload is the caller's to write */
    atomic_init(&msg->refs, 1);
    return msg;
}

struct msg *msg_resize(struct msg *msg, size_t cap)
{
    assert(atomic_load_explicit(&msg->refs, memory_order_relaxed) == 1);
    assert(cap >= msg->len);
    return mem_realloc(MEM_MSG, msg, sizeof(*msg) + cap);
}

struct msg *msg_like(const struct msg *msg, size_t cap)
{
    struct msg *copy = mem_alloc(MEM_MSG, sizeof(*copy) + cap);
    if (!copy)
        return NULL;
    memcpy(copy, msg, sizeof(*copy));
    atomic_init(&copy->refs, 1);
    (void)receipt_ref(copy->receipt);
    if (copy->request) /* which other messages may hold that other threads copy: not msg_ref() */
        atomic_fetch_add_explicit((atomic_uint *)&copy->request->refs, 1, memory_order_relaxed);
    copy->len = 0;
    return copy;
}

struct msg *msg_head(const struct msg *msg)
{
    struct msg *head = msg_like(msg, msg->http.head_len);
    if (!head)
        return NULL;
    memcpy(head->bytes, msg->bytes, msg->http.head_len);
    head->len = msg->http.head_len;
    return head;
}

const struct msg *msg_ref(const struct msg *msg)
{
    /* the one field that is not part of the message's value */
    atomic_uint *refs = (atomic_uint *)&msg->refs;
    /* a lone owner needs no locked instruction: nobody else can be counting */
    if (atomic_load_explicit(refs, memory_order_relaxed) == 1)
        atomic_store_explicit(refs, 2, memory_order_relaxed);
    else
        atomic_fetch_add_explicit(refs, 1, memory_order_relaxed);
    return msg;
}

void msg_unref(const struct msg *msg)
{
    if (!msg)
        return;
    atomic_uint *refs = (atomic_uint *)&msg->refs;
    if (atomic_load_explicit(refs, memory_order_acquire) != 1 && /* as in msg_ref() */
        atomic_fetch_sub_explicit(refs, 1, memory_order_acq_rel) != 1)
        return;
    receipt_unref(msg->receipt);
    msg_unref(msg->request); /* which has none itself */
    mem_free((void *)msg);
}

bool msg_set_id(struct msg *msg, struct span id)
{
    if (id.len > MSG_ID_MAX)
        return false;
    memcpy(msg->id, id.ptr, id.len);
    msg->id_len = (uint8_t)id.len;
    return true;
}

void msg_set_receipt(struct msg *msg, struct receipt *receipt)
{
    assert(!msg->receipt);
    msg->receipt = receipt_ref(receipt);
}

void msg_parse_head(struct msg *msg)
{
    enum http_kind kind = msg->type == MSG_REQUEST ? HTTP_REQUEST : HTTP_RESPONSE;
    if (!http_parse_head(kind, msg->bytes, msg->len, &msg->http))
        msg->http = (struct http_view){0};
}

static uint64_t endpoint_hash(const struct endpoint *e)
{
    return e->family == 4 ? hash64(e->addr, 4, e->port) : hash64(e->addr, 16, e->port);
}

/* gor's id: client port (4 digits), server port (4), client address (8), then the request (8). */
#define GOR_ID_LEN 24
#define GOR_ID_CONN 16

void msg_set_conn(struct msg *msg)
{
    if (msg->src.family != 0 && msg->dst.family != 0)
        /* a sum does not care which end is which */
        msg->conn = endpoint_hash(&msg->src) + endpoint_hash(&msg->dst);
    else
        msg->conn = hash64(msg->id, msg->id_len == GOR_ID_LEN ? GOR_ID_CONN : msg->id_len, 0);
}

size_t endpoint_format(char *out, const struct endpoint *e)
{
    char addr[INET6_ADDRSTRLEN];
    if (e->family == 0)
        return (size_t)snprintf(out, ENDPOINT_TEXT_MAX, "-");
    if (!inet_ntop(e->family == 4 ? AF_INET : AF_INET6, e->addr, addr, sizeof(addr)))
        return (size_t)snprintf(out, ENDPOINT_TEXT_MAX, "-");
    return (size_t)snprintf(out, ENDPOINT_TEXT_MAX, e->family == 4 ? "%s:%u" : "[%s]:%u", addr,
                            (unsigned)e->port);
}

/* A port of 1 to 5 digits, at most 65535. */
static bool parse_port(struct span text, uint16_t *port)
{
    uint32_t n = 0;
    if (text.len == 0 || text.len > 5)
        return false;
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] < '0' || text.ptr[i] > '9')
            return false;
        n = n * 10 + (uint32_t)(text.ptr[i] - '0');
    }
    *port = (uint16_t)n;
    return n <= UINT16_MAX;
}

/* As inet_pton(3) has it: four numbers up to 255, without leading zeros. */
static bool parse_ipv4(struct span text, uint8_t *addr)
{
    size_t at = 0;
    for (size_t i = 0; i < 4; i++) {
        size_t from = at;
        unsigned n = 0;
        for (; at < text.len && at < from + 3 && (unsigned)text.ptr[at] - '0' <= 9; at++)
            n = n * 10 + text.ptr[at] - '0';
        if (at == from || n > UINT8_MAX || (text.ptr[from] == '0' && at > from + 1))
            return false;
        addr[i] = (uint8_t)n;
        if (i < 3 && (at == text.len || text.ptr[at++] != '.'))
            return false;
    }
    return at == text.len;
}

static bool parse_ipv6(struct span text, uint8_t *addr)
{
    char host[INET6_ADDRSTRLEN];
    if (text.len < 2 || text.ptr[text.len - 1] != ']' || text.len - 2 >= sizeof(host))
        return false;
    memcpy(host, text.ptr + 1, text.len - 2);
    host[text.len - 2] = '\0';
    return inet_pton(AF_INET6, host, addr) == 1;
}

bool endpoint_parse(struct span text, struct endpoint *e)
{
    struct endpoint found = {0};
    size_t addr_len = text.len;
    while (addr_len > 0 && text.ptr[addr_len - 1] != ':')
        addr_len--;
    if (addr_len < 2 || !parse_port(span_from(text, addr_len), &found.port))
        return false;
    struct span host = span_of(text.ptr, addr_len - 1);
    found.family = host.ptr[0] == '[' ? 6 : 4;
    if (!(found.family == 4 ? parse_ipv4 : parse_ipv6)(host, found.addr))
        return false;
    *e = found;
    return true;
}
