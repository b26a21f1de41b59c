/* SPDX-License-Identifier: MIT */
#include "tests/unit/unit.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/timerfd.h>
#include <unistd.h>
#include <zlib.h>

#include <pcap/pcap.h>

#include "capture/inputs.h"
#include "lib/log.h"
#include "lib/mem.h"
#include "tests/unit/folder.h"
#include "tests/unit/options_fake.h"
#include "tests/unit/packet.h"

#define FIRST_S 1700000000
#define RECORD_HEAD 16 /* of a packet in a pcap file */
#define FILE_HEAD 24

static struct books books;
static int stop_fd = -1;
static struct option_value values[] = {
    {"input-raw-engine", 0, "pcap_file"},
    {"input-raw-bpf-filter", 0, ""},
    {"input-raw-track-response", 0, NULL},
    {"input-raw-allow-incomplete", 0, NULL},
    {"input-raw-max-head", 65536, NULL},
    {"input-raw-max-body", 128 << 20, NULL},
    {"max-memory", 256 << 20, NULL},
    {"input-raw-expire", INT64_C(60000000000), NULL},
    {"input-raw-buffer-size", 1 << 20, NULL},
    {"input-raw-buffer-timeout", 0, NULL},
    {"input-raw-promisc", 0, NULL},
    {"input-raw-monitor", 0, NULL},
    {"input-raw-timestamp-type", 0, NULL},
    {"input-raw-realip-header", 0, ""},
    {"input-raw-stats", 0, NULL},
    {"input-raw-protocol", 0, "http"},
};
static const struct options options = {.values = values, .n_values = ARRAY_LEN(values)};

static struct option_value *option(const char *name)
{
    for (size_t i = 0; i < ARRAY_LEN(values); i++)
        if (strcmp(values[i].name, name) == 0)
            return &values[i];
    abort();
}

static void setup(void)
{
    struct itimerspec never = {.it_value = {0, 0}};
    log_set_level(LOG_ERROR);
    folder_enter();
    stop_fd = timerfd_create(CLOCK_MONOTONIC, 0);
    ck_assert_int_eq(timerfd_settime(stop_fd, 0, &never, NULL), 0);
}

static void teardown(void)
{
    close(stop_fd);
    folder_leave();
    for (enum mem_tag tag = 0; tag < MEM_TAGS; tag++)
        ck_assert_int_eq(mem_used(tag), 0);
}

/* Everything about the messages that came, as text. */
static struct {
    struct sink sink;
    char text[262144];
    size_t n, len;
    char last[256]; /* the payload of the last one */
} got;

static void collect(struct sink *sink, const struct msg *msg)
{
    char src[ENDPOINT_TEXT_MAX], dst[ENDPOINT_TEXT_MAX];
    (void)sink;
    src[endpoint_format(src, &msg->src)] = '\0';
    dst[endpoint_format(dst, &msg->dst)] = '\0';
    got.len += (size_t)snprintf(got.text + got.len, sizeof(got.text) - got.len,
                                "%c %.*s %lld %s %s %zu %.*s\n", msg->type, msg->id_len, msg->id,
                                (long long)msg->ts_ns, src, dst, msg->len, (int)msg_target(msg).len,
                                (const char *)msg_target(msg).ptr);
    got.n++;
    snprintf(got.last, sizeof(got.last), "%.*s", (int)msg->len, (const char *)msg->bytes);
    msg_unref(msg);
}

static struct input *open_input(const char *address, struct err *err)
{
    struct input *in = NULL;
    struct input_args args = {.addresses = &address,
                              .n_addresses = 1,
                              .options = &options,
                              .books = &books,
                              .stop_fd = stop_fd};
    *err = (struct err){0};
    memset(&books, 0, sizeof(books));
    memset(&got, 0, sizeof(got));
    got.sink.put = collect;
    return input_raw.open(&in, &args, err) == 0 ? in : NULL;
}

static void close_input(struct input *in)
{
    in->ops->finish(in, &got.sink);
    in->ops->account(in);
    in->ops->close(in);
}

/* Reads all of a file; the last result of poll. */
static int play(const char *address, struct err *err)
{
    struct input *in = open_input(address, err);
    ck_assert_msg(in != NULL, "%s", err->text);
    int r;
    do
        r = in->ops->poll(in, &got.sink, 200, err);
    while (r == INPUT_MORE);
    close_input(in);
    return r;
}

static const char *text_of(const char *address)
{
    struct err err;
    int r = play(address, &err);
    ck_assert_msg(r == INPUT_END, "%s", err.text);
    return got.text;
}

/* Packet number i of a capture: request "/a" of a client of its own, i milliseconds and i ns
 * later. */
static void make_packet(struct pkt *p, struct pcap_pkthdr *header, unsigned i, const char *layers)
{
    pkt_build(p, layers);
    uint8_t *tcp = p->room + sizeof(p->room) - PACKET_PAYLOAD_LEN - 20;
    tcp[0] = (uint8_t)(0x80 | i >> 8);
    tcp[1] = (uint8_t)i;
    *header = (struct pcap_pkthdr){.ts = {FIRST_S, i * 1000001},
                                   .caplen = (bpf_u_int32)pkt_len(p),
                                   .len = (bpf_u_int32)pkt_len(p)};
}

static void make_capture(const char *file, int link_type, const char *layers, unsigned n)
{
    struct pkt p;
    struct pcap_pkthdr header;
    pcap_t *pcap =
        pcap_open_dead_with_tstamp_precision(link_type, 262144, PCAP_TSTAMP_PRECISION_NANO);
    pcap_dumper_t *dumper = pcap_dump_open(pcap, file);
    ck_assert_ptr_nonnull(dumper);
    for (unsigned i = 0; i < n; i++) {
        make_packet(&p, &header, i, layers);
        pcap_dump((u_char *)dumper, &header, pkt_bytes(&p));
    }
    pcap_dump_close(dumper);
    pcap_close(pcap);
}

static size_t packet_len(void)
{
    struct pkt p;
    struct pcap_pkthdr header;
    make_packet(&p, &header, 0, "eth:0800 ip4:06 tcp");
    return RECORD_HEAD + header.caplen;
}

static void make_usual(const char *file, unsigned n)
{
    make_capture(file, DLT_EN10MB, "eth:0800 ip4:06 tcp", n);
}

static void compress_file(const char *from, const char *to)
{
    size_t n;
    uint8_t *bytes = file_get(from, &n);
    gzFile gz = gzopen(to, "wb");
    ck_assert_int_eq(gzwrite(gz, bytes, (unsigned)n), (int)n);
    ck_assert_int_eq(gzclose(gz), Z_OK);
    free(bytes);
}

/* Standard input becomes the reading end of a pipe; returns the writing end. */
static int pipe_to_stdin(void)
{
    int fds[2];
    ck_assert_int_eq(pipe(fds), 0);
    ck_assert_int_eq(dup2(fds[0], STDIN_FILENO), STDIN_FILENO);
    close(fds[0]);
    return fds[1];
}

START_TEST(a_capture_file_gives_each_request_with_time_and_addresses)
{
    make_usual("a.pcap", 3);
    ck_assert_ptr_nonnull(strstr(text_of("a.pcap:8080"), " 1700000000000000000 10.0.0.1:32768 "
                                                         "10.0.0.2:8080 28 /a\n"));
    ck_assert_ptr_nonnull(strstr(got.text, " 1700000000002000002 10.0.0.1:32770 "));
    ck_assert_uint_eq(got.n, 3);
    ck_assert_uint_eq(book_get(&books, BOOK_PACKETS), 3);
    ck_assert_uint_eq(book_get(&books, BOOK_REQ_COMPLETE), 3);
    ck_assert_uint_eq(book_get(&books, BOOK_PACKET_BYTES), 3 * (packet_len() - RECORD_HEAD));
}
END_TEST

START_TEST(twenty_runs_give_the_same_messages)
{
    make_usual("a.pcap", 500);
    char *first = strdup(text_of("a.pcap:8080"));
    ck_assert_uint_eq(got.n, 500);
    for (int i = 0; i < 19; i++)
        ck_assert_str_eq(text_of("a.pcap:8080"), first);
    ck_assert_str_eq(text_of("a.pcap"), first);
    free(first);
}
END_TEST

START_TEST(gzip_and_standard_input_give_the_same_as_the_file)
{
    make_usual("a.pcap", 500);
    compress_file("a.pcap", "a.pcap.gz");
    char *first = strdup(text_of("a.pcap:8080"));
    ck_assert_uint_eq(got.n, 500);
    ck_assert_str_eq(text_of("a.pcap.gz:8080"), first);
    static const char *const files[] = {"a.pcap", "a.pcap.gz"};
    for (size_t i = 0; i < ARRAY_LEN(files); i++) {
        int fd = open(files[i], O_RDONLY);
        ck_assert_int_eq(dup2(fd, STDIN_FILENO), STDIN_FILENO);
        close(fd);
        ck_assert_str_eq(text_of("-:8080"), first);
    }
    free(first);
}
END_TEST

/* Requests, from the 50th on with packets of all lengths between them that are none. */
static void make_mixed(const char *file, uint32_t magic, uint32_t snaplen)
{
    static const uint8_t filler[250000];
    const uint32_t head[] = {magic, 2 | 4 << 16, 0, 0, snaplen, DLT_EN10MB};
    struct pkt p;
    struct pcap_pkthdr header;
    file_put(file, head, sizeof(head));
    for (unsigned i = 0; i < 150; i++) {
        make_packet(&p, &header, i, "eth:0800 ip4:06 tcp");
        uint32_t record[] = {FIRST_S, 999 - i, header.caplen, header.caplen + i % 2};
        file_add(file, record, sizeof(record));
        file_add(file, pkt_bytes(&p), header.caplen);
        if (i < 50)
            continue;
        record[2] = record[3] = i % 10 == 0 ? sizeof(filler) : i * i;
        file_add(file, record, sizeof(record));
        file_add(file, filler, record[2]);
    }
}

/* What is compressed is read by libpcap, and so says how it is meant. */
static void check_mixed(uint32_t magic, uint32_t snaplen)
{
    make_mixed("a.pcap", magic, snaplen);
    compress_file("a.pcap", "a.pcap.gz");
    char *first = strdup(text_of("a.pcap"));
    struct books found = books;
    ck_assert_uint_eq(got.n, 150);
    ck_assert_str_eq(text_of("a.pcap.gz"), first);
    ck_assert_int_eq(memcmp(&found, &books, sizeof(books)), 0);
    free(first);
}

START_TEST(packets_that_are_read_in_place_are_those_that_libpcap_reads)
{
    check_mixed(0xa1b2c3d4, 262144);
    check_mixed(0xa1b23c4d, 262144);
    check_mixed(0xa1b23c4d, 100); /* longer ones are cut as they are read */
    check_mixed(0xa1b2c3d4, 0);
}
END_TEST

START_TEST(a_file_that_grows_while_it_is_read_is_read_to_its_end)
{
    struct err err;
    size_t n, one = packet_len();
    make_usual("whole.pcap", 3);
    uint8_t *bytes = file_get("whole.pcap", &n);
    file_put("a.pcap", bytes, FILE_HEAD + one);
    struct input *in = open_input("a.pcap", &err);
    ck_assert_ptr_nonnull(in);
    ck_assert_int_eq(in->ops->poll(in, &got.sink, 0, &err), INPUT_MORE);
    ck_assert_uint_eq(got.n, 1);
    file_add("a.pcap", bytes + FILE_HEAD + one, 2 * one);
    while (in->ops->poll(in, &got.sink, 0, &err) == INPUT_MORE)
        ;
    ck_assert_uint_eq(got.n, 3);
    close_input(in);
    free(bytes);
}
END_TEST

START_TEST(a_pipe_hands_on_what_is_complete_while_it_waits_for_more)
{
    struct err err;
    size_t n;
    make_usual("a.pcap", 3);
    uint8_t *bytes = file_get("a.pcap", &n);
    int fd = pipe_to_stdin();
    struct input *in = open_input("-:8080", &err);
    ck_assert_ptr_nonnull(in);
    size_t one = FILE_HEAD + packet_len();
    ck_assert_int_eq(write(fd, bytes, one + RECORD_HEAD + 9), (ssize_t)(one + RECORD_HEAD + 9));
    ck_assert_int_eq(in->ops->poll(in, &got.sink, 200, &err), INPUT_MORE);
    ck_assert_uint_eq(got.n, 1); /* and the call has come back: its taker is woken */
    size_t rest = n - one - RECORD_HEAD - 9;
    ck_assert_int_eq(write(fd, bytes + n - rest, rest), (ssize_t)rest);
    close(fd);
    while (in->ops->poll(in, &got.sink, 200, &err) == INPUT_MORE)
        ;
    ck_assert_uint_eq(got.n, 3);
    ck_assert_uint_eq(book_get(&books, BOOK_CAPTURES_CUT), 0);
    close_input(in);
    free(bytes);
}
END_TEST

/* written: how much of a capture has come when the stop does. */
static void check_stopped_pipe(size_t written, unsigned found)
{
    struct err err;
    size_t n;
    struct itimerspec soon = {.it_value = {0, 30 * 1000 * 1000}};
    make_usual("a.pcap", 3);
    uint8_t *bytes = file_get("a.pcap", &n);
    int fd = pipe_to_stdin();
    ck_assert_int_eq(write(fd, bytes, written), (ssize_t)written);
    ck_assert_int_eq(timerfd_settime(stop_fd, 0, &soon, NULL), 0);
    ck_assert_int_eq(play("-:8080", &err), INPUT_END);
    ck_assert_uint_eq(got.n, found);
    ck_assert_uint_eq(book_get(&books, BOOK_CAPTURES_CUT), 0);
    close(fd);
    free(bytes);
}

START_TEST(a_pipe_that_is_silent_can_be_stopped_before_its_header)
{
    check_stopped_pipe(0, 0);
}
END_TEST

START_TEST(a_pipe_that_is_silent_can_be_stopped_inside_a_packet)
{
    check_stopped_pipe(FILE_HEAD + packet_len() + RECORD_HEAD + 1, 1);
}
END_TEST

START_TEST(a_file_cut_at_any_byte_gives_what_is_whole_and_says_so)
{
    struct err err;
    size_t n, one = packet_len();
    make_usual("a.pcap", 2);
    uint8_t *bytes = file_get("a.pcap", &n);
    for (size_t len = FILE_HEAD; len <= n; len++) {
        file_put("cut.pcap", bytes, len);
        ck_assert_int_eq(play("cut.pcap:8080", &err), INPUT_END);
        ck_assert_uint_eq(got.n, (len - FILE_HEAD) / one);
        bool is_whole = (len - FILE_HEAD) % one == 0;
        ck_assert_uint_eq(book_get(&books, BOOK_CAPTURES_CUT), is_whole ? 0 : 1);
    }
    free(bytes);
}
END_TEST

START_TEST(a_gzip_file_that_is_torn_gives_what_is_whole_and_says_so)
{
    struct err err;
    make_usual("a.pcap", 500);
    compress_file("a.pcap", "a.pcap.gz");
    file_cut("a.pcap.gz", (size_t)file_size("a.pcap.gz") / 2);
    ck_assert_int_eq(play("a.pcap.gz", &err), INPUT_END);
    ck_assert_uint_gt(got.n, 50);
    ck_assert_uint_lt(got.n, 450);
    ck_assert_uint_eq(book_get(&books, BOOK_CAPTURES_CUT), 1);
}
END_TEST

START_TEST(a_gzip_file_torn_between_two_packets_says_so_too)
{
    struct err err;
    size_t n;
    make_usual("a.pcap", 5);
    uint8_t *bytes = file_get("a.pcap", &n);
    gzFile gz = gzopen("a.pcap.gz", "wb");
    ck_assert_int_eq(gzwrite(gz, bytes, (unsigned)n), (int)n);
    ck_assert_int_eq(gzflush(gz, Z_SYNC_FLUSH), Z_OK);
    size_t flushed = (size_t)file_size("a.pcap.gz");
    ck_assert_int_eq(gzclose(gz), Z_OK);
    file_cut("a.pcap.gz", flushed);
    ck_assert_int_eq(play("a.pcap.gz", &err), INPUT_END);
    ck_assert_uint_eq(got.n, 5);
    ck_assert_uint_eq(book_get(&books, BOOK_CAPTURES_CUT), 1);
    free(bytes);
}
END_TEST

/* A file that is refused at the start, with its name and this word. */
static void check_refused(const char *address, enum exit_status status, const char *word)
{
    struct err err;
    ck_assert_ptr_null(open_input(address, &err));
    ck_assert_int_eq(err.status, status);
    ck_assert_msg(strstr(err.text, address) != NULL, "no name in: %s", err.text);
    ck_assert_msg(strstr(err.text, word) != NULL, "no \"%s\" in: %s", word, err.text);
}

START_TEST(what_is_no_capture_file_is_refused_at_the_start)
{
    static const char words[] = "this is no capture file, but long enough to be one";
    file_put("text.pcap", words, sizeof(words));
    file_put("empty.pcap", "", 0);
    file_put("short.pcap", "\xd4\xc3\xb2\xa1\2\0\4\0", 8);
    make_usual("a.pcap", 1);
    check_refused("absent.pcap", STATUS_FAILURE, "No such file");
    check_refused(".", STATUS_FAILURE, "directory");
    check_refused("text.pcap", STATUS_FAILURE, "not a capture file");
    check_refused("empty.pcap", STATUS_FAILURE, "not a capture file");
    check_refused("short.pcap", STATUS_FAILURE, "not a capture file");
    compress_file("text.pcap", "text.pcap.gz");
    check_refused("text.pcap.gz", STATUS_FAILURE, "not a capture file");
    make_capture("usb.pcap", DLT_USB_LINUX, "eth:0800 ip4:06 tcp", 1);
    check_refused("usb.pcap", STATUS_FAILURE, "USB");
}
END_TEST

START_TEST(a_pipe_that_is_no_capture_is_an_error_when_it_is_read)
{
    struct err err;
    int fd = pipe_to_stdin();
    ck_assert_int_eq(write(fd, "nothing of that kind at all", 27), 27);
    close(fd);
    ck_assert_int_lt(play("-", &err), 0);
    ck_assert_ptr_nonnull(strstr(err.text, "not a capture file"));
    fd = pipe_to_stdin();
    make_capture("usb.pcap", DLT_USB_LINUX, "eth:0800 ip4:06 tcp", 1);
    size_t n;
    uint8_t *bytes = file_get("usb.pcap", &n);
    ck_assert_int_eq(write(fd, bytes, n), (ssize_t)n);
    close(fd);
    free(bytes);
    ck_assert_int_lt(play("-", &err), 0);
    ck_assert_ptr_nonnull(strstr(err.text, "USB"));
}
END_TEST

START_TEST(damage_inside_is_an_error_and_what_stands_before_is_used)
{
    struct err err;
    size_t n, one = packet_len();
    make_usual("a.pcap", 3);
    uint8_t *bytes = file_get("a.pcap", &n);
    memset(bytes + FILE_HEAD + 2 * one + 8, 0xff, 4); /* a length beyond reason */
    file_put("a.pcap", bytes, n);
    free(bytes);
    ck_assert_int_lt(play("a.pcap", &err), 0);
    ck_assert_ptr_nonnull(strstr(err.text, "a.pcap"));
    ck_assert_uint_eq(got.n, 2);
    ck_assert_uint_eq(book_get(&books, BOOK_CAPTURES_CUT), 0);
}
END_TEST

/* Appends a block of a pcapng file, body already padded. */
static void add_block(const char *file, uint32_t type, const void *body, uint32_t len)
{
    uint32_t head[2] = {type, len + 12};
    file_add(file, head, sizeof(head));
    file_add(file, body, len);
    file_add(file, &head[1], 4);
}

static void add_interface(const char *file, uint16_t link_type)
{
    const uint16_t body[4] = {link_type, 0, 0, 4};
    add_block(file, 1, body, sizeof(body));
}

static void add_packet(const char *file, uint32_t interface, uint64_t time_us)
{
    struct pkt p;
    struct pcap_pkthdr header;
    uint8_t body[20 + 256] = {0};
    make_packet(&p, &header, interface, "eth:0800 ip4:06 tcp");
    const uint32_t head[5] = {interface, (uint32_t)(time_us >> 32), (uint32_t)time_us,
                              header.caplen, header.caplen};
    memcpy(body, head, sizeof(head));
    memcpy(body + 20, pkt_bytes(&p), header.caplen);
    add_block(file, 6, body, 20 + (header.caplen + 3) / 4 * 4);
}

static void begin_pcapng(const char *file)
{
    const uint32_t section[4] = {0x1a2b3c4d, 1, UINT32_MAX, UINT32_MAX};
    file_put(file, "", 0);
    add_block(file, 0x0a0d0d0a, section, sizeof(section));
    add_interface(file, 1);
}

START_TEST(a_pcapng_file_is_read_and_one_with_two_link_types_is_an_error)
{
    struct err err;
    begin_pcapng("a.pcapng");
    add_packet("a.pcapng", 0, UINT64_C(1700000000123456));
    ck_assert_ptr_nonnull(strstr(text_of("a.pcapng:8080"), " 1700000000123456000 10.0.0.1:32768 "));
    add_interface("a.pcapng", 113);
    add_packet("a.pcapng", 1, UINT64_C(1700000000123457));
    ck_assert_int_lt(play("a.pcapng:8080", &err), 0);
    ck_assert_uint_eq(got.n, 1);
    ck_assert_ptr_nonnull(strstr(err.text, "type"));
}
END_TEST

START_TEST(times_that_no_clock_could_have_shown_do_no_harm)
{
    static const uint64_t times[] = {0, UINT64_MAX, UINT64_C(1) << 63, UINT64_MAX / 2, 1};
    for (size_t i = 0; i < ARRAY_LEN(times); i++) {
        begin_pcapng("a.pcapng");
        add_packet("a.pcapng", 0, times[i]);
        text_of("a.pcapng");
        ck_assert_uint_eq(got.n, 1);
        ck_assert_ptr_null(strstr(got.text, " -"));
    }
}
END_TEST

START_TEST(ports_and_the_users_filter_choose_packets)
{
    struct err err;
    make_usual("a.pcap", 5);
    text_of("a.pcap:80,8081");
    ck_assert_uint_eq(got.n, 0);
    ck_assert_uint_eq(book_get(&books, BOOK_SKIPPED_PORT), 5);
    text_of("a.pcap:80,8080");
    ck_assert_uint_eq(got.n, 5);
    option("input-raw-bpf-filter")->text = "tcp src port 32770";
    text_of("a.pcap:8080");
    ck_assert_uint_eq(got.n, 1);
    ck_assert_ptr_nonnull(strstr(got.text, "10.0.0.1:32770"));
    ck_assert_uint_eq(book_get(&books, BOOK_PACKETS), 1);
    option("input-raw-bpf-filter")->text = "tcp sport 1";
    ck_assert_ptr_null(open_input("a.pcap:8080", &err));
    ck_assert_int_eq(err.status, STATUS_USAGE);
    ck_assert_ptr_nonnull(strstr(err.text, "\"tcp sport 1\""));
}
END_TEST

START_TEST(the_clients_address_can_be_put_into_a_header)
{
    struct err err;
    option("input-raw-realip-header")->text = "X-Real-IP";
    make_usual("4.pcap", 1);
    text_of("4.pcap:8080");
    ck_assert_str_eq(got.last, "GET /a HTTP/1.1\r\nX-Real-IP: 10.0.0.1\r\nHost: b\r\n\r\n");
    make_capture("6.pcap", DLT_EN10MB, "eth:86dd ip6:06 tcp", 1);
    text_of("6.pcap:8080");
    ck_assert_str_eq(got.last, "GET /a HTTP/1.1\r\nX-Real-IP: fd00::1\r\nHost: b\r\n\r\n");
    option("input-raw-realip-header")->text = "host";
    text_of("4.pcap:8080");
    ck_assert_str_eq(got.last, "GET /a HTTP/1.1\r\nHost: 10.0.0.1\r\n\r\n");
    option("input-raw-realip-header")->text = "X Y";
    ck_assert_ptr_null(open_input("4.pcap:8080", &err));
    ck_assert_int_eq(err.status, STATUS_USAGE);
    ck_assert_ptr_nonnull(strstr(err.text, "\"X Y\""));
}
END_TEST

START_TEST(a_tunnel_is_found_by_the_port_inside)
{
    make_capture("a.pcap", DLT_EN10MB,
                 "eth:8100 x:00070800 ip4:11 udp:12b5 x:0800000000002a00 "
                 "eth:0800 ip4:06 tcp",
                 3);
    text_of("a.pcap:8080");
    ck_assert_uint_eq(got.n, 3);
}
END_TEST

START_TEST(without_memory_nothing_is_opened_and_nothing_leaks)
{
    struct err err;
    make_usual("a.pcap", 1);
    compress_file("a.pcap", "a.pcap.gz");
    static const char *const files[] = {"a.pcap", "a.pcap.gz"};
    for (size_t i = 0; i < ARRAY_LEN(files); i++) {
        struct input *in = NULL;
        uint64_t nth = 0;
        while (!in) {
            mem_fail_at(++nth);
            in = open_input(files[i], &err);
            mem_fail_at(0);
            ck_assert_uint_lt(nth, 100);
            ck_assert(in || err.text[0]);
        }
        ck_assert_uint_gt(nth, 1);
        close_input(in);
    }
}
END_TEST

START_TEST(a_device_that_does_not_exist_is_told_with_those_that_do)
{
    struct err err;
    option("input-raw-engine")->text = "libpcap";
    ck_assert_ptr_null(open_input("no-such-device:80", &err));
    ck_assert_int_eq(err.status, STATUS_USAGE);
    ck_assert_ptr_nonnull(strstr(err.text, "\"no-such-device\""));
    ck_assert_ptr_nonnull(strstr(err.text, "lo"));
}
END_TEST

START_TEST(a_device_is_live_and_a_file_is_not)
{
    struct err err;
    make_usual("a.pcap", 1);
    struct input *in = open_input("a.pcap", &err);
    ck_assert(!in->ops->live);
    close_input(in);
    ck_assert(input_raw.live);
}
END_TEST

Suite *suite(void)
{
    const TTest *const tests[] = {
        a_capture_file_gives_each_request_with_time_and_addresses,
        twenty_runs_give_the_same_messages,
        gzip_and_standard_input_give_the_same_as_the_file,
        packets_that_are_read_in_place_are_those_that_libpcap_reads,
        a_file_that_grows_while_it_is_read_is_read_to_its_end,
        a_pipe_hands_on_what_is_complete_while_it_waits_for_more,
        a_pipe_that_is_silent_can_be_stopped_before_its_header,
        a_pipe_that_is_silent_can_be_stopped_inside_a_packet,
        a_file_cut_at_any_byte_gives_what_is_whole_and_says_so,
        a_gzip_file_that_is_torn_gives_what_is_whole_and_says_so,
        a_gzip_file_torn_between_two_packets_says_so_too,
        what_is_no_capture_file_is_refused_at_the_start,
        a_pipe_that_is_no_capture_is_an_error_when_it_is_read,
        damage_inside_is_an_error_and_what_stands_before_is_used,
        a_pcapng_file_is_read_and_one_with_two_link_types_is_an_error,
        times_that_no_clock_could_have_shown_do_no_harm,
        ports_and_the_users_filter_choose_packets,
        the_clients_address_can_be_put_into_a_header,
        a_tunnel_is_found_by_the_port_inside,
        without_memory_nothing_is_opened_and_nothing_leaks,
        a_device_that_does_not_exist_is_told_with_those_that_do,
        a_device_is_live_and_a_file_is_not,
    };
    Suite *s = suite_create("input_raw");
    TCase *tc = tcase_create("input_raw");
    tcase_set_timeout(tc, 60);
    tcase_add_checked_fixture(tc, setup, teardown);
    for (size_t i = 0; i < ARRAY_LEN(tests); i++)
        tcase_add_test(tc, tests[i]);
    suite_add_tcase(s, tc);
    return s;
}
