/* SPDX-License-Identifier: MIT */
#include "tests/unit/unit.h"

#include <stdio.h>
#include <string.h>

#include "capture/raw_address.h"
#include "tests/unit/folder.h"

static void setup(void)
{
    folder_enter();
}

static void teardown(void)
{
    folder_leave();
}

/* "device HOST [PORT PORT]" or "file PATH [PORT]", or the error. */
static const char *parse(const char *text, bool file_engine)
{
    static char out[2048];
    struct raw_address a;
    struct err err = {0};
    int r = raw_address_parse(&a, text, file_engine, &err);
    if (r < 0) {
        ck_assert_int_eq(err.status, STATUS_USAGE);
        ck_assert_msg(strstr(err.text, text) != NULL, "the error does not name it: %s", err.text);
        snprintf(out, sizeof(out), "%s", err.text);
        return out;
    }
    int n = snprintf(out, sizeof(out), "%s %s [", a.is_file ? "file" : "device", a.host);
    for (size_t i = 0; i < a.n_ports; i++)
        n += snprintf(out + n, sizeof(out) - (size_t)n, "%s%u", i ? " " : "", a.ports[i]);
    snprintf(out + n, sizeof(out) - (size_t)n, "]");
    return out;
}

START_TEST(a_host_and_ports_are_taken_apart)
{
    static const struct {
        const char *text, *found;
    } cases[] = {
        {":80", "device  [80]"},
        {":80,8080,65535", "device  [80 8080 65535]"},
        {":", "device  []"},
        {":0", "device  []"},
        {"eth0:80", "device eth0 [80]"},
        {"eth0.5:", "device eth0.5 []"},
        {"0.0.0.0:1", "device 0.0.0.0 [1]"},
        {"10.1.2.3:443", "device 10.1.2.3 [443]"},
        {"[::1]:80", "device ::1 [80]"},
        {"[::]:80,81", "device :: [80 81]"},
        {"www.example.org:80", "device www.example.org [80]"},
        {"pcap:80", "device pcap [80]"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        ck_assert_str_eq(parse(cases[i].text, false), cases[i].found);
}
END_TEST

START_TEST(a_bad_port_is_named)
{
    static const char *const ports[] = {
        "x",   "http",   "65536", "99999", "-1",  "8 0",  "80,",
        ",80", "80,,81", "0,80",  "80,0",  "80x", "0x50", "18446744073709551696"};
    for (size_t i = 0; i < ARRAY_LEN(ports); i++) {
        char text[64], quoted[64];
        snprintf(text, sizeof(text), "lo:%s", ports[i]);
        snprintf(quoted, sizeof(quoted), "ports \"%s\"", ports[i]);
        ck_assert_ptr_nonnull(strstr(parse(text, false), quoted));
    }
}
END_TEST

START_TEST(what_is_no_address_is_told_how_to_write_one)
{
    ck_assert_ptr_nonnull(strstr(parse("80", false), "\":80\""));
    ck_assert_ptr_nonnull(strstr(parse("80,81", false), "\":80,81\""));
    ck_assert_ptr_nonnull(strstr(parse("eth0", false), "\"eth0:80\""));
    ck_assert_ptr_nonnull(strstr(parse("::1:80", false), "[::1]:80"));
    ck_assert_ptr_nonnull(strstr(parse("k8s://default/pod/x:80", false), "node"));
}
END_TEST

START_TEST(a_name_longer_than_any_host_and_more_ports_than_fit_are_refused)
{
    char text[1024];
    struct raw_address a;
    struct err err = {0};
    memset(text, 'a', sizeof(text));
    memcpy(text + 300, ":80", 4);
    ck_assert_int_lt(raw_address_parse(&a, text, false, &err), 0);
    ck_assert_int_eq(err.status, STATUS_USAGE);
    size_t n = 0;
    text[n++] = ':';
    for (int i = 0; i < RAW_PORTS_MAX; i++)
        n += (size_t)snprintf(text + n, sizeof(text) - n, "%s%d", i ? "," : "", 1000 + i);
    ck_assert_int_eq(raw_address_parse(&a, text, false, &err), 0);
    ck_assert_uint_eq(a.n_ports, RAW_PORTS_MAX);
    memcpy(text + n, ",7", 3);
    ck_assert_ptr_nonnull(strstr(parse(text, false), "more than"));
}
END_TEST

START_TEST(a_capture_file_is_known_by_its_name_or_by_the_engine)
{
    static const struct {
        const char *text;
        bool engine;
        const char *found;
    } cases[] = {
        {"a.pcap:80", false, "file a.pcap [80]"},
        {"a.pcap", false, "file a.pcap []"},
        {"/x/a.pcapng:80,81", false, "file /x/a.pcapng [80 81]"},
        {"a.pcap.gz", false, "file a.pcap.gz []"},
        {"a.pcapng.gz:0", false, "file a.pcapng.gz []"},
        {"-", false, "file - []"},
        {"-:8080", false, "file - [8080]"},
        {"-:8080", true, "file - [8080]"},
        {"capture", true, "file capture []"},
        {"capture.cap:80", true, "file capture.cap [80]"},
        {"a b:c.pcap:80", true, "file a b:c.pcap [80]"},
        {"a:b", true, "file a:b []"},
        {"capture.cap:80", false, "device capture.cap [80]"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        ck_assert_str_eq(parse(cases[i].text, cases[i].engine), cases[i].found);
    ck_assert_ptr_nonnull(strstr(parse("a.pcap:99999", false), "ports \"99999\""));
    ck_assert_ptr_nonnull(strstr(parse(":80", true), "missing"));
}
END_TEST

START_TEST(a_colon_belongs_to_the_name_of_a_file_that_exists)
{
    file_put("day:80", "", 0);
    file_put("x.pcap:81", "", 0);
    ck_assert_str_eq(parse("day:80", true), "file day:80 []");
    ck_assert_str_eq(parse("day:80:443", true), "file day:80 [443]");
    ck_assert_str_eq(parse("x.pcap:81", true), "file x.pcap:81 []");
}
END_TEST

Suite *suite(void)
{
    const TTest *const tests[] = {
        a_host_and_ports_are_taken_apart,
        a_bad_port_is_named,
        what_is_no_address_is_told_how_to_write_one,
        a_name_longer_than_any_host_and_more_ports_than_fit_are_refused,
        a_capture_file_is_known_by_its_name_or_by_the_engine,
        a_colon_belongs_to_the_name_of_a_file_that_exists,
    };
    Suite *s = suite_create("raw_address");
    TCase *tc = tcase_create("raw_address");
    tcase_add_checked_fixture(tc, setup, teardown);
    for (size_t i = 0; i < ARRAY_LEN(tests); i++)
        tcase_add_test(tc, tests[i]);
    suite_add_tcase(s, tc);
    return s;
}
