/* SPDX-License-Identifier: MIT */
#include "tests/unit/packet.h"

#include <stdlib.h>
#include <string.h>

#include <check.h>

void pkt_init(struct pkt *p)
{
    p->start = sizeof(p->room);
    p->n_ip = 0;
}

void pkt_prepend(struct pkt *p, const void *bytes, size_t len)
{
    ck_assert_uint_le(len, p->start);
    p->start -= len;
    memcpy(p->room + p->start, bytes, len);
}

static void put16(uint8_t *at, size_t value)
{
    at[0] = (uint8_t)(value >> 8);
    at[1] = (uint8_t)value;
}

static void put32(uint8_t *at, uint32_t value)
{
    put16(at, value >> 16);
    put16(at + 2, value & 0xffff);
}

static void add_tcp(struct pkt *p, size_t options)
{
    uint8_t h[60] = {0};
    memset(h + 20, 1, options); /* no-operation */
    put16(h, 40000);
    put16(h + 2, 8080);
    put32(h + 4, PACKET_SEQ);
    put32(h + 8, PACKET_ACK);
    h[12] = (uint8_t)((20 + options) / 4 << 4);
    h[13] = 0x18;
    put16(h + 14, 512);
    pkt_prepend(p, PACKET_PAYLOAD, PACKET_PAYLOAD_LEN);
    pkt_prepend(p, h, 20 + options);
}

static void add_ipv4(struct pkt *p, uint8_t protocol, size_t options)
{
    uint8_t h[60] = {0};
    uint8_t net = p->n_ip++ == 0 ? 10 : 172;
    h[0] = (uint8_t)(0x40 | (20 + options) / 4);
    put16(h + 2, pkt_len(p) + 20 + options);
    h[8] = 64;
    h[9] = protocol;
    h[12] = h[16] = net;
    h[15] = 1;
    h[19] = 2;
    memset(h + 20, 1, options);
    pkt_prepend(p, h, 20 + options);
}

static void add_ipv6(struct pkt *p, uint8_t next)
{
    uint8_t h[40] = {0x60};
    put16(h + 4, pkt_len(p));
    h[6] = next;
    h[7] = 64;
    h[8] = h[24] = p->n_ip++ == 0 ? 0xfd : 0xfc;
    h[23] = 1;
    h[39] = 2;
    pkt_prepend(p, h, sizeof(h));
}

static void add_ethernet(struct pkt *p, size_t type)
{
    uint8_t h[14] = {2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1};
    put16(h + 12, type);
    pkt_prepend(p, h, sizeof(h));
}

static void add_udp(struct pkt *p, size_t port)
{
    uint8_t h[8] = {0};
    put16(h, 50000);
    put16(h + 2, port);
    put16(h + 4, pkt_len(p) + 8);
    pkt_prepend(p, h, sizeof(h));
}

static void add_length(struct pkt *p, size_t more)
{
    uint8_t h[2];
    put16(h, pkt_len(p) + more);
    pkt_prepend(p, h, sizeof(h));
}

static void add_hex(struct pkt *p, const char *hex)
{
    uint8_t bytes[256];
    size_t len = strlen(hex) / 2;
    ck_assert_uint_le(len, sizeof(bytes));
    for (size_t i = 0; i < len; i++) {
        char two[3] = {hex[2 * i], hex[2 * i + 1], 0};
        bytes[i] = (uint8_t)strtoul(two, NULL, 16);
    }
    pkt_prepend(p, bytes, len);
}

static void add_layer(struct pkt *p, const char *layer)
{
    const char *colon = strchr(layer, ':');
    const char *argument = colon ? colon + 1 : "";
    size_t name_len = colon ? (size_t)(colon - layer) : strlen(layer);
    unsigned long n = strtoul(argument, NULL, 16);
    char name[8] = "";
    memcpy(name, layer, name_len < sizeof(name) ? name_len : 0);
    if (strcmp(name, "eth") == 0)
        add_ethernet(p, n);
    else if (strcmp(name, "8023") == 0)
        add_ethernet(p, pkt_len(p));
    else if (strcmp(name, "ip4") == 0)
        add_ipv4(p, (uint8_t)n, 0);
    else if (strcmp(name, "ip4o") == 0)
        add_ipv4(p, (uint8_t)n, 12);
    else if (strcmp(name, "ip6") == 0)
        add_ipv6(p, (uint8_t)n);
    else if (strcmp(name, "udp") == 0)
        add_udp(p, n);
    else if (strcmp(name, "tcp") == 0)
        add_tcp(p, 0);
    else if (strcmp(name, "tcpo") == 0)
        add_tcp(p, 12);
    else if (strcmp(name, "len") == 0)
        add_length(p, n);
    else if (strcmp(name, "x") == 0)
        add_hex(p, argument);
    else
        ck_abort_msg("no such layer: %s", layer);
}

void pkt_wrap(struct pkt *p, const char *layers)
{
    char text[1024];
    size_t len = strlen(layers);
    ck_assert_uint_lt(len, sizeof(text));
    memcpy(text, layers, len + 1);
    for (char *space = strrchr(text, ' '); space; space = strrchr(text, ' ')) {
        add_layer(p, space + 1);
        *space = 0;
    }
    add_layer(p, text);
}

void pkt_build(struct pkt *p, const char *layers)
{
    pkt_init(p);
    pkt_wrap(p, layers);
}
