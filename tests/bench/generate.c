/* SPDX-License-Identifier: MIT */
/* Writes a capture file of HTTP, the same for the same arguments.
 * usage: generate FILE SHAPE REQUESTS [CONNECTIONS]
 * keepalive: GETs and their answers, by default over 100 connections
 * short: the same, a connection for each
 * posts: bodies of 32 KiB, each in one packet with its head, as offload makes them
 * flows: small GETs, of the client's packets alone, after all connections were opened */
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PORT 8080
#define DEFAULT_CONNECTIONS 100
/* Connections of one client address. */
#define PORTS 40000
#define BODY 32768
#define ETHERNET_LEN 14
#define IP_LEN 20
#define TCP_LEN 20
#define FIN 0x01
#define SYN 0x02
#define ACK 0x10

struct connection {
    uint32_t address;
    uint16_t port;
    uint32_t client_seq;
    uint32_t server_seq;
};

struct capture {
    FILE *file;
    uint64_t random;
    uint64_t now_us;
};

static uint32_t next(struct capture *c)
{
    /* xorshift64 */
    c->random ^= c->random << 13;
    c->random ^= c->random >> 7;
    c->random ^= c->random << 17;
    return (uint32_t)(c->random >> 32);
}

static void put16(uint8_t *at, uint32_t value)
{
    at[0] = (uint8_t)(value >> 8);
    at[1] = (uint8_t)value;
}

static void put32(uint8_t *at, uint32_t value)
{
    put16(at, value >> 16);
    put16(at + 2, value);
}

static void put_bytes(struct capture *c, const void *bytes, size_t len)
{
    if (fwrite(bytes, 1, len, c->file) != len) {
        perror("generate");
        exit(EXIT_FAILURE);
    }
}

/* One segment, in the direction that from_client gives; moves that side's sequence number. */
static void put_segment(struct capture *c, struct connection *conn, bool from_client, uint8_t flags,
                        const char *payload, uint32_t len)
{
    uint8_t head[ETHERNET_LEN + IP_LEN + TCP_LEN] = {2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 8, 0};
    uint8_t *ip = head + ETHERNET_LEN, *tcp = ip + IP_LEN;
    uint32_t client = conn->address, server = 0x0a000002;
    uint32_t *seq = from_client ? &conn->client_seq : &conn->server_seq;
    ip[0] = 0x45;
    put16(ip + 2, IP_LEN + TCP_LEN + len);
    ip[8] = 64;
    ip[9] = 6;
    put32(ip + 12, from_client ? client : server);
    put32(ip + 16, from_client ? server : client);
    put16(tcp, from_client ? conn->port : PORT);
    put16(tcp + 2, from_client ? PORT : conn->port);
    put32(tcp + 4, *seq);
    put32(tcp + 8, flags & ACK ? from_client ? conn->server_seq : conn->client_seq : 0);
    tcp[12] = TCP_LEN / 4 << 4;
    tcp[13] = flags;
    put16(tcp + 14, 65535);
    *seq += len + (flags & (SYN | FIN) ? 1 : 0);
    uint32_t size = (uint32_t)sizeof(head) + len;
    uint32_t record[] = {(uint32_t)(c->now_us / 1000000), (uint32_t)(c->now_us % 1000000), size,
                         size};
    c->now_us += 3 + next(c) % 10;
    put_bytes(c, record, sizeof(record));
    put_bytes(c, head, sizeof(head));
    put_bytes(c, payload, len);
}

static void open_connection(struct capture *c, struct connection *conn, uint64_t n, bool both)
{
    *conn = (struct connection){.address = (uint32_t)(0x0a010001 + n / PORTS),
                                .port = (uint16_t)(20000 + n % PORTS),
                                .client_seq = next(c),
                                .server_seq = next(c)};
    put_segment(c, conn, true, SYN, "", 0);
    if (!both)
        return;
    put_segment(c, conn, false, SYN | ACK, "", 0);
    put_segment(c, conn, true, ACK, "", 0);
}

static void close_connection(struct capture *c, struct connection *conn)
{
    put_segment(c, conn, true, FIN | ACK, "", 0);
    put_segment(c, conn, false, FIN | ACK, "", 0);
    put_segment(c, conn, true, ACK, "", 0);
}

/* 400 to 600 bytes of request, 150 to 650 of answer. */
static void put_exchange(struct capture *c, struct connection *conn, uint64_t n)
{
    static const char padding[] = "abcdefghijklmnopqrstuvwxyz0123456789abcdefghijklmnopqrstuvwxyz"
                                  "0123456789abcdefghijklmnopqrstuvwxyz0123456789abcdefghijklmnop"
                                  "qrstuvwxyz0123456789abcdefghijklmnopqrstuvwxyz0123456789abcdef"
                                  "ghijklmnopqrstuvwxyz0123456789abcdefghijklmnopqrstuvwxyz01234567"
                                  "89abcdefghijklmnopqrstuvwxyz0123456789abcdefghijklmnopqrstuvwxyz"
                                  "0123456789abcdefghijklmnopqrstuvwxyz0123456789abcdefghijklmnopqr"
                                  "stuvwxyz0123456789abcdefghijklmnopqrstuvwxyz0123456789abcdefghij"
                                  "klmnopqrstuvwxyz0123456789abcdefghijklmnopqrstuvwxyz0123456789";
    char text[1024];
    int len = snprintf(text, sizeof(text),
                       "GET /products/%" PRIu64 "?session=%08" PRIx32 " HTTP/1.1\r\n"
                       "Host: shop.example\r\nUser-Agent: Mozilla/5.0 (X11; Linux x86_64)\r\n"
                       "Accept: text/html,application/xhtml+xml\r\nAccept-Language: en\r\n"
                       "Accept-Encoding: gzip, deflate\r\nConnection: keep-alive\r\n"
                       "Cookie: id=%.*s\r\n\r\n",
                       n, next(c), (int)(140 + next(c) % 200), padding);
    put_segment(c, conn, true, ACK, text, (uint32_t)len);
    uint32_t body = 50 + next(c) % 400;
    len = snprintf(text, sizeof(text),
                   "HTTP/1.1 200 OK\r\nServer: nginx\r\nContent-Type: text/plain\r\n"
                   "Content-Length: %" PRIu32 "\r\nConnection: keep-alive\r\n\r\n%.*s",
                   body, (int)body, padding);
    put_segment(c, conn, false, ACK, text, (uint32_t)len);
    put_segment(c, conn, true, ACK, "", 0);
}

static void put_small(struct capture *c, struct connection *conn, uint64_t n)
{
    char text[256];
    int len = snprintf(text, sizeof(text),
                       "GET /small/%" PRIu64 " HTTP/1.1\r\nHost: shop.example\r\n"
                       "User-Agent: generate\r\nAccept: */*\r\n\r\n",
                       n);
    put_segment(c, conn, true, ACK, text, (uint32_t)len);
}

static void put_post(struct capture *c, struct connection *conn, uint64_t n)
{
    static char text[512 + BODY];
    static const char answer[] = "HTTP/1.1 204 No Content\r\nServer: nginx\r\n\r\n";
    int len = snprintf(text, 512,
                       "POST /upload/%" PRIu64 " HTTP/1.1\r\nHost: shop.example\r\n"
                       "Content-Type: application/octet-stream\r\nContent-Length: %d\r\n\r\n",
                       n, BODY);
    memset(text + len, 'a' + (int)(n % 26), BODY);
    put_segment(c, conn, true, ACK, text, (uint32_t)(len + BODY));
    put_segment(c, conn, false, ACK, answer, sizeof(answer) - 1);
}

static void put_short(struct capture *c, uint64_t n)
{
    struct connection conn;
    open_connection(c, &conn, n, true);
    put_exchange(c, &conn, n);
    close_connection(c, &conn);
}

typedef void put_function(struct capture *c, struct connection *conn, uint64_t n);

/* Requests on connections that live from the beginning to the end. */
static void put_long(struct capture *c, put_function *put, uint64_t requests, uint64_t connections,
                     bool both)
{
    struct connection *all = calloc(connections, sizeof(*all));
    if (!all) {
        perror("generate");
        exit(EXIT_FAILURE);
    }
    for (uint64_t i = 0; i < connections; i++)
        open_connection(c, &all[i], i, both);
    for (uint64_t n = 0; n < requests; n++)
        put(c, &all[next(c) % connections], n);
    for (uint64_t i = 0; i < connections && both; i++)
        close_connection(c, &all[i]);
    free(all);
}

static bool put_shape(struct capture *c, const char *shape, uint64_t requests, uint64_t connections)
{
    static const struct {
        const char *name;
        put_function *put;
        bool both;
    } shapes[] = {
        {"keepalive", put_exchange, true}, {"posts", put_post, true}, {"flows", put_small, false}};
    for (size_t i = 0; i < sizeof(shapes) / sizeof(shapes[0]); i++) {
        if (strcmp(shape, shapes[i].name) == 0) {
            put_long(c, shapes[i].put, requests, connections, shapes[i].both);
            return true;
        }
    }
    if (strcmp(shape, "short") != 0)
        return false;
    for (uint64_t n = 0; n < requests; n++)
        put_short(c, n);
    return true;
}

int main(int argc, char **argv)
{
    static const uint32_t pcap_head[] = {0xa1b2c3d4, 4 << 16 | 2, 0, 0, 262144, 1};
    if (argc < 4) {
        fprintf(stderr, "usage: generate FILE SHAPE REQUESTS [CONNECTIONS]\n");
        return 2;
    }
    struct capture c = {
        .file = fopen(argv[1], "wb"),
        .random = UINT64_C(0x9e3779b97f4a7c15),
        .now_us = UINT64_C(1700000000000000),
    };
    if (!c.file) {
        perror(argv[1]);
        return EXIT_FAILURE;
    }
    setvbuf(c.file, NULL, _IOFBF, 1 << 20);
    put_bytes(&c, pcap_head, sizeof(pcap_head));
    uint64_t requests = strtoull(argv[3], NULL, 10);
    uint64_t connections = argc > 4 ? strtoull(argv[4], NULL, 10) : DEFAULT_CONNECTIONS;
    if (!put_shape(&c, argv[2], requests, connections)) {
        fprintf(stderr, "generate: no shape \"%s\"\n", argv[2]);
        return 2;
    }
    if (fclose(c.file) != 0) {
        perror(argv[1]);
        return EXIT_FAILURE;
    }
    return EXIT_SUCCESS;
}
