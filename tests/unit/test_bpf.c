/* SPDX-License-Identifier: MIT */
#include "tests/unit/unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <pcap/pcap.h>

#include "capture/bpf.h"
#include "tests/unit/packet.h"

/* A TCP header from port 40000 to 8080 or back, with these flags and nothing behind it. */
#define TO_SERVER(flags) "x:9c401f90fffffff00102030450" flags "020000000000"
#define TO_CLIENT(flags) "x:1f909c40fffffff00102030450" flags "020000000000"
#define DATA " x:474554202f"
/* Linux cooked, version 2: protocol, device, direction. */
#define COOKED(protocol, device, direction)                                                        \
    "x:" protocol "0000" device "0001" direction "060200000000010000"
#define LO "00000001"
#define ETH "00000002"
#define RECEIVED "00"
#define SENT "04"

static const uint16_t ports[] = {80, 8080};

static struct bpf_wish wish(int link_type)
{
    return (struct bpf_wish){.ports = ports,
                             .n_ports = ARRAY_LEN(ports),
                             .tags = link_type == DLT_EN10MB ? 2 : 0,
                             .loopback = link_type == DLT_LINUX_SLL2 ? 1 : 0};
}

static void compile(struct bpf_program *program, int link_type, const struct bpf_wish *w)
{
    char text[BPF_TEXT_MAX];
    ck_assert(bpf_text(text, sizeof(text), w));
    pcap_t *pcap = pcap_open_dead(link_type, 262144);
    int r = pcap_compile(pcap, program, text, 1, PCAP_NETMASK_UNKNOWN);
    ck_assert_msg(r == 0, "%s: %s", pcap_geterr(pcap), text);
    pcap_close(pcap);
}

static bool passes_packet(int link_type, const struct bpf_wish *w, const struct pkt *p)
{
    struct bpf_program program;
    struct pcap_pkthdr header = {.caplen = (bpf_u_int32)pkt_len(p), .len = (bpf_u_int32)pkt_len(p)};
    compile(&program, link_type, w);
    bool passes = pcap_offline_filter(&program, &header, pkt_bytes(p)) != 0;
    pcap_freecode(&program);
    return passes;
}

static bool passes(int link_type, const struct bpf_wish *w, const char *layers)
{
    struct pkt p;
    pkt_build(&p, layers);
    return passes_packet(link_type, w, &p);
}

static const struct filter_case {
    const char *layers; /* behind the link header */
    bool requests, responses; /* does it pass without and with --input-raw-track-response? */
} cases[] = {
    {"ip4:06 tcp", true, true},
    {"ip4o:06 tcpo", true, true},
    {"ip4:06 " TO_SERVER("18") DATA, true, true},
    {"ip4:06 " TO_SERVER("10"), false, true}, /* a pure ACK */
    {"ip4:06 " TO_SERVER("02"), true, true},
    {"ip4:06 " TO_SERVER("11"), true, true},
    {"ip4:06 " TO_SERVER("04"), true, true},
    {"ip4:06 " TO_CLIENT("18") DATA, false, true},
    {"ip4:06 " TO_CLIENT("12"), false, true},
    {"ip4:06 x:9c4001bbfffffff0010203045018020000000000474554", false, false}, /* port 443 */
    {"ip4:11 x:9c401f90000c0000aaaaaaaa", false, false}, /* UDP to 8080 */
    {"ip6:06 tcp", true, true},
    {"ip6:06 tcpo", true, true},
    {"ip6:06 " TO_SERVER("10"), false, true},
    {"ip6:06 " TO_SERVER("02"), true, true},
    {"ip6:06 " TO_SERVER("11"), true, true},
    {"ip6:06 " TO_CLIENT("18") DATA, false, true},
    {"ip6:00 x:0600010400000000 tcp", true, true}, /* hop-by-hop options */
    {"ip6:00 x:3a00050200000000 x:8f00000000000000", false, false}, /* a multicast report */
    {"ip6:2b x:0600000000000000 tcp", true, true}, /* routing header */
    {"ip6:3c x:0600010400000000 tcp", true, true}, /* destination options */
    {"ip6:2c x:0600000100000001 tcp", true, true}, /* the first fragment */
    {"ip6:2c x:0600001000000001 x:474554", true, true}, /* a later one */
};

static void check_case(int link_type, const char *link4, const char *link6, int i)
{
    const struct filter_case *c = &cases[i];
    char layers[512];
    snprintf(layers, sizeof(layers), "%s%s%s", strncmp(c->layers, "ip4", 3) == 0 ? link4 : link6,
             *link4 ? " " : "", c->layers);
    struct bpf_wish w = wish(link_type);
    ck_assert_msg(passes(link_type, &w, layers) == c->requests, "requests: %s", layers);
    w.responses = true;
    ck_assert_msg(passes(link_type, &w, layers) == c->responses, "responses: %s", layers);
}

START_TEST(ethernet_lets_through_what_matters)
{
    check_case(DLT_EN10MB, "eth:0800", "eth:86dd", _i);
}
END_TEST

START_TEST(one_vlan_tag_changes_nothing)
{
    check_case(DLT_EN10MB, "eth:8100 x:00070800", "eth:8100 x:000786dd", _i);
}
END_TEST

START_TEST(two_vlan_tags_change_nothing)
{
    check_case(DLT_EN10MB, "eth:88a8 x:00098100 x:00070800", "eth:8100 x:00098100 x:000786dd", _i);
}
END_TEST

START_TEST(all_devices_let_through_what_matters)
{
    check_case(DLT_LINUX_SLL2, COOKED("0800", ETH, RECEIVED), COOKED("86dd", ETH, RECEIVED), _i);
}
END_TEST

START_TEST(a_device_without_a_link_header_lets_through_what_matters)
{
    check_case(DLT_RAW, "", "", _i);
}
END_TEST

START_TEST(a_segment_that_the_card_will_cut_has_length_0_and_passes)
{
    struct bpf_wish w = wish(DLT_EN10MB);
    struct pkt p;
    pkt_build(&p, "eth:0800 ip4:06 tcp");
    memset(p.room + p.start + 14 + 2, 0, 2);
    ck_assert(passes_packet(DLT_EN10MB, &w, &p));
    pkt_build(&p, "eth:86dd ip6:06 tcp");
    memset(p.room + p.start + 14 + 4, 0, 2);
    ck_assert(passes_packet(DLT_EN10MB, &w, &p));
}
END_TEST

START_TEST(a_later_ipv4_fragment_of_tcp_passes_whatever_its_bytes_say)
{
    struct bpf_wish w = wish(DLT_EN10MB);
    for (int responses = 0; responses < 2; responses++) {
        struct pkt p;
        w.responses = responses;
        pkt_build(&p, "eth:0800 ip4:06 x:6162636465666768");
        ck_assert(!passes_packet(DLT_EN10MB, &w, &p));
        p.room[p.start + 14 + 7] = 185; /* offset 1480 */
        ck_assert(passes_packet(DLT_EN10MB, &w, &p));
        p.room[p.start + 14 + 9] = 17;
        ck_assert(!passes_packet(DLT_EN10MB, &w, &p));
    }
}
END_TEST

START_TEST(padding_does_not_make_data_of_a_pure_ack)
{
    struct bpf_wish w = wish(DLT_EN10MB);
    struct pkt p;
    pkt_init(&p);
    pkt_prepend(&p, "\0\0\0\0\0\0", 6);
    size_t start = p.start;
    pkt_wrap(&p, "eth:0800 ip4:06 " TO_SERVER("10"));
    p.room[p.start + 14 + 3] = 40; /* the packet without it */
    ck_assert_uint_eq(start, sizeof(p.room) - 6);
    ck_assert(!passes_packet(DLT_EN10MB, &w, &p));
}
END_TEST

START_TEST(the_sent_copy_on_loopback_stays_outside_and_what_other_devices_send_passes)
{
    struct bpf_wish w = wish(DLT_LINUX_SLL2);
    for (int responses = 0; responses < 2; responses++) {
        w.responses = responses;
        ck_assert(passes(DLT_LINUX_SLL2, &w, COOKED("0800", LO, RECEIVED) " ip4:06 tcp"));
        ck_assert(!passes(DLT_LINUX_SLL2, &w, COOKED("0800", LO, SENT) " ip4:06 tcp"));
        ck_assert(passes(DLT_LINUX_SLL2, &w, COOKED("86dd", LO, RECEIVED) " ip6:06 tcp"));
        ck_assert(!passes(DLT_LINUX_SLL2, &w, COOKED("86dd", LO, SENT) " ip6:06 tcp"));
        ck_assert(passes(DLT_LINUX_SLL2, &w, COOKED("0800", ETH, SENT) " ip4:06 tcp"));
        ck_assert(passes(DLT_LINUX_SLL2, &w, COOKED("86dd", ETH, SENT) " ip6:06 tcp"));
    }
}
END_TEST

START_TEST(only_the_hosts_asked_for_pass_in_their_direction)
{
    struct bpf_wish w = wish(DLT_EN10MB);
    w.n_hosts = 2;
    memcpy(w.hosts[0], "10.0.0.2", 9);
    memcpy(w.hosts[1], "fd00::2", 8);
    ck_assert(passes(DLT_EN10MB, &w, "eth:0800 ip4:06 tcp"));
    ck_assert(passes(DLT_EN10MB, &w, "eth:8100 x:00070800 ip4:06 tcp"));
    ck_assert(passes(DLT_EN10MB, &w, "eth:86dd ip6:06 tcp"));
    memcpy(w.hosts[0], "10.0.0.1", 9); /* the client: it is no server */
    memcpy(w.hosts[1], "fd00::1", 8);
    ck_assert(!passes(DLT_EN10MB, &w, "eth:0800 ip4:06 tcp"));
    ck_assert(!passes(DLT_EN10MB, &w, "eth:8100 x:00070800 ip4:06 tcp"));
    ck_assert(!passes(DLT_EN10MB, &w, "eth:86dd ip6:06 tcp"));
    w.responses = true;
    ck_assert(passes(DLT_EN10MB, &w, "eth:0800 ip4:06 tcp"));
    ck_assert(passes(DLT_EN10MB, &w, "eth:86dd ip6:06 tcp"));
}
END_TEST

START_TEST(without_ports_all_of_tcp_passes)
{
    static const int links[] = {DLT_EN10MB, DLT_LINUX_SLL2, DLT_RAW};
    for (size_t i = 0; i < ARRAY_LEN(links); i++) {
        struct bpf_program program;
        struct bpf_wish w = wish(links[i]);
        w.n_ports = 0;
        compile(&program, links[i], &w);
        pcap_freecode(&program);
    }
    struct bpf_wish w = wish(DLT_EN10MB);
    w.n_ports = 0;
    ck_assert(passes(DLT_EN10MB, &w, "eth:0800 ip4:06 x:9c4001bbfffffff0010203045010020000000000"));
    ck_assert(passes(DLT_EN10MB, &w, "eth:8100 x:00070800 ip4:06 " TO_SERVER("10")));
    ck_assert(passes(DLT_EN10MB, &w, "eth:86dd ip6:06 " TO_CLIENT("12")));
    ck_assert(!passes(DLT_EN10MB, &w, "eth:0800 ip4:11 udp:35 x:00"));
}
END_TEST

START_TEST(as_many_ports_and_hosts_as_there_can_be_fit)
{
    uint16_t many[64];
    struct bpf_program program;
    struct bpf_wish w = wish(DLT_EN10MB);
    for (size_t i = 0; i < ARRAY_LEN(many); i++)
        many[i] = (uint16_t)(65535 - 2 * i);
    for (w.n_hosts = 0; w.n_hosts < BPF_HOSTS_MAX; w.n_hosts++)
        snprintf(w.hosts[w.n_hosts], BPF_HOST_LEN, "2001:db8:aaaa:bbbb:cccc:dddd:eeee:fff%zx",
                 w.n_hosts);
    w.ports = many;
    w.n_ports = ARRAY_LEN(many);
    compile(&program, DLT_EN10MB, &w);
    ck_assert_uint_le(program.bf_len, 4096); /* what the kernel takes */
    pcap_freecode(&program);
}
END_TEST

START_TEST(a_text_that_does_not_fit_is_not_half_a_filter)
{
    char text[BPF_TEXT_MAX];
    struct bpf_wish w = wish(DLT_EN10MB);
    ck_assert(bpf_text(text, sizeof(text), &w));
    size_t len = strlen(text);
    char *exact = malloc(len + 2);
    ck_assert(bpf_text(exact, len + 2, &w));
    ck_assert_str_eq(exact, text);
    for (size_t size = 1; size <= len; size += 7)
        ck_assert(!bpf_text(exact, size, &w));
    ck_assert(!bpf_text(exact, len, &w));
    free(exact);
}
END_TEST

Suite *suite(void)
{
    const TTest *const loops[] = {
        ethernet_lets_through_what_matters,
        one_vlan_tag_changes_nothing,
        two_vlan_tags_change_nothing,
        all_devices_let_through_what_matters,
        a_device_without_a_link_header_lets_through_what_matters,
    };
    const TTest *const tests[] = {
        a_segment_that_the_card_will_cut_has_length_0_and_passes,
        a_later_ipv4_fragment_of_tcp_passes_whatever_its_bytes_say,
        padding_does_not_make_data_of_a_pure_ack,
        the_sent_copy_on_loopback_stays_outside_and_what_other_devices_send_passes,
        only_the_hosts_asked_for_pass_in_their_direction,
        without_ports_all_of_tcp_passes,
        as_many_ports_and_hosts_as_there_can_be_fit,
        a_text_that_does_not_fit_is_not_half_a_filter,
    };
    Suite *s = suite_of("bpf", tests, ARRAY_LEN(tests));
    TCase *tc = tcase_create("bpf cases");
    for (size_t i = 0; i < ARRAY_LEN(loops); i++)
        tcase_add_loop_test(tc, loops[i], 0, ARRAY_LEN(cases));
    suite_add_tcase(s, tc);
    return s;
}
