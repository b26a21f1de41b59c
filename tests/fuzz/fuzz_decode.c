/* SPDX-License-Identifier: MIT */
/* Several packets to one decoder: nothing is read outside of them, each is counted once, a segment
 * lies in what was captured, and no memory stays behind.
 *
 * Input: one byte that chooses the link type; then packets, each with two bytes of length, one of
 * how many bytes the snaplen cut off, and one of seconds since the packet before. */
#include <stdlib.h>
#include <string.h>

#include <pcap/dlt.h>

#include "capture/decode.h"
#include "lib/cursor.h"
#include "lib/mem.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const int link_types[] = {
    DLT_EN10MB,
    DLT_LINUX_SLL,
    DLT_LINUX_SLL2,
    DLT_NULL,
    DLT_LOOP,
    DLT_IPV4,
    DLT_IPV6,
    12,
    14,
    101,
    DLT_PPP,
    DLT_PPP_SERIAL,
    DLT_PPP_ETHER,
    DLT_C_HDLC,
    DLT_IEEE802_11,
    DLT_NFLOG,
    DLT_PPI,
    DLT_IEEE802_11_RADIO,
    DLT_MPLS,
    147,
};

static void check(bool holds)
{
    if (!holds)
        abort();
}

static uint64_t counted(const struct books *books)
{
    return book_get(books, BOOK_SKIPPED_LINK) + book_get(books, BOOK_SKIPPED_NOT_TCP) +
           book_get(books, BOOK_SKIPPED_MALFORMED);
}

static void check_segment(const struct segment *s, int64_t ts_ns)
{
    uint8_t sum = 0;
    for (uint32_t i = 0; i < s->len; i++)
        sum ^= s->payload[i];
    volatile uint8_t read = sum; /* or the reads could be left out */
    (void)read;
    check(s->wire_len >= s->len);
    check(s->src.family == 4 || s->src.family == 6);
    check(s->dst.family == s->src.family);
    check(s->ts_ns == ts_ns);
}

static void decode_one(struct decoder *d, const struct books *books, int link_type,
                       const struct packet *packet)
{
    struct segment s;
    uint64_t skipped = counted(books), fragments = book_get(books, BOOK_FRAGMENTS);
    decoder_release(d);
    bool found = decode_packet(d, link_type, packet, &s);
    skipped = counted(books) - skipped;
    fragments = book_get(books, BOOK_FRAGMENTS) - fragments;
    if (found)
        check_segment(&s, packet->ts_ns);
    check(skipped + found <= 1);
    check(skipped + found == 1 || fragments > 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static _Alignas(64) struct books books;
    struct cursor in = cursor_of(data, size);
    int link_type = link_types[cursor_u8(&in) % ARRAY_LEN(link_types)];
    struct decoder *d;
    memset(&books, 0, sizeof(books));
    check(decoder_new(&d, &books) == 0);
    for (int64_t ts_ns = 0; cursor_left(&in) > 4;) {
        size_t len = cursor_u16(&in);
        uint32_t cut = cursor_u8(&in);
        ts_ns += cursor_u8(&in) * NS_PER_S;
        len = len < cursor_left(&in) ? len : cursor_left(&in);
        uint8_t *exact = malloc(len ? len : 1);
        check(exact != NULL);
        memcpy(exact, cursor_take(&in, len), len);
        struct packet packet = {exact, (uint32_t)len, (uint32_t)len + cut, ts_ns};
        decode_one(d, &books, link_type, &packet);
        free(exact);
    }
    decoder_free(d);
    check(book_get(&books, BOOK_FRAGMENTS_LOST) <= book_get(&books, BOOK_FRAGMENTS));
    for (enum mem_tag tag = 0; tag < MEM_TAGS; tag++)
        check(mem_used(tag) == 0);
    return 0;
}
