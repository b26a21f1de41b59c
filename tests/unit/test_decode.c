/* SPDX-License-Identifier: MIT */
#include "tests/unit/unit.h"

#include <stdlib.h>
#include <string.h>

#include "capture/decode.h"
#include "lib/mem.h"
#include "tests/unit/decode_cases.h"
#include "tests/unit/packet.h"

static struct books books;
static struct decoder *decoder;

static void setup(void)
{
    memset(&books, 0, sizeof(books));
    ck_assert_int_eq(decoder_new(&decoder, &books), 0);
}

static void teardown(void)
{
    decoder_free(decoder);
    for (enum mem_tag tag = 0; tag < MEM_TAGS; tag++)
        ck_assert_int_eq(mem_used(tag), 0);
}

/* From a block of exactly len bytes, so that the sanitizer sees a read beyond it. The segment's
 * payload is checked before the block goes. */
static bool decode_exact(int link_type, const struct pkt *p, size_t len, struct segment *s)
{
    uint8_t *exact = malloc(len ? len : 1);
    memcpy(exact, pkt_bytes(p), len);
    struct packet packet = {exact, (uint32_t)len, (uint32_t)pkt_len(p), 1234567890};
    bool found = decode_packet(decoder, link_type, &packet, s);
    if (found) {
        ck_assert_uint_le(s->len, PACKET_PAYLOAD_LEN);
        ck_assert_int_eq(memcmp(s->payload, PACKET_PAYLOAD, s->len), 0);
    }
    free(exact);
    return found;
}

static struct segment decode_layers(int link_type, const char *layers)
{
    struct pkt p;
    struct segment s = {0};
    pkt_build(&p, layers);
    ck_assert_msg(decode_exact(link_type, &p, pkt_len(&p), &s), "not found: %s", layers);
    return s;
}

/* The counter that a packet without a segment goes to. */
static enum book why_skipped(int link_type, const char *layers)
{
    struct pkt p;
    struct segment s;
    pkt_build(&p, layers);
    memset(&books, 0, sizeof(books));
    ck_assert_msg(!decode_exact(link_type, &p, pkt_len(&p), &s), "found: %s", layers);
    uint64_t sum = 0;
    enum book why = BOOKS;
    for (enum book b = 0; b < BOOKS; b++) {
        sum += book_get(&books, b);
        why = book_get(&books, b) ? b : why;
    }
    ck_assert_msg(sum == 1, "counted %d times: %s", (int)sum, layers);
    return why;
}

START_TEST(every_field_of_the_segment_is_set)
{
    struct segment s = decode_layers(DLT_EN10MB, "eth:0800 ip4:06 tcpo");
    const uint8_t src[16] = {10, 0, 0, 1}, dst[16] = {10, 0, 0, 2};
    ck_assert_mem_eq(s.src.addr, src, 16);
    ck_assert_mem_eq(s.dst.addr, dst, 16);
    ck_assert_uint_eq(s.src.family, 4);
    ck_assert_uint_eq(s.dst.family, 4);
    ck_assert_uint_eq(s.src.port, 40000);
    ck_assert_uint_eq(s.dst.port, 8080);
    ck_assert_uint_eq(s.scope, 0);
    ck_assert_int_eq(s.ts_ns, 1234567890);
    ck_assert_uint_eq(s.seq, PACKET_SEQ);
    ck_assert_uint_eq(s.ack, PACKET_ACK);
    ck_assert_uint_eq(s.window, 512);
    ck_assert_uint_eq(s.flags, TCP_PSH | TCP_ACK);
    ck_assert_uint_eq(s.len, PACKET_PAYLOAD_LEN);
    ck_assert_uint_eq(s.wire_len, PACKET_PAYLOAD_LEN);
}
END_TEST

START_TEST(every_encapsulation_leads_to_the_innermost_segment)
{
    const struct decode_case *c = &decode_cases[_i];
    struct segment s = decode_layers(c->link_type, c->layers);
    const uint8_t v4[16] = {10, 0, 0, 1}, v6[16] = {0xfd, [15] = 1};
    ck_assert_msg(memcmp(s.src.addr, s.src.family == 4 ? v4 : v6, 16) == 0, "%s", c->layers);
    ck_assert_uint_eq(s.dst.family, s.src.family);
    ck_assert_uint_eq(s.src.port, 40000);
    ck_assert_uint_eq(s.dst.port, 8080);
    ck_assert_uint_eq(s.seq, PACKET_SEQ);
    ck_assert_msg(s.len == PACKET_PAYLOAD_LEN && s.wire_len == s.len, "%s", c->layers);
    ck_assert_msg((s.scope != 0) == c->is_scoped, "%s: scope %lx", c->layers,
                  (unsigned long)s.scope);
}
END_TEST

START_TEST(a_packet_cut_anywhere_is_read_within_its_bytes)
{
    const struct decode_case *c = &decode_cases[_i];
    struct pkt p;
    pkt_build(&p, c->layers);
    for (size_t len = 0; len < pkt_len(&p); len++) {
        struct segment s = {0};
        memset(&books, 0, sizeof(books));
        bool found = decode_exact(c->link_type, &p, len, &s);
        uint64_t skipped = book_get(&books, BOOK_SKIPPED_MALFORMED) +
                           book_get(&books, BOOK_SKIPPED_LINK) +
                           book_get(&books, BOOK_SKIPPED_NOT_TCP);
        ck_assert_uint_eq(skipped, found ? 0 : 1);
        if (len + PACKET_PAYLOAD_LEN < pkt_len(&p)) {
            ck_assert_msg(!found || s.len == 0, "%s cut to %zu", c->layers, len);
            continue;
        }
        ck_assert_msg(found, "%s cut to %zu", c->layers, len);
        ck_assert_uint_eq(s.len, PACKET_PAYLOAD_LEN - (pkt_len(&p) - len));
        ck_assert_uint_eq(s.wire_len, PACKET_PAYLOAD_LEN);
    }
}
END_TEST

/* Decodes p from an exact block. True when the segment, if any, lies within it and the packet was
 * counted once. */
static bool is_decoded_within_bounds(int link_type, const struct pkt *p)
{
    uint8_t *exact = malloc(pkt_len(p));
    memcpy(exact, pkt_bytes(p), pkt_len(p));
    struct packet packet = {exact, (uint32_t)pkt_len(p), (uint32_t)pkt_len(p), 1};
    struct segment s;
    memset(&books, 0, sizeof(books));
    bool found = decode_packet(decoder, link_type, &packet, &s);
    bool is_inside = !found || (s.payload >= exact && s.payload + s.len <= exact + pkt_len(p));
    uint64_t counted = book_get(&books, BOOK_SKIPPED_MALFORMED) +
                       book_get(&books, BOOK_SKIPPED_LINK) +
                       book_get(&books, BOOK_SKIPPED_NOT_TCP) + book_get(&books, BOOK_FRAGMENTS);
    bool is_right = is_inside && counted + found == 1;
    free(exact);
    return is_right;
}

START_TEST(a_packet_with_any_byte_changed_is_read_within_its_bytes)
{
    const struct decode_case *c = &decode_cases[_i];
    struct pkt p;
    pkt_build(&p, c->layers);
    size_t head = pkt_len(&p) - PACKET_PAYLOAD_LEN;
    for (size_t at = 0; at < head; at++) {
        uint8_t *byte = p.room + p.start + at, old = *byte;
        uint8_t others[] = {0, 1, 0x7f, 0xff, old ^ 1, old ^ 4, old ^ 0x10, old ^ 0x80};
        for (size_t i = 0; i < ARRAY_LEN(others); i++) {
            *byte = others[i];
            bool is_fine = is_decoded_within_bounds(c->link_type, &p);
            ck_assert_msg(is_fine, "%s: byte %zu is %d", c->layers, at, *byte);
        }
        *byte = old;
    }
}
END_TEST

START_TEST(padding_and_trailers_are_no_payload)
{
    const char *const layers[] = {
        "eth:0800 ip4:06 tcp",
        "eth:86dd ip6:06 tcp",
        "eth:8100 x:00070800 ip4:06 tcp",
        "8023 x:aaaa030000000800 ip4:06 tcp",
        "eth:8864 x:11000001 len:0 x:0021 ip4:06 tcp",
        "eth:0800 ip4:11 udp:12b5 x:0800000000002a00 eth:0800 ip4:06 tcp",
    };
    for (size_t i = 0; i < ARRAY_LEN(layers); i++) {
        struct pkt plain, padded;
        struct segment s;
        pkt_build(&plain, layers[i]);
        pkt_init(&padded);
        pkt_prepend(&padded, "\xa5\xa5\xa5\xa5\xa5", 5);
        pkt_prepend(&padded, pkt_bytes(&plain), pkt_len(&plain));
        ck_assert(decode_exact(DLT_EN10MB, &padded, pkt_len(&padded), &s));
        ck_assert_uint_eq(s.len, PACKET_PAYLOAD_LEN);
        ck_assert_uint_eq(s.wire_len, PACKET_PAYLOAD_LEN);
        /* cut in the padding, nothing is missing */
        ck_assert(decode_exact(DLT_EN10MB, &padded, pkt_len(&padded) - 3, &s));
        ck_assert_uint_eq(s.wire_len, PACKET_PAYLOAD_LEN);
    }
}
END_TEST

START_TEST(a_length_of_zero_means_all_there_is)
{
    struct pkt p;
    struct segment s;
    pkt_build(&p, "eth:0800 ip4:06 tcp");
    p.room[p.start + 14 + 2] = p.room[p.start + 14 + 3] = 0;
    ck_assert(decode_exact(DLT_EN10MB, &p, pkt_len(&p), &s));
    ck_assert_uint_eq(s.len, PACKET_PAYLOAD_LEN);
    ck_assert(decode_exact(DLT_EN10MB, &p, pkt_len(&p) - 10, &s));
    ck_assert_uint_eq(s.len, PACKET_PAYLOAD_LEN - 10);
    ck_assert_uint_eq(s.wire_len, PACKET_PAYLOAD_LEN);
    pkt_build(&p, "eth:86dd ip6:06 tcp");
    p.room[p.start + 14 + 4] = p.room[p.start + 14 + 5] = 0;
    ck_assert(decode_exact(DLT_EN10MB, &p, pkt_len(&p), &s));
    ck_assert_uint_eq(s.len, PACKET_PAYLOAD_LEN);
}
END_TEST

START_TEST(a_header_cut_in_its_options_tells_how_much_was_not_captured)
{
    struct pkt p;
    struct segment s;
    pkt_build(&p, "eth:0800 ip4:06 tcpo");
    ck_assert(decode_exact(DLT_EN10MB, &p, 14 + 20 + 20 + 5, &s));
    ck_assert_uint_eq(s.len, 0);
    ck_assert_uint_eq(s.wire_len, PACKET_PAYLOAD_LEN);
    ck_assert_uint_eq(s.seq, PACKET_SEQ);
}
END_TEST

START_TEST(a_length_beyond_the_packet_is_a_hole_and_never_data)
{
    struct pkt p;
    struct segment s;
    pkt_build(&p, "eth:0800 ip4:06 tcp");
    p.room[p.start + 14 + 3] += 10;
    ck_assert(decode_exact(DLT_EN10MB, &p, pkt_len(&p), &s));
    ck_assert_uint_eq(s.len, PACKET_PAYLOAD_LEN);
    ck_assert_uint_eq(s.wire_len, PACKET_PAYLOAD_LEN + 10);
}
END_TEST

START_TEST(the_short_way_and_the_long_way_agree)
{
    struct segment s = decode_layers(DLT_EN10MB, "eth:0800 ip4:06 tcpo");
    struct segment t = decode_layers(DLT_EN10MB, "eth:8100 x:00000800 ip4:06 tcpo");
    s.payload = t.payload = NULL;
    ck_assert_mem_eq(&s.src, &t.src, offsetof(struct endpoint, family) + 1);
    ck_assert_mem_eq(&s.dst, &t.dst, offsetof(struct endpoint, family) + 1);
    ck_assert_uint_eq(s.scope, t.scope);
    ck_assert_int_eq(s.ts_ns, t.ts_ns);
    ck_assert_uint_eq(s.seq, t.seq);
    ck_assert_uint_eq(s.ack, t.ack);
    ck_assert_uint_eq(s.window, t.window);
    ck_assert_uint_eq(s.flags, t.flags);
    ck_assert_uint_eq(s.len, t.len);
    ck_assert_uint_eq(s.wire_len, t.wire_len);
}
END_TEST

START_TEST(ids_that_both_directions_share_make_scopes_and_no_others)
{
    static const struct {
        const char *a, *b;
        bool same;
    } pairs[] = {
        {"eth:8100 x:00070800 ip4:06 tcp", "eth:8100 x:e0070800 ip4:06 tcp", true},
        {"eth:8100 x:00070800 ip4:06 tcp", "eth:8100 x:00080800 ip4:06 tcp", false},
        {"eth:8100 x:00070800 ip4:06 tcp", "eth:88a8 x:00070800 ip4:06 tcp", true},
        {"eth:8100 x:00078100 x:00080800 ip4:06 tcp", "eth:8100 x:00088100 x:00070800 ip4:06 tcp",
         false},
        {"eth:8100 x:00078100 x:00070800 ip4:06 tcp", "eth:8100 x:00070800 ip4:06 tcp", false},
        {"eth:0800 ip4:11 udp:12b5 x:0800000000002a00 eth:0800 ip4:06 tcp",
         "eth:0800 ip4:11 udp:12b5 x:0800000000002b00 eth:0800 ip4:06 tcp", false},
        {"eth:0800 ip4:11 udp:12b5 x:0800000000000700 eth:0800 ip4:06 tcp",
         "eth:8100 x:00070800 ip4:06 tcp", false},
        {"eth:0800 ip4:2f x:20000800 x:0000002a ip4:06 tcp",
         "eth:0800 ip4:2f x:20000800 x:0000002b ip4:06 tcp", false},
        {"eth:0800 ip4:11 udp:0868 x:30ff len:-4 x:00000001 ip4:06 tcp",
         "eth:0800 ip4:11 udp:0868 x:30ff len:-4 x:00000002 ip4:06 tcp", true},
        {"eth:8847 x:00010140 ip4:06 tcp", "eth:0800 ip4:06 tcp", true},
        {"eth:0800 ip4:04 ip4:06 tcp", "eth:0800 ip4:06 tcp", true},
    };
    for (size_t i = 0; i < ARRAY_LEN(pairs); i++) {
        struct segment a = decode_layers(DLT_EN10MB, pairs[i].a);
        struct segment b = decode_layers(DLT_EN10MB, pairs[i].b);
        ck_assert_msg((a.scope == b.scope) == pairs[i].same, "%s, %s", pairs[i].a, pairs[i].b);
    }
}
END_TEST

#define TAGGED_7 "eth:8100 x:00070800 ip4:06 tcp"
#define IN_VNI_42 "eth:0800 ip4:11 udp:12b5 x:0800000000002a00 "
#define PLAIN "eth:0800 ip4:06 tcp"

START_TEST(only_the_networks_that_are_wanted_are_taken)
{
    static const struct {
        const char *layers;
        int vlan; /* -1: any */
        int32_t vnis[3];
        bool taken;
    } cases[] = {
        {TAGGED_7, 7, {0}, true},
        {TAGGED_7, 8, {0}, false},
        {PLAIN, 7, {0}, false},
        {"eth:8100 x:00000800 ip4:06 tcp", 0, {0}, true},
        {"eth:88a8 x:00078100 x:00080800 ip4:06 tcp", 7, {0}, true},
        {"eth:88a8 x:00078100 x:00080800 ip4:06 tcp", 8, {0}, true},
        {"eth:88a8 x:00078100 x:00080800 ip4:06 tcp", 9, {0}, false},
        {IN_VNI_42 TAGGED_7, 7, {0}, true},
        {IN_VNI_42 PLAIN, -1, {42}, true},
        {IN_VNI_42 PLAIN, -1, {41}, false},
        {IN_VNI_42 PLAIN, -1, {41, 42}, true},
        {IN_VNI_42 PLAIN, -1, {-42}, false},
        {IN_VNI_42 PLAIN, -1, {-41}, true},
        {IN_VNI_42 PLAIN, -1, {41, -43}, true},
        {IN_VNI_42 PLAIN, -1, {42, -42}, true},
        {IN_VNI_42 PLAIN, -1, {-42, 42}, false},
        {IN_VNI_42 PLAIN, 7, {42}, false},
        {IN_VNI_42 TAGGED_7, 7, {42}, true},
        {PLAIN, -1, {42}, false},
        {PLAIN, -1, {-42}, true},
        {"eth:0800 ip4:11 udp:12b5 x:0800000000000100 " IN_VNI_42 PLAIN, -1, {42}, false},
        {"eth:0800 ip4:11 udp:12b5 x:0800000000000100 " IN_VNI_42 PLAIN, -1, {1}, true},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct networks networks = {.by_vlan = cases[i].vlan >= 0};
        if (cases[i].vlan >= 0)
            networks.vlans[0] = UINT64_C(1) << cases[i].vlan;
        for (size_t k = 0; k < ARRAY_LEN(cases[i].vnis) && cases[i].vnis[k] != 0; k++)
            networks.vnis[networks.n_vnis++] = cases[i].vnis[k];
        struct pkt p;
        struct segment s;
        pkt_build(&p, cases[i].layers);
        struct packet packet = {pkt_bytes(&p), (uint32_t)pkt_len(&p), (uint32_t)pkt_len(&p), 1};
        uint64_t before = book_get(&books, BOOK_SKIPPED_NETWORK);
        decoder_only(decoder, &networks);
        ck_assert_msg(decode_packet(decoder, DLT_EN10MB, &packet, &s) == cases[i].taken, "%zu: %s",
                      i, cases[i].layers);
        ck_assert_uint_eq(book_get(&books, BOOK_SKIPPED_NETWORK) - before, !cases[i].taken);
        decoder_only(decoder, NULL);
    }
}
END_TEST

START_TEST(a_datagram_of_vxlan_leads_to_its_segment_and_another_does_not)
{
    struct segment s = decode_layers(DECODE_VXLAN, "x:0800000000002a00 eth:0800 ip4:06 tcp");
    ck_assert_uint_eq(s.dst.port, 8080);
    ck_assert_uint_ne(s.scope, 0);
    static const char *const others[] = {"x:0000000000002a00 eth:0800 ip4:06 tcp", "x:08000000",
                                         "x:0800000000002a00"};
    for (size_t i = 0; i < ARRAY_LEN(others); i++) {
        struct pkt p;
        pkt_build(&p, others[i]);
        struct packet packet = {pkt_bytes(&p), (uint32_t)pkt_len(&p), (uint32_t)pkt_len(&p), 1};
        ck_assert(!decode_packet(decoder, DECODE_VXLAN, &packet, &s));
    }
}
END_TEST

START_TEST(what_is_skipped_is_counted_by_kind)
{
    static const struct {
        const char *layers;
        int link_type;
        enum book why;
    } cases[] = {
        {"eth:0806 x:0001080006040001", DLT_EN10MB, BOOK_SKIPPED_LINK},
        {"8023 x:424203000000", DLT_EN10MB, BOOK_SKIPPED_LINK},
        {"eth:8863 x:11090000 x:0000", DLT_EN10MB, BOOK_SKIPPED_LINK},
        {"x:00000007 ip4:06 tcp", DLT_NULL, BOOK_SKIPPED_LINK},
        {"x:ff03c021 x:01010004", DLT_PPP, BOOK_SKIPPED_LINK},
        {"eth:0800 ip4:06 tcp", 147, BOOK_SKIPPED_LINK},
        {"eth:0800 ip4:06 tcp", -1, BOOK_SKIPPED_LINK},
        {"eth:0800 ip4:06 tcp", 100000, BOOK_SKIPPED_LINK},
        {"x:80000000 x:010101010101 x:020202020202 x:030303030303 x:1000", DLT_IEEE802_11,
         BOOK_SKIPPED_LINK},
        {"x:08410000 x:010101010101 x:020202020202 x:030303030303 x:1000 x:00", DLT_IEEE802_11,
         BOOK_SKIPPED_LINK},
        {"eth:0800 ip4:01 x:0800000000000000", DLT_EN10MB, BOOK_SKIPPED_NOT_TCP},
        {"eth:86dd ip6:3a x:8000000000000000", DLT_EN10MB, BOOK_SKIPPED_NOT_TCP},
        {"eth:86dd ip6:3b", DLT_EN10MB, BOOK_SKIPPED_NOT_TCP},
        {"eth:0800 ip4:32 x:00000001000000010000", DLT_EN10MB, BOOK_SKIPPED_NOT_TCP},
        {"eth:0800 ip4:11 udp:0035 x:0001", DLT_EN10MB, BOOK_SKIPPED_NOT_TCP},
        {"eth:0800 ip4:2f x:0000ffff ip4:06 tcp", DLT_EN10MB, BOOK_SKIPPED_NOT_TCP},
        {"eth:0800 ip4:2f x:2001880b x:00000001 x:00000001", DLT_EN10MB, BOOK_SKIPPED_NOT_TCP},
        /* a tunnel's port alone is no tunnel */
        {"eth:0800 ip4:11 udp:12b5 x:00", DLT_EN10MB, BOOK_SKIPPED_NOT_TCP},
        {"eth:0800 ip4:11 udp:12b5 x:0000000000002a00 eth:0800 ip4:06 tcp", DLT_EN10MB,
         BOOK_SKIPPED_NOT_TCP},
        {"eth:0800 ip4:11 udp:17c1 x:4000655800002a00 eth:0800 ip4:06 tcp", DLT_EN10MB,
         BOOK_SKIPPED_NOT_TCP},
        {"eth:0800 ip4:11 udp:0868 x:3001 len:-4 x:00000000", DLT_EN10MB, BOOK_SKIPPED_NOT_TCP},
        {"eth:0800 ip4:11 udp:0dd8 x:60", DLT_EN10MB, BOOK_SKIPPED_NOT_TCP},
        {"eth:0800 ip4:11 udp:06a5 x:c802 x:00140000", DLT_EN10MB, BOOK_SKIPPED_NOT_TCP},
        {"eth:0800 ip4:11 udp:13d0 x:44520029", DLT_EN10MB, BOOK_SKIPPED_NOT_TCP},
        /* headers that contradict themselves */
        {"eth:0800 x:6500", DLT_EN10MB, BOOK_SKIPPED_MALFORMED},
        {"eth:0800 ip6:06 tcp", DLT_EN10MB, BOOK_SKIPPED_MALFORMED},
        {"eth:86dd ip4:06 tcp", DLT_EN10MB, BOOK_SKIPPED_MALFORMED},
        {"eth:0800 x:44000028000000004006 x:0000 x:0a0000010a000002 tcp", DLT_EN10MB,
         BOOK_SKIPPED_MALFORMED},
        {"eth:0800 x:45000013000000004006 x:0000 x:0a0000010a000002 tcp", DLT_EN10MB,
         BOOK_SKIPPED_MALFORMED},
        {"eth:0800 ip4:06 x:9c401f900000000100000000401002000000 x:0000", DLT_EN10MB,
         BOOK_SKIPPED_MALFORMED},
        {"eth:0800 ip4:06 x:9c401f900000000100000000f01002000000 x:0000", DLT_EN10MB,
         BOOK_SKIPPED_MALFORMED},
        {"eth:86dd ip6:00 x:06ff010400000000 tcp", DLT_EN10MB, BOOK_SKIPPED_MALFORMED},
        {"eth:894f x:0fc10203 x:0000010a eth:0800 ip4:06 tcp", DLT_EN10MB, BOOK_SKIPPED_MALFORMED},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        ck_assert_msg(why_skipped(cases[i].link_type, cases[i].layers) == cases[i].why, "%s",
                      cases[i].layers);
}
END_TEST

/* n times layers in front of a segment. */
static void nest(struct pkt *p, int n, const char *layers, const char *inner)
{
    pkt_build(p, inner);
    for (int i = 0; i < n; i++)
        pkt_wrap(p, layers);
    pkt_wrap(p, "eth:86dd");
}

START_TEST(nesting_is_followed_eight_tunnels_deep_and_not_for_ever)
{
    struct pkt p;
    struct segment s;
    nest(&p, 8, "ip6:29", "ip6:06 tcp");
    ck_assert(decode_exact(DLT_EN10MB, &p, pkt_len(&p), &s));
    nest(&p, 8, "ip6:11 udp:12b5 x:0800000000002a00 eth:86dd", "ip6:06 tcp");
    ck_assert(decode_exact(DLT_EN10MB, &p, pkt_len(&p), &s));
    nest(&p, 100, "ip6:29", "ip6:06 tcp");
    ck_assert(!decode_exact(DLT_EN10MB, &p, pkt_len(&p), &s));
    pkt_build(&p, "x:0600000000000000 tcp");
    for (int i = 0; i < 200; i++)
        pkt_prepend(&p, "\x3c\0\0\0\0\0\0", 8);
    pkt_wrap(&p, "eth:86dd ip6:3c");
    ck_assert(!decode_exact(DLT_EN10MB, &p, pkt_len(&p), &s));
    pkt_build(&p, "ip4:06 tcp");
    for (int i = 0; i < 1000; i++)
        pkt_prepend(&p, "\0\1\0\x40", 4);
    pkt_wrap(&p, "eth:8847");
    ck_assert(!decode_exact(DLT_EN10MB, &p, pkt_len(&p), &s));
    ck_assert_uint_eq(book_get(&books, BOOK_SKIPPED_MALFORMED), 3);
}
END_TEST

/* The bytes span[0] to span[1] of what as an IPv4 fragment; layers end with its IP header. */
static void fragment_v4(struct pkt *p, const struct pkt *what, const size_t span[2], uint8_t id,
                        const char *layers)
{
    bool more = span[1] < pkt_len(what);
    pkt_init(p);
    pkt_prepend(p, pkt_bytes(what) + span[0], span[1] - span[0]);
    const char *ip = strstr(layers, "ip4:");
    pkt_wrap(p, ip);
    uint8_t *header = p->room + p->start;
    header[5] = id;
    header[6] = (uint8_t)((more ? 0x20 : 0) | span[0] / 8 >> 8);
    header[7] = (uint8_t)(span[0] / 8);
    char front[128] = "";
    memcpy(front, layers, (size_t)(ip - layers - 1));
    pkt_wrap(p, front);
}

static bool decode_whole(const struct pkt *p, struct segment *s)
{
    struct packet packet = {pkt_bytes(p), (uint32_t)pkt_len(p), (uint32_t)pkt_len(p), 1};
    return decode_packet(decoder, DLT_EN10MB, &packet, s);
}

START_TEST(a_segment_in_fragments_is_found_with_the_last_of_them)
{
    struct pkt tcp, p;
    struct segment s;
    pkt_build(&tcp, "tcpo");
    const size_t cuts[][2] = {{24, 48}, {48, pkt_len(&tcp)}, {0, 24}};
    for (size_t first = 0; first < 3; first++) {
        for (size_t i = 0; i < 3; i++) {
            fragment_v4(&p, &tcp, cuts[(first + i) % 3], (uint8_t)first, "eth:0800 ip4:06");
            ck_assert(decode_whole(&p, &s) == (i == 2));
        }
        ck_assert_uint_eq(s.len, PACKET_PAYLOAD_LEN);
        ck_assert_mem_eq(s.payload, PACKET_PAYLOAD, PACKET_PAYLOAD_LEN);
        ck_assert_uint_eq(s.wire_len, s.len);
        ck_assert_uint_eq(s.src.addr[0], 10);
        ck_assert_uint_eq(s.src.port, 40000);
    }
    ck_assert_uint_eq(book_get(&books, BOOK_FRAGMENTS), 9);
    ck_assert_uint_eq(book_get(&books, BOOK_FRAGMENTS_LOST), 0);
    ck_assert_uint_eq(book_get(&books, BOOK_SKIPPED_MALFORMED), 0);
}
END_TEST

START_TEST(a_segment_in_ipv6_fragments_is_found)
{
    struct pkt tcp, p;
    struct segment s;
    pkt_build(&tcp, "x:0600010400000000 tcp"); /* options are in the fragmented part */
    pkt_init(&p);
    pkt_prepend(&p, pkt_bytes(&tcp), 24);
    pkt_wrap(&p, "eth:86dd ip6:00 x:2c00010400000000 x:3c00000100000007");
    ck_assert(!decode_whole(&p, &s));
    pkt_init(&p);
    pkt_prepend(&p, pkt_bytes(&tcp) + 24, pkt_len(&tcp) - 24);
    pkt_wrap(&p, "eth:86dd ip6:00 x:2c00010400000000 x:3c00001800000007");
    ck_assert(decode_whole(&p, &s));
    ck_assert_mem_eq(s.payload, PACKET_PAYLOAD, PACKET_PAYLOAD_LEN);
    ck_assert_uint_eq(s.src.family, 6);
}
END_TEST

START_TEST(fragments_of_fragments_in_a_tunnel_are_put_together)
{
    struct pkt tcp, inner, p;
    struct segment s = {0};
    pkt_build(&tcp, "tcp");
    const size_t inner_cuts[][2] = {{0, 32}, {32, pkt_len(&tcp)}};
    for (size_t i = 0; i < 2; i++) {
        fragment_v4(&inner, &tcp, inner_cuts[i], 1, "x:30ff len:-4 x:00000001 ip4:06");
        pkt_wrap(&inner, "udp:0868");
        const size_t cuts[][2] = {{40, pkt_len(&inner)}, {0, 40}};
        for (size_t k = 0; k < 2; k++) {
            fragment_v4(&p, &inner, cuts[k], (uint8_t)(2 + i), "eth:0800 ip4:11");
            ck_assert(decode_whole(&p, &s) == (i == 1 && k == 1));
        }
    }
    ck_assert_mem_eq(s.payload, PACKET_PAYLOAD, PACKET_PAYLOAD_LEN);
    ck_assert_uint_eq(book_get(&books, BOOK_FRAGMENTS), 6);
    ck_assert_uint_eq(book_get(&books, BOOK_FRAGMENTS_LOST), 0);
}
END_TEST

START_TEST(fragments_of_two_vlans_are_not_mixed)
{
    struct pkt tcp, p;
    struct segment s;
    pkt_build(&tcp, "tcp");
    const size_t first[] = {0, 32}, last[] = {32, pkt_len(&tcp)};
    fragment_v4(&p, &tcp, first, 1, "eth:8100 x:00070800 ip4:06");
    ck_assert(!decode_whole(&p, &s));
    fragment_v4(&p, &tcp, last, 1, "eth:8100 x:00080800 ip4:06");
    ck_assert(!decode_whole(&p, &s));
    fragment_v4(&p, &tcp, last, 1, "eth:8100 x:00070800 ip4:06");
    ck_assert(decode_whole(&p, &s));
}
END_TEST

START_TEST(a_fragment_cut_by_the_snaplen_is_lost)
{
    struct pkt tcp, p;
    struct segment s;
    pkt_build(&tcp, "tcp");
    const size_t first[] = {0, 32}, last[] = {32, pkt_len(&tcp)};
    fragment_v4(&p, &tcp, first, 1, "eth:0800 ip4:06");
    ck_assert(!decode_whole(&p, &s));
    fragment_v4(&p, &tcp, last, 1, "eth:0800 ip4:06");
    ck_assert(!decode_exact(DLT_EN10MB, &p, pkt_len(&p) - 1, &s));
    ck_assert_uint_eq(book_get(&books, BOOK_FRAGMENTS), 2);
    ck_assert_uint_eq(book_get(&books, BOOK_FRAGMENTS_LOST), 1);
    ck_assert(decode_whole(&p, &s));
}
END_TEST

START_TEST(without_memory_there_is_no_decoder)
{
    for (uint64_t nth = 1; nth <= 2; nth++) {
        struct decoder *d = NULL;
        mem_fail_at(nth);
        ck_assert_int_ne(decoder_new(&d, &books), 0);
        ck_assert_ptr_null(d);
    }
    mem_fail_at(0);
    decoder_free(NULL);
}
END_TEST

START_TEST(known_link_types_are_those_that_are_decoded)
{
    for (size_t i = 0; i < ARRAY_LEN(decode_cases); i++)
        ck_assert(decoder_knows(decode_cases[i].link_type));
    ck_assert(!decoder_knows(-1));
    ck_assert(!decoder_knows(147));
    ck_assert(!decoder_knows(1 << 30));
}
END_TEST

Suite *suite(void)
{
    const TTest *const tests[] = {
        every_field_of_the_segment_is_set,
        padding_and_trailers_are_no_payload,
        a_length_of_zero_means_all_there_is,
        a_header_cut_in_its_options_tells_how_much_was_not_captured,
        a_length_beyond_the_packet_is_a_hole_and_never_data,
        the_short_way_and_the_long_way_agree,
        ids_that_both_directions_share_make_scopes_and_no_others,
        only_the_networks_that_are_wanted_are_taken,
        a_datagram_of_vxlan_leads_to_its_segment_and_another_does_not,
        what_is_skipped_is_counted_by_kind,
        nesting_is_followed_eight_tunnels_deep_and_not_for_ever,
        a_segment_in_fragments_is_found_with_the_last_of_them,
        a_segment_in_ipv6_fragments_is_found,
        fragments_of_fragments_in_a_tunnel_are_put_together,
        fragments_of_two_vlans_are_not_mixed,
        a_fragment_cut_by_the_snaplen_is_lost,
        without_memory_there_is_no_decoder,
        known_link_types_are_those_that_are_decoded,
    };
    Suite *s = suite_create("decode");
    TCase *tc = tcase_create("decode");
    tcase_add_checked_fixture(tc, setup, teardown);
    for (size_t i = 0; i < ARRAY_LEN(tests); i++)
        tcase_add_test(tc, tests[i]);
    int n = ARRAY_LEN(decode_cases);
    tcase_add_loop_test(tc, every_encapsulation_leads_to_the_innermost_segment, 0, n);
    tcase_add_loop_test(tc, a_packet_cut_anywhere_is_read_within_its_bytes, 0, n);
    tcase_add_loop_test(tc, a_packet_with_any_byte_changed_is_read_within_its_bytes, 0, n);
    suite_add_tcase(s, tc);
    return s;
}
