/* SPDX-License-Identifier: MIT */
#include "tests/unit/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include "capture/inputs.h"
#include "lib/clock.h"
#include "lib/mem.h"
#include "tests/unit/folder.h"
#include "tests/unit/options_fake.h"

#define SEP "\n\xf0\x9f\x90\xb5\xf0\x9f\x99\x88\xf0\x9f\x99\x89\n"
#define MS NS_PER_MS

static struct books books;
static int stop_fd = -1;
static struct option_value values[] = {
    {"input-file-loop", 0, NULL},
    {"output-http-concurrency", 0, NULL},
    {"input-file-read-depth", 100, NULL},
    {"input-file-dry-run", 0, NULL},
    {"input-file-max-wait", 0, NULL},
    {"from", 0, ""},
    {"to", 0, ""},
    {"skip", 0, NULL},
};
static const struct options options = {.values = values, .n_values = ARRAY_LEN(values)};

static void set_option(const char *name, int64_t number)
{
    for (size_t i = 0; i < ARRAY_LEN(values); i++)
        if (strcmp(values[i].name, name) == 0)
            values[i].number = number;
}

/* What an input put out: "/a /b", when each was due, and when it came. */
static struct {
    struct sink sink;
    char targets[65536];
    size_t n, len;
    int64_t due_ns[4096], came_ns[4096];
} got;

static void collect(struct sink *sink, const struct msg *msg)
{
    (void)sink;
    struct span target = msg_target(msg);
    got.len += (size_t)snprintf(got.targets + got.len, sizeof(got.targets) - got.len, "%s%.*s",
                                got.n ? " " : "", (int)target.len, (const char *)target.ptr);
    got.due_ns[got.n] = msg->due_ns;
    got.came_ns[got.n++] = clock_mono_ns();
    msg_unref(msg);
}

static int try_open(struct input **inp, const char *const *addresses, size_t n, struct err *err)
{
    struct input_args args = {.addresses = addresses,
                              .n_addresses = n,
                              .options = &options,
                              .books = &books,
                              .stop_fd = stop_fd};
    *err = (struct err){0};
    return input_file.open(inp, &args, err);
}

/* Plays it all, or until n_max messages came. The last result of poll. */
static int play_until(const char *const *addresses, size_t n, size_t n_max, struct err *err)
{
    struct input *in = NULL;
    memset(&got, 0, sizeof(got));
    got.sink.put = collect;
    ck_assert_msg(try_open(&in, addresses, n, err) == 0, "%s", err->text);
    int r;
    do
        r = input_file.poll(in, &got.sink, 200, err);
    while (r == INPUT_MORE && got.n < n_max);
    input_file.close(in);
    ck_assert_int_eq(mem_used(MEM_IO), 0);
    ck_assert_int_eq(mem_used(MEM_MSG), 0);
    return r;
}

static const char *play(const char *address)
{
    struct err err = {0};
    ck_assert_msg(play_until(&address, 1, SIZE_MAX, &err) == INPUT_END, "%s", err.text);
    return got.targets;
}

/* n records /0 /1 …, gap_ns apart from first_ns on. */
static void make(const char *file, unsigned n, int64_t first_ns, int64_t gap_ns)
{
    char text[128];
    file_put(file, "", 0);
    for (unsigned i = 0; i < n; i++) {
        int len = snprintf(text, sizeof(text), "1 %x %lld 0\nGET /%u HTTP/1.1\r\n\r\n" SEP, i,
                           (long long)(first_ns + i * gap_ns), i);
        file_add(file, text, (size_t)len);
    }
}

START_TEST(a_recording_is_played_at_its_own_pace)
{
    folder_enter();
    make("a", 11, INT64_C(1700000000000000000), 20 * MS);
    ck_assert_str_eq(play("a"), "/0 /1 /2 /3 /4 /5 /6 /7 /8 /9 /10");
    for (size_t i = 0; i < got.n; i++) {
        ck_assert_int_eq(got.due_ns[i] - got.due_ns[0], (int64_t)i * 20 * MS);
        ck_assert_int_ge(got.came_ns[i], got.due_ns[i] - 100000);
    }
    ck_assert_uint_eq(book_get(&books, BOOK_RECORDS), 11);
    folder_leave();
}
END_TEST

START_TEST(each_value_has_its_own_speed)
{
    static const char *const addresses[] = {"a|1000%", "b|250%"};
    struct err err;
    folder_enter();
    make("a", 11, 5000 * MS, 100 * MS);
    make("b", 2, 5050 * MS, 100 * MS);
    ck_assert_int_eq(play_until(addresses, 2, SIZE_MAX, &err), INPUT_END);
    ck_assert_str_eq(got.targets, "/0 /1 /0 /2 /3 /4 /5 /1 /6 /7 /8 /9 /10");
    ck_assert_int_eq(got.due_ns[12] - got.due_ns[0], 100 * MS);
    ck_assert_int_eq(got.due_ns[2] - got.due_ns[0], 20 * MS);
    folder_leave();
}
END_TEST

START_TEST(a_pattern_means_all_its_files_in_the_order_of_their_numbers)
{
    folder_enter();
    make("x_10.gor", 1, 7, 1);
    make("x_2.gor", 2, 7, 0);
    make("y.gor", 5, 7, 1);
    ck_assert_int_eq(mkdir("x_3.gor", 0700), 0);
    ck_assert_str_eq(play("x_*.gor|200%"), "/0 /1 /0");
    make("a[1].gor", 2, 7, 0);
    ck_assert_str_eq(play("a[1].gor"), "/0 /1");
    folder_leave();
}
END_TEST

START_TEST(one_path_may_be_given_twice)
{
    static const char *const addresses[] = {"a", "a"};
    struct err err;
    folder_enter();
    make("a", 2, 7, 1);
    ck_assert_int_eq(play_until(addresses, 2, SIZE_MAX, &err), INPUT_END);
    ck_assert_str_eq(got.targets, "/0 /0 /1 /1");
    folder_leave();
}
END_TEST

START_TEST(a_long_wait_is_shortened_when_asked)
{
    folder_enter();
    make("a", 3, 7, 3600 * NS_PER_S);
    set_option("input-file-max-wait", 10 * MS);
    ck_assert_str_eq(play("a|200%"), "/0 /1 /2");
    ck_assert_int_eq(got.due_ns[1] - got.due_ns[0], 10 * MS);
    ck_assert_int_eq(got.due_ns[2] - got.due_ns[0], 20 * MS);
    folder_leave();
}
END_TEST

START_TEST(a_loop_goes_on_where_the_round_before_ended)
{
    static const char *const addresses[] = {"a|1000%"};
    struct err err;
    folder_enter();
    make("a", 3, 7, 100 * MS);
    set_option("input-file-loop", 1);
    ck_assert_int_eq(play_until(addresses, 1, 7, &err), INPUT_MORE);
    ck_assert_str_eq(got.targets, "/0 /1 /2 /0 /1 /2 /0");
    ck_assert_int_eq(got.due_ns[3], got.due_ns[2]);
    ck_assert_int_eq(got.due_ns[6] - got.due_ns[0], 40 * MS);
    folder_leave();
}
END_TEST

START_TEST(a_loop_over_nothing_is_an_error_and_not_a_spin)
{
    static const char *const addresses[] = {"a"};
    struct err err;
    folder_enter();
    file_put("a", "", 0);
    set_option("input-file-loop", 1);
    ck_assert_int_lt(play_until(addresses, 1, SIZE_MAX, &err), 0);
    ck_assert_ptr_nonnull(strstr(err.text, "not one record"));
    set_option("input-file-loop", 0);
    ck_assert_str_eq(play("a"), "");
    folder_leave();
}
END_TEST

/* What goes to standard error while f runs, to be freed. */
static char *errors_of(void (*f)(void))
{
    size_t n;
    int saved = dup(STDERR_FILENO), fd = open("stderr", O_WRONLY | O_CREAT | O_TRUNC, 0600);
    dup2(fd, STDERR_FILENO);
    f();
    dup2(saved, STDERR_FILENO);
    close(saved);
    close(fd);
    return (char *)file_get("stderr", &n);
}

static void play_a(void)
{
    play("a|200%");
}

START_TEST(a_dry_run_tells_what_there_is_and_sends_nothing)
{
    folder_enter();
    make("a", 101, 7, 3600 * NS_PER_S);
    set_option("input-file-dry-run", 1);
    set_option("input-file-loop", 1);
    int64_t start = clock_mono_ns();
    char *text = errors_of(play_a);
    ck_assert_int_lt(clock_mono_ns() - start, 30 * NS_PER_S);
    ck_assert_uint_eq(got.n, 0);
    ck_assert_ptr_nonnull(strstr(text, "101 records in 1 files"));
    ck_assert_ptr_nonnull(strstr(text, "180000.000 s"));
    ck_assert_ptr_nonnull(strstr(text, "0 out of order"));
    free(text);
    file_put("a", "", 0);
    text = errors_of(play_a);
    ck_assert_ptr_nonnull(strstr(text, "0 records in 1 files"));
    free(text);
    folder_leave();
}
END_TEST

START_TEST(damage_is_told_once_per_file)
{
    folder_enter();
    make("a", 1, 7, 1);
    file_add("a", "garbage" SEP, 7 + 14);
    file_add("a", "1 9 9 0\nGET /9 HTTP/1.1\r\n\r\n" SEP, 8 + 20 + 14);
    file_add("a", "garbage", 7);
    char *text = errors_of(play_a);
    ck_assert_str_eq(got.targets, "/0 /9");
    ck_assert_ptr_nonnull(strstr(text, "a: 2 damaged"));
    ck_assert_ptr_eq(strchr(text, '\n'), text + strlen(text) - 1);
    ck_assert_uint_eq(book_get(&books, BOOK_RECORDS_DAMAGED), 2);
    free(text);
    folder_leave();
}
END_TEST

START_TEST(a_wait_ends_when_the_program_stops)
{
    static const char *const addresses[] = {"a"};
    struct input *in = NULL;
    struct err err;
    folder_enter();
    make("a", 2, 7, 3600 * NS_PER_S);
    stop_fd = eventfd(1, EFD_CLOEXEC);
    memset(&got, 0, sizeof(got));
    got.sink.put = collect;
    ck_assert_int_eq(try_open(&in, addresses, 1, &err), 0);
    int64_t start = clock_mono_ns();
    for (int i = 0; i < 10; i++)
        ck_assert_int_eq(input_file.poll(in, &got.sink, 60000, &err), INPUT_MORE);
    ck_assert_int_lt(clock_mono_ns() - start, 30 * NS_PER_S);
    ck_assert_str_eq(got.targets, "/0");
    input_file.close(in);
    close(stop_fd);
    folder_leave();
}
END_TEST

START_TEST(standard_input_is_an_input)
{
    int saved = dup(STDIN_FILENO);
    folder_enter();
    make("a", 3, 7, 1);
    int fd = open("a", O_RDONLY);
    dup2(fd, STDIN_FILENO);
    ck_assert_str_eq(play("-|200%"), "/0 /1 /2");
    dup2(saved, STDIN_FILENO);
    close(fd);
    close(saved);
    folder_leave();
}
END_TEST

START_TEST(what_cannot_be_read_is_said_at_the_start)
{
    static const struct {
        const char *address, *says;
        enum exit_status status;
    } table[] = {
        {"no-such-file.gor", "no-such-file.gor: no such file", STATUS_USAGE},
        {"none*.gor|200%", "none*.gor: no such file, and none that matches", STATUS_USAGE},
        {"folder", "folder: this is a folder", STATUS_USAGE},
        {"a|fast", "cannot read the limit \"fast\"", STATUS_USAGE},
        {"a|0%", "must be more than 0", STATUS_USAGE},
        {"s3://bucket/x", "aws s3 cp", STATUS_USAGE},
        {"", "file name is missing", STATUS_USAGE},
        {"loop", "loop: cannot be opened", STATUS_FAILURE},
    };
    folder_enter();
    make("a", 1, 7, 1);
    ck_assert_int_eq(mkdir("folder", 0700), 0);
    ck_assert_int_eq(symlink("loop", "loop"), 0);
    for (size_t i = 0; i < ARRAY_LEN(table); i++) {
        struct input *in = NULL;
        struct err err;
        ck_assert_int_lt(try_open(&in, &table[i].address, 1, &err), 0);
        ck_assert_ptr_null(in);
        ck_assert_msg(strstr(err.text, table[i].says) != NULL, "%s", err.text);
        ck_assert_int_eq(err.status, table[i].status);
    }
    ck_assert_int_eq(mem_used(MEM_IO), 0);
    ck_assert_int_eq(mem_used(MEM_OTHER), 0);
    folder_leave();
}
END_TEST

START_TEST(standard_input_cannot_be_read_twice)
{
    static const char *const twice[] = {"-", "-|200%"};
    struct input *in = NULL;
    struct err err;
    ck_assert_int_lt(try_open(&in, twice, 2, &err), 0);
    ck_assert_ptr_nonnull(strstr(err.text, "only once"));
    set_option("input-file-loop", 1);
    ck_assert_int_lt(try_open(&in, twice, 1, &err), 0);
    ck_assert_ptr_nonnull(strstr(err.text, "--input-file-loop"));
    set_option("input-file-loop", 0);
    set_option("input-file-read-depth", 0);
    ck_assert_int_lt(try_open(&in, twice, 1, &err), 0);
    ck_assert_ptr_nonnull(strstr(err.text, "--input-file-read-depth 0"));
}
END_TEST

START_TEST(recordings_made_by_gor_are_played)
{
    const char *folder = getenv("TEST_DATA");
    char address[4096];
    ck_assert_msg(folder != NULL, "TEST_DATA is not set");
    snprintf(address, sizeof(address), "%s/gor/*.g*|100000%%", folder);
    ck_assert_str_eq(play(address), "/old /first /post /chunked /second /last");
    ck_assert_uint_eq(book_get(&books, BOOK_RECORDS_DAMAGED), 0);
}
END_TEST

Suite *suite(void)
{
    const TTest *const tests[] = {
        a_recording_is_played_at_its_own_pace,
        each_value_has_its_own_speed,
        a_pattern_means_all_its_files_in_the_order_of_their_numbers,
        one_path_may_be_given_twice,
        a_long_wait_is_shortened_when_asked,
        a_loop_goes_on_where_the_round_before_ended,
        a_loop_over_nothing_is_an_error_and_not_a_spin,
        a_dry_run_tells_what_there_is_and_sends_nothing,
        damage_is_told_once_per_file,
        a_wait_ends_when_the_program_stops,
        standard_input_is_an_input,
        what_cannot_be_read_is_said_at_the_start,
        standard_input_cannot_be_read_twice,
        recordings_made_by_gor_are_played,
    };
    return suite_of("input_file", tests, ARRAY_LEN(tests));
}
