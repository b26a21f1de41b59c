/* SPDX-License-Identifier: MIT */
#include "tests/unit/unit.h"

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/mem.h"
#include "lib/record.h"
#include "outputs/outputs.h"
#include "tests/unit/folder.h"
#include "tests/unit/messages.h"

static struct books books;
static int saved_stdout;

/* Standard output is the test's own report: it is put aside while fd takes its place. */
static struct output *open_on(int fd)
{
    struct output *out = NULL;
    struct output_args args = {.address = "", .books = &books};
    struct err err;
    signal(SIGPIPE, SIG_IGN); /* as cmd/control.c does */
    saved_stdout = dup(STDOUT_FILENO);
    dup2(fd, STDOUT_FILENO);
    close(fd);
    ck_assert_int_eq(output_stdout.open(&out, &args, &err), 0);
    return out;
}

static void close_output(struct output *out)
{
    output_stdout.close(out);
    dup2(saved_stdout, STDOUT_FILENO);
    close(saved_stdout);
    ck_assert_int_eq(mem_used(MEM_IO), 0);
}

static enum output_result write_number(struct output *out, unsigned n)
{
    const struct msg *msg = numbered_request(n);
    enum output_result r = output_stdout.write(out, msg);
    msg_unref(msg);
    return r;
}

/* The bytes that these records have in a file. */
static size_t expected(uint8_t *out, unsigned n_records)
{
    size_t len = 0;
    for (unsigned n = 0; n < n_records; n++) {
        const struct msg *msg = numbered_request(n);
        len += record_header((char *)out + len, msg);
        memcpy(out + len, msg->bytes, msg->len);
        len += msg->len;
        memcpy(out + len, record_separator, RECORD_SEPARATOR_LEN);
        len += RECORD_SEPARATOR_LEN;
        msg_unref(msg);
    }
    return len;
}

START_TEST(records_go_out_as_they_stand_in_a_file_when_the_queue_is_empty)
{
    int fds[2];
    uint8_t got[4096], want[4096];
    ck_assert_int_eq(pipe(fds), 0);
    struct output *out = open_on(fds[1]);
    ck_assert_int_eq(write_number(out, 0), OUTPUT_TAKEN);
    ck_assert_int_eq(write_number(out, 1), OUTPUT_TAKEN);
    ck_assert_uint_eq(book_get(&books, BOOK_DELIVERED), 0);
    output_stdout.poll(out, -1, 1);
    ssize_t n = read(fds[0], got, sizeof(got));
    ck_assert_uint_eq((size_t)n, expected(want, 2));
    ck_assert_int_eq(memcmp(got, want, (size_t)n), 0);
    ck_assert_uint_eq(book_get(&books, BOOK_DELIVERED), 2);
    close_output(out);
    close(fds[0]);
}
END_TEST

START_TEST(a_reader_that_is_slow_makes_it_busy_and_nothing_is_lost)
{
    int fds[2];
    unsigned taken = 0;
    size_t total = 0;
    ck_assert_int_eq(pipe(fds), 0);
    struct output *out = open_on(fds[1]);
    while (write_number(out, taken) == OUTPUT_TAKEN)
        taken++;
    ck_assert_uint_gt(taken, 1000);
    ck_assert_uint_lt(taken, 1000000);
    ck_assert_int_eq(output_stdout.flush(out), OUTPUT_BUSY);
    uint8_t *want = malloc(taken * 256), *got = malloc(taken * 256);
    size_t len = expected(want, taken);
    while (total < len) {
        ssize_t n = read(fds[0], got + total, len - total);
        ck_assert_int_gt(n, 0);
        total += (size_t)n;
        output_stdout.poll(out, -1, 0);
        output_stdout.flush(out);
    }
    ck_assert_int_eq(memcmp(got, want, len), 0);
    ck_assert_int_eq(output_stdout.flush(out), OUTPUT_DONE);
    ck_assert_uint_eq(book_get(&books, BOOK_DELIVERED), taken);
    free(want);
    free(got);
    close_output(out);
    close(fds[0]);
}
END_TEST

START_TEST(a_reader_that_has_gone_costs_messages_and_not_the_program)
{
    int fds[2];
    ck_assert_int_eq(pipe(fds), 0);
    struct output *out = open_on(fds[1]);
    ck_assert_int_eq(write_number(out, 0), OUTPUT_TAKEN);
    ck_assert_int_eq(output_stdout.flush(out), OUTPUT_DONE);
    close(fds[0]);
    ck_assert_int_eq(write_number(out, 1), OUTPUT_TAKEN);
    output_stdout.poll(out, -1, 1);
    ck_assert_int_eq(write_number(out, 2), OUTPUT_FAILED);
    ck_assert_uint_eq(book_get(&books, BOOK_DELIVERED), 1);
    ck_assert_uint_eq(book_get(&books, BOOK_FAILED), 1); /* the third: the pipeline's to count */
    ck_assert_int_eq(output_stdout.flush(out), OUTPUT_DONE);
    close_output(out);
}
END_TEST

START_TEST(a_file_takes_any_amount_in_order)
{
    size_t n;
    folder_enter();
    struct output *out = open_on(open("out", O_WRONLY | O_CREAT, 0600));
    for (unsigned i = 0; i < 20000; i++)
        ck_assert_int_eq(write_number(out, i), OUTPUT_TAKEN);
    ck_assert_int_eq(output_stdout.flush(out), OUTPUT_DONE);
    uint8_t *want = malloc(20000 * 256), *got = file_get("out", &n);
    ck_assert_uint_eq(n, expected(want, 20000));
    ck_assert_int_eq(memcmp(got, want, n), 0);
    free(want);
    free(got);
    close_output(out);
    folder_leave();
}
END_TEST

START_TEST(the_null_output_delivers_everything)
{
    struct output *out = NULL;
    struct output_args args = {.address = "", .books = &books};
    struct err err;
    const struct msg *msg = numbered_request(1);
    ck_assert_int_eq(output_null.open(&out, &args, &err), 0);
    ck_assert_int_eq(output_null.write(out, msg), OUTPUT_DONE);
    output_null.close(out);
    msg_unref(msg);
}
END_TEST

Suite *suite(void)
{
    const TTest *const tests[] = {
        records_go_out_as_they_stand_in_a_file_when_the_queue_is_empty,
        a_reader_that_is_slow_makes_it_busy_and_nothing_is_lost,
        a_reader_that_has_gone_costs_messages_and_not_the_program,
        a_file_takes_any_amount_in_order,
        the_null_output_delivers_everything,
    };
    return suite_of("output_stdout", tests, ARRAY_LEN(tests));
}
