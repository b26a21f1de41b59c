/* SPDX-License-Identifier: MIT */
#include "tests/unit/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/record_index.h"
#include "outputs/index_writer.h"
#include "tests/unit/folder.h"

START_TEST(a_line_comes_back_as_it_was_written)
{
    static const struct index_line lines[] = {
        {0, 1, 0, 0, 0},
        {4194304, 8388608, 1700000000000000000, 1700000000000000001, 0xdeadbeef},
        {1, UINT64_MAX, INT64_MIN, INT64_MAX, UINT32_MAX},
    };
    for (size_t i = 0; i < ARRAY_LEN(lines); i++) {
        char text[INDEX_LINE_MAX];
        struct index_line line;
        size_t len = index_format(text, &lines[i]);
        ck_assert_int_eq(text[len - 1], '\n');
        ck_assert(index_parse(&line, span_of(text, len - 1)));
        ck_assert(line.start == lines[i].start && line.end == lines[i].end);
        ck_assert(line.first_ns == lines[i].first_ns && line.last_ns == lines[i].last_ns);
        ck_assert_uint_eq(line.check, lines[i].check);
    }
}
END_TEST

START_TEST(no_changed_byte_and_no_cut_goes_unnoticed)
{
    char text[INDEX_LINE_MAX], changed[INDEX_LINE_MAX];
    struct index_line line = {4096, 8192, 1700000000000000000, 1700000000500000000, 0x12345678};
    size_t len = index_format(text, &line) - 1;
    for (size_t i = 0; i < len; i++) {
        ck_assert(!index_parse(&line, span_of(text, i)));
        for (int bit = 0; bit < 8; bit++) {
            memcpy(changed, text, len);
            changed[i] = (char)(changed[i] ^ (1 << bit));
            ck_assert(!index_parse(&line, span_of(changed, len)));
        }
    }
    ck_assert(!index_parse(&line, span_str("")));
    memset(changed, '1', sizeof(changed));
    ck_assert(!index_parse(&line, span_of(changed, sizeof(changed))));
    struct index_line turned = {8192, 4096, 1, 2, 3};
    ck_assert(!index_parse(&line, span_of(text, index_format(text, &turned) - 1)));
}
END_TEST

START_TEST(the_index_is_a_hidden_file_beside_the_recording)
{
    static char long_path[PATH_MAX];
    char path[PATH_MAX];
    ck_assert_int_eq(index_path(path, "x.gor"), 0);
    ck_assert_str_eq(path, ".x.gor.idx");
    ck_assert_int_eq(index_path(path, "/a/b/x.gor.gz"), 0);
    ck_assert_str_eq(path, "/a/b/.x.gor.gz.idx");
    ck_assert_int_eq(index_path(path, ""), -ENOENT);
    ck_assert_int_eq(index_path(path, "a/"), -ENOENT);
    memset(long_path, 'x', sizeof(long_path) - 1);
    ck_assert_int_eq(index_path(path, long_path), -ENAMETOOLONG);
}
END_TEST

/* Reads the lines of an index, which are without a gap; returns how many, and where they end. */
static size_t lines_of(const char *name, uint64_t start, uint64_t *end, int64_t *last_ns)
{
    size_t n, count = 0;
    char *text = (char *)file_get(name, &n), *at = text;
    for (char *lf = strchr(at, '\n'); lf; at = lf + 1, lf = strchr(at, '\n'), count++) {
        struct index_line line;
        ck_assert(index_parse(&line, span_of(at, (size_t)(lf - at))));
        ck_assert_uint_eq(line.start, start);
        start = line.end;
        *last_ns = line.last_ns;
    }
    *end = start;
    free(text);
    return count;
}

/* So many writes of 1 MiB, from that place and second on. */
static void write_some(struct index_writer *w, uint64_t at, unsigned n, int64_t second)
{
    static const uint8_t bytes[MIB];
    for (unsigned i = 0; i < n; i++, at += sizeof(bytes), second += 10)
        index_writer_add(w, at, span_of(bytes, sizeof(bytes)), second * NS_PER_S,
                         (second + 9) * NS_PER_S);
}

START_TEST(a_recording_that_grows_gets_a_line_for_each_stretch_and_a_small_one_none)
{
    struct index_writer w;
    struct stat st;
    uint64_t end;
    int64_t last_ns;
    folder_enter();
    index_writer_init(&w, "small.gor", 0, false);
    write_some(&w, 0, 3, 1);
    index_writer_fini(&w);
    ck_assert_int_eq(file_size(".small.gor.idx"), -1);
    file_put(".x.gor.idx", "of another one", 14);
    index_writer_init(&w, "x.gor", 0, false);
    write_some(&w, 0, 10, 100);
    index_writer_fini(&w);
    ck_assert_uint_eq(lines_of(".x.gor.idx", 0, &end, &last_ns), 3);
    ck_assert(end == 10 * MIB && last_ns == 199 * NS_PER_S);
    ck_assert_int_eq(stat(".x.gor.idx", &st), 0);
    ck_assert_int_eq(st.st_mode & 0777, 0600);
    index_writer_init(&w, "x.gor", 10 * MIB, false); /* continued */
    write_some(&w, 10 * MIB, 5, 200);
    index_writer_fini(&w);
    ck_assert_uint_eq(lines_of(".x.gor.idx", 0, &end, &last_ns), 5);
    ck_assert(end == 15 * MIB && last_ns == 249 * NS_PER_S);
    index_writer_init(&w, "old.gor", 10 * MIB, false); /* there was none: a reader makes it */
    write_some(&w, 10 * MIB, 5, 200);
    index_writer_fini(&w);
    ck_assert_int_eq(file_size(".old.gor.idx"), -1);
    folder_leave();
}
END_TEST

START_TEST(no_link_is_followed_and_a_full_disk_costs_the_index_only)
{
    struct index_writer w;
    folder_enter();
    file_put("precious", "keep", 4);
    ck_assert_int_eq(symlink("precious", ".x.gor.idx"), 0);
    index_writer_init(&w, "x.gor", 0, true);
    write_some(&w, 0, 10, 100);
    index_writer_fini(&w);
    ck_assert_int_eq(file_size("precious"), 4);
    index_writer_init(&w, "y.gor", 0, true);
    w.fd = open("/dev/full", O_WRONLY);
    write_some(&w, 0, 10, 100);
    index_writer_fini(&w);
    ck_assert_int_eq(w.fd, -1);
    folder_leave();
}
END_TEST

Suite *suite(void)
{
    const TTest *const tests[] = {
        a_line_comes_back_as_it_was_written,
        no_changed_byte_and_no_cut_goes_unnoticed,
        the_index_is_a_hidden_file_beside_the_recording,
        a_recording_that_grows_gets_a_line_for_each_stretch_and_a_small_one_none,
        no_link_is_followed_and_a_full_disk_costs_the_index_only,
    };
    return suite_of("record_index", tests, ARRAY_LEN(tests));
}
