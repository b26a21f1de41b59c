/* SPDX-License-Identifier: MIT */
#include "tests/unit/unit.h"

#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/clock.h"
#include "lib/mem.h"
#include "outputs/outputs.h"
#include "tests/unit/folder.h"
#include "tests/unit/messages.h"
#include "tests/unit/options_fake.h"
#include "tests/unit/recordings.h"

static struct books books;
static struct option_value values[] = {
    {"output-file-append", 0, NULL},
    {"output-file-size-limit", 32 * MIB, NULL},
    {"output-file-queue-limit", 256, NULL},
    {"output-file-max-size-limit", INT64_C(1) << 40, NULL},
    {"output-file-flush-interval", 1000000000, NULL},
    {"output-file-keep", 0, ""},
    {"output-file-fsync", 0, "interval"},
    {"output-file-on-close", 0, ""},
};
static const struct options options = {.values = values, .n_values = ARRAY_LEN(values)};

static void set_option(const char *name, int64_t number)
{
    for (size_t i = 0; i < ARRAY_LEN(values); i++)
        if (strcmp(values[i].name, name) == 0)
            values[i].number = number;
}

static int try_open(struct output **outp, const char *address, struct err *err)
{
    struct output_args args = {.address = address, .options = &options, .books = &books};
    *err = (struct err){0};
    return output_file.open(outp, &args, err);
}

static struct output *open_output(const char *address)
{
    struct output *out = NULL;
    struct err err;
    ck_assert_msg(try_open(&out, address, &err) == 0, "%s", err.text);
    return out;
}

/* Takes msg. */
static enum output_result write_msg(struct output *out, const struct msg *msg)
{
    enum output_result r = output_file.write(out, msg);
    if (r == OUTPUT_FAILED)
        book_one(&books, BOOK_FAILED); /* as the pipeline does */
    msg_unref(msg);
    return r;
}

static void write_numbers(struct output *out, unsigned first, unsigned end)
{
    for (unsigned n = first; n < end; n++)
        ck_assert_int_eq(write_msg(out, numbered_request(n)), OUTPUT_TAKEN);
}

static void finish(struct output *out)
{
    ck_assert_int_eq(output_file.flush(out), OUTPUT_DONE);
    output_file.close(out);
}

static void expect_targets(const char *name, const char *wanted)
{
    uint64_t damaged;
    ck_assert_msg(file_size(name) >= 0, "there is no %s", name);
    char *targets = recording_targets(name, &damaged);
    ck_assert_str_eq(targets, wanted);
    ck_assert_uint_eq(damaged, 0);
    free(targets);
}

static size_t n_files(const char *folder)
{
    size_t n = 0;
    DIR *dir = opendir(folder);
    ck_assert_ptr_nonnull(dir);
    for (struct dirent *e = readdir(dir); e; e = readdir(dir))
        n += e->d_name[0] != '.';
    closedir(dir);
    return n;
}

START_TEST(a_new_chunk_begins_after_so_many_messages)
{
    folder_enter();
    set_option("output-file-queue-limit", 3);
    struct output *out = open_output("x.gor.gz");
    write_numbers(out, 0, 7);
    finish(out);
    expect_targets("x_0.gor.gz", "/0 /1 /2");
    expect_targets("x_1.gor.gz", "/3 /4 /5");
    expect_targets("x_2.gor.gz", "/6");
    ck_assert_uint_eq(book_get(&books, BOOK_DELIVERED), 7);
    ck_assert_uint_eq(book_get(&books, BOOK_FILES_OPENED), 3);
    folder_leave();
}
END_TEST

START_TEST(a_new_chunk_begins_when_the_one_before_has_its_size)
{
    folder_enter();
    struct output *out = open_output("one.gor");
    write_numbers(out, 0, 1);
    finish(out);
    int64_t record = file_size("one_0.gor");
    set_option("output-file-size-limit", 2 * record);
    set_option("output-file-queue-limit", 0);
    out = open_output("two.gor");
    write_numbers(out, 0, 5);
    finish(out);
    expect_targets("two_0.gor", "/0 /1");
    expect_targets("two_1.gor", "/2 /3");
    expect_targets("two_2.gor", "/4");
    set_option("output-file-size-limit", 2 * record + 1);
    out = open_output("three.gor");
    write_numbers(out, 0, 4);
    finish(out);
    expect_targets("three_0.gor", "/0 /1"); /* never beyond it */
    expect_targets("three_1.gor", "/2 /3");
    folder_leave();
}
END_TEST

START_TEST(a_second_run_takes_the_next_index_and_touches_nothing)
{
    folder_enter();
    for (unsigned run = 0; run < 3; run++) {
        struct output *out = open_output("x.gor");
        write_numbers(out, run, run + 1);
        finish(out);
    }
    expect_targets("x_0.gor", "/0");
    expect_targets("x_1.gor", "/1");
    expect_targets("x_2.gor", "/2");
    folder_leave();
}
END_TEST

START_TEST(two_writers_on_one_template_never_share_a_file)
{
    folder_enter();
    set_option("output-file-queue-limit", 2);
    struct output *a = open_output("x.gor"), *b = open_output("x.gor");
    for (unsigned n = 0; n < 20; n++) {
        write_numbers(a, n, n + 1);
        write_numbers(b, 100 + n, 101 + n);
    }
    finish(a);
    finish(b);
    size_t total = 0;
    for (unsigned i = 0; i < 20; i++) {
        char name[32];
        snprintf(name, sizeof(name), "x_%u.gor", i);
        char *targets = recording_targets(name, NULL);
        /* "/100 /101" or "/0 /1" */
        ck_assert_msg(
            (strstr(targets, "/1") == targets && strlen(targets) == 9) ||
                (strlen(targets) <= 7 && !strstr(targets, "/10 ") && !strstr(targets, "/100")) ||
                strcmp(targets, "/10 /11") == 0,
            "%s: %s", name, targets);
        total += recording_count(name);
        free(targets);
    }
    ck_assert_uint_eq(total, 40);
    ck_assert_uint_eq(n_files("."), 20);
    folder_leave();
}
END_TEST

START_TEST(appending_writes_one_file_over_many_runs)
{
    folder_enter();
    set_option("output-file-append", 1);
    set_option("output-file-queue-limit", 1);
    set_option("output-file-size-limit", 1);
    for (unsigned run = 0; run < 3; run++) {
        struct output *out = open_output("x.gor");
        write_numbers(out, run * 2, run * 2 + 2);
        finish(out);
    }
    expect_targets("x.gor", "/0 /1 /2 /3 /4 /5");
    ck_assert_uint_eq(n_files("."), 1);
    folder_leave();
}
END_TEST

START_TEST(a_file_per_record_keeps_request_and_response)
{
    folder_enter();
    struct output *out = open_output("%r.gor");
    ck_assert_uint_eq(n_files("."), 0); /* no record, no name */
    write_msg(out, message(MSG_REQUEST, "a1", "GET /a1 HTTP/1.1\r\n\r\n"));
    write_msg(out, message(MSG_REQUEST, "b2", "GET /b2 HTTP/1.1\r\n\r\n"));
    write_msg(out, message(MSG_RESPONSE, "a1", "HTTP/1.1 204 No Content\r\n\r\n"));
    expect_targets("a1_0.gor", "/a1"); /* at once */
    expect_targets("b2_0.gor", "/b2");
    expect_targets("a1_1.gor", "2");
    finish(out);
    out = open_output("%r-%t.gor");
    write_msg(out, message(MSG_REQUEST, "a1", "GET /a1 HTTP/1.1\r\n\r\n"));
    write_msg(out, message(MSG_RESPONSE, "a1", "HTTP/1.1 204 No Content\r\n\r\n"));
    finish(out);
    expect_targets("a1-1_0.gor", "/a1");
    expect_targets("a1-2_0.gor", "2");
    set_option("output-file-append", 1);
    out = open_output("both-%r.gor");
    write_msg(out, message(MSG_REQUEST, "a1", "GET /a1 HTTP/1.1\r\n\r\n"));
    write_msg(out, message(MSG_REQUEST, "b2", "GET /b2 HTTP/1.1\r\n\r\n"));
    write_msg(out, message(MSG_RESPONSE, "a1", "HTTP/1.1 204 No Content\r\n\r\n"));
    finish(out);
    expect_targets("both-a1.gor", "/a1 2");
    folder_leave();
}
END_TEST

START_TEST(each_type_has_a_file_of_its_own_when_the_name_says_the_type)
{
    folder_enter();
    struct output *out = open_output("x-%t.gor");
    for (unsigned n = 0; n < 3; n++) {
        write_numbers(out, n, n + 1);
        write_msg(out, message(MSG_RESPONSE, "a1", "HTTP/1.1 204 No Content\r\n\r\n"));
    }
    finish(out);
    expect_targets("x-1_0.gor", "/0 /1 /2");
    expect_targets("x-2_0.gor", "2 2 2");
    ck_assert_uint_eq(n_files("."), 2);
    folder_leave();
}
END_TEST

START_TEST(a_new_second_in_the_name_begins_a_new_file)
{
    folder_enter();
    struct output *out = open_output("x-%S.gor");
    int64_t start = clock_mono_ns();
    unsigned n = 0;
    while (clock_mono_ns() - start < 1500 * NS_PER_MS) {
        write_numbers(out, n, n + 1);
        n++;
        usleep(100000);
    }
    finish(out);
    ck_assert_uint_ge(n_files("."), 2);
    ck_assert_uint_le(n_files("."), 4);
    ck_assert_uint_eq(book_get(&books, BOOK_DELIVERED), n);
    folder_leave();
}
END_TEST

START_TEST(at_the_total_size_limit_messages_fail)
{
    folder_enter();
    struct output *out = open_output("one.gor");
    write_numbers(out, 0, 1);
    finish(out);
    set_option("output-file-max-size-limit", file_size("one_0.gor"));
    out = open_output("x.gor");
    write_numbers(out, 0, 1);
    ck_assert_int_eq(write_msg(out, numbered_request(1)), OUTPUT_FAILED);
    ck_assert_int_eq(write_msg(out, numbered_request(2)), OUTPUT_FAILED);
    finish(out);
    expect_targets("x_0.gor", "/0");
    folder_leave();
}
END_TEST

START_TEST(records_are_flushed_when_the_interval_has_passed)
{
    folder_enter();
    set_option("output-file-flush-interval", 50 * NS_PER_MS);
    struct output *out = open_output("x.gor");
    int64_t start = clock_mono_ns();
    write_numbers(out, 0, 1);
    output_file.poll(out, -1, 0);
    if (clock_mono_ns() - start < 50 * NS_PER_MS)
        ck_assert_int_eq(file_size("x_0.gor"), 0);
    output_file.poll(out, -1, 30000);
    ck_assert_int_lt(clock_mono_ns() - start, 10 * NS_PER_S);
    expect_targets("x_0.gor", "/0");
    /* nothing waits: poll sleeps until it is woken */
    int fd = eventfd(1, EFD_CLOEXEC);
    output_file.poll(out, fd, 30000);
    ck_assert_int_lt(clock_mono_ns() - start, 20 * NS_PER_S);
    close(fd);
    finish(out);
    folder_leave();
}
END_TEST

START_TEST(reopening_continues_in_the_next_chunk_or_in_the_same_name)
{
    folder_enter();
    struct output *out = open_output("x.gor");
    write_numbers(out, 0, 1);
    output_file.reopen(out);
    write_numbers(out, 1, 2);
    finish(out);
    expect_targets("x_0.gor", "/0");
    expect_targets("x_1.gor", "/1");
    set_option("output-file-append", 1);
    out = open_output("y.gor");
    write_numbers(out, 0, 1);
    ck_assert_int_eq(rename("y.gor", "y.gor.old"), 0);
    output_file.reopen(out);
    write_numbers(out, 1, 2);
    finish(out);
    expect_targets("y.gor.old", "/0");
    expect_targets("y.gor", "/1");
    folder_leave();
}
END_TEST

START_TEST(what_cannot_be_opened_is_said_at_the_start)
{
    static const struct {
        const char *address, *says;
        enum exit_status status;
    } table[] = {
        {"s3://bucket/x.gor", "S3 is not supported", STATUS_USAGE},
        {"", "file name is missing", STATUS_USAGE},
        {"folder/", "this is a folder", STATUS_USAGE},
        {"plain/x.gor", "plain/x.gor", STATUS_FAILURE},
        {"/proc/refrain/x.gor", "/proc/refrain/x.gor", STATUS_FAILURE},
    };
    folder_enter();
    file_put("plain", "", 0);
    for (size_t i = 0; i < ARRAY_LEN(table); i++) {
        struct output *out = NULL;
        struct err err;
        ck_assert_int_lt(try_open(&out, table[i].address, &err), 0);
        ck_assert_ptr_null(out);
        ck_assert_msg(strstr(err.text, table[i].says) != NULL, "%s", err.text);
        ck_assert_int_eq(err.status, table[i].status);
    }
    ck_assert_int_eq(mem_used(MEM_IO), 0);
    folder_leave();
}
END_TEST

START_TEST(appending_to_a_link_a_folder_or_a_file_in_use_is_refused)
{
    struct output *out = NULL;
    struct err err;
    folder_enter();
    set_option("output-file-append", 1);
    ck_assert_int_eq(symlink("elsewhere", "link"), 0);
    ck_assert_int_lt(try_open(&out, "link", &err), 0);
    ck_assert_ptr_nonnull(strstr(err.text, "symbolic link"));
    ck_assert_int_eq(mkdir("dir", 0700), 0);
    ck_assert_int_eq(try_open(&out, "dir", &err), -EISDIR);
    struct output *first = open_output("x.gor");
    ck_assert_int_lt(try_open(&out, "x.gor", &err), 0);
    ck_assert_ptr_nonnull(strstr(err.text, "another output"));
    finish(first);
    folder_leave();
}
END_TEST

START_TEST(a_chunk_that_cannot_be_opened_fails_messages_until_it_can)
{
    folder_enter();
    set_option("output-file-queue-limit", 1);
    struct output *out = open_output("d/x.gor");
    write_numbers(out, 0, 1);
    ck_assert_int_eq(rename("d", "gone"), 0);
    file_put("d", "", 0);
    ck_assert_int_eq(write_msg(out, numbered_request(1)), OUTPUT_FAILED);
    ck_assert_int_eq(write_msg(out, numbered_request(2)), OUTPUT_FAILED);
    ck_assert_int_eq(unlink("d"), 0);
    enum output_result r = OUTPUT_FAILED;
    int64_t start = clock_mono_ns();
    while (r == OUTPUT_FAILED && clock_mono_ns() - start < 20 * NS_PER_S)
        r = write_msg(out, numbered_request(3));
    ck_assert_int_eq(r, OUTPUT_TAKEN);
    finish(out);
    expect_targets("gone/x_0.gor", "/0");
    expect_targets("d/x_1.gor", "/3");
    folder_leave();
}
END_TEST

START_TEST(every_message_has_a_fate_on_a_disk_that_fills_up_and_empties)
{
    struct rlimit limit = {.rlim_cur = 40000, .rlim_max = RLIM_INFINITY};
    unsigned total = 0;
    folder_enter();
    signal(SIGXFSZ, SIG_IGN);
    set_option("output-file-queue-limit", 0);
    set_option("output-file-flush-interval", NS_PER_MS);
    struct output *out = open_output("x.gor");
    for (int round = 0; round < 20; round++) {
        limit.rlim_cur = round == 10 ? RLIM_INFINITY : limit.rlim_cur;
        ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
        for (unsigned n = 0; n < 50; n++)
            write_msg(out, numbered_request(total++));
        output_file.poll(out, -1, 30000); /* until it is flushed */
    }
    finish(out);
    uint64_t delivered = book_get(&books, BOOK_DELIVERED), failed = book_get(&books, BOOK_FAILED);
    ck_assert_uint_eq(delivered + failed, total);
    ck_assert_uint_gt(failed, 0);
    uint64_t damaged;
    free(recording_targets("x_0.gor", &damaged));
    ck_assert_uint_eq(damaged, 0);
    ck_assert_uint_eq(recording_count("x_0.gor"), delivered);
    folder_leave();
}
END_TEST

START_TEST(a_million_bytes_a_second_leave_at_most_one_torn_record_when_killed)
{
    folder_enter();
    set_option("output-file-queue-limit", 0);
    pid_t child = fork();
    if (child == 0) {
        struct output *out = open_output("x.gor");
        for (unsigned n = 0;; n++)
            write_numbers(out, n, n + 1);
    }
    while (file_size("x_0.gor") < 3000000)
        usleep(1000);
    kill(child, SIGKILL);
    uint64_t damaged;
    char *targets = recording_targets("x_0.gor", &damaged);
    ck_assert_uint_le(damaged, 1);
    ck_assert_ptr_eq(strstr(targets, "/0 /1 /2 /3 "), targets);
    free(targets);
    folder_leave();
}
END_TEST

Suite *suite(void)
{
    const TTest *const tests[] = {
        a_new_chunk_begins_after_so_many_messages,
        a_new_chunk_begins_when_the_one_before_has_its_size,
        a_second_run_takes_the_next_index_and_touches_nothing,
        two_writers_on_one_template_never_share_a_file,
        appending_writes_one_file_over_many_runs,
        a_file_per_record_keeps_request_and_response,
        each_type_has_a_file_of_its_own_when_the_name_says_the_type,
        a_new_second_in_the_name_begins_a_new_file,
        at_the_total_size_limit_messages_fail,
        records_are_flushed_when_the_interval_has_passed,
        reopening_continues_in_the_next_chunk_or_in_the_same_name,
        what_cannot_be_opened_is_said_at_the_start,
        appending_to_a_link_a_folder_or_a_file_in_use_is_refused,
        a_chunk_that_cannot_be_opened_fails_messages_until_it_can,
        every_message_has_a_fate_on_a_disk_that_fills_up_and_empties,
        a_million_bytes_a_second_leave_at_most_one_torn_record_when_killed,
    };
    return suite_of("output_file", tests, ARRAY_LEN(tests));
}
