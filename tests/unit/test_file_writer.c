/* SPDX-License-Identifier: MIT */
#include "tests/unit/unit.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/mem.h"
#include "lib/record.h"
#include "outputs/file_writer.h"
#include "tests/unit/folder.h"
#include "tests/unit/messages.h"
#include "tests/unit/recordings.h"

static struct books books;
static struct file_config config = {.books = &books};

static struct file_writer *open_writer(const char *path, enum file_mode mode)
{
    struct file_writer *w = NULL;
    ck_assert_int_eq(file_writer_open(&w, path, mode, &config), 0);
    return w;
}

static void put(struct file_writer *w, unsigned n)
{
    int fault;
    const struct msg *msg = numbered_request(n);
    ck_assert_int_gt(file_writer_put(w, msg, &fault), 0);
    msg_unref(msg);
}

static void put_and_flush(struct file_writer *w, unsigned first, unsigned end)
{
    for (unsigned n = first; n < end; n++)
        put(w, n);
    ck_assert_int_eq(file_writer_flush(w), 0);
}

static void expect_targets(const char *name, const char *wanted, uint64_t wanted_damaged)
{
    uint64_t damaged;
    char *targets = recording_targets(name, &damaged);
    ck_assert_str_eq(targets, wanted);
    ck_assert_uint_eq(damaged, wanted_damaged);
    free(targets);
}

/* From here on no file may grow beyond n bytes: a write is cut short, and the next one fails. */
static void fill_disk_at(size_t n)
{
    struct rlimit limit = {.rlim_cur = n, .rlim_max = RLIM_INFINITY};
    signal(SIGXFSZ, SIG_IGN);
    ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

static void free_disk(void)
{
    fill_disk_at(RLIM_INFINITY);
}

START_TEST(what_was_put_is_in_the_file_after_a_flush)
{
    static const char *const names[] = {"x.gor", "x.gor.gz", "x.gor.zst"};
    folder_enter();
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        struct file_writer *w = open_writer(names[i], FILE_NEW);
        put_and_flush(w, 0, 2);
        expect_targets(names[i], "/0 /1", 0);
        put_and_flush(w, 2, 3);
        expect_targets(names[i], "/0 /1 /2", 0);
        file_writer_free(w);
    }
    ck_assert_uint_eq(book_get(&books, BOOK_DELIVERED), 9);
    folder_leave();
}
END_TEST

START_TEST(a_gzip_file_is_one_member_per_flush)
{
    size_t n, members = 0;
    folder_enter();
    struct file_writer *w = open_writer("x.gor.gz", FILE_NEW);
    for (unsigned i = 0; i < 5; i++)
        put_and_flush(w, i * 10, i * 10 + 10);
    file_writer_free(w);
    uint8_t *bytes = file_get("x.gor.gz", &n);
    for (size_t i = 0; i + 4 <= n; i++)
        members += memcmp(bytes + i, "\x1f\x8b\x08\x00", 4) == 0;
    ck_assert_uint_eq(members, 5);
    free(bytes);
    ck_assert_uint_eq(recording_count("x.gor.gz"), 50);
    folder_leave();
}
END_TEST

START_TEST(a_new_file_never_opens_one_that_is_there)
{
    struct file_writer *w = NULL;
    folder_enter();
    file_put("x.gor", "precious", 8);
    ck_assert_int_eq(file_writer_open(&w, "x.gor", FILE_NEW, &config), -EEXIST);
    ck_assert_int_eq(symlink("elsewhere", "link.gor"), 0);
    ck_assert_int_eq(file_writer_open(&w, "link.gor", FILE_NEW, &config), -EEXIST);
    ck_assert_int_eq(file_writer_open(&w, "link.gor", FILE_APPEND, &config), -ELOOP);
    ck_assert_int_eq(file_size("elsewhere"), -1);
    ck_assert_int_eq(mkdir("d.gor", 0700), 0);
    ck_assert_int_eq(file_writer_open(&w, "d.gor", FILE_APPEND, &config), -EISDIR);
    ck_assert_int_eq(file_size("x.gor"), 8);
    ck_assert_ptr_null(w);
    folder_leave();
}
END_TEST

START_TEST(files_and_folders_are_for_the_owner_only)
{
    struct stat st;
    folder_enter();
    umask(0);
    file_writer_free(open_writer("a/b/x.gor", FILE_NEW));
    ck_assert_int_eq(stat("a/b/x.gor", &st), 0);
    ck_assert_int_eq(st.st_mode & 07777, 0600);
    ck_assert_int_eq(stat("a/b", &st), 0);
    ck_assert_int_eq(st.st_mode & 07777, 0700);
    folder_leave();
}
END_TEST

START_TEST(appending_keeps_what_is_there)
{
    static const char *const names[] = {"x.gor", "x.gor.gz", "x.gor.zst"};
    folder_enter();
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        for (unsigned run = 0; run < 3; run++) {
            struct file_writer *w = open_writer(names[i], FILE_APPEND);
            put_and_flush(w, run, run + 1);
            file_writer_free(w);
        }
        expect_targets(names[i], "/0 /1 /2", 0);
    }
    folder_leave();
}
END_TEST

START_TEST(two_writers_never_append_to_one_file)
{
    struct file_writer *second = NULL;
    folder_enter();
    struct file_writer *w = open_writer("x.gor", FILE_APPEND);
    ck_assert_int_eq(file_writer_open(&second, "x.gor", FILE_APPEND, &config), -EBUSY);
    file_writer_free(w);
    ck_assert_int_eq(file_writer_open(&second, "x.gor", FILE_APPEND, &config), 0);
    file_writer_free(second);
    folder_leave();
}
END_TEST

/* Continues name with two records, and expects the first n_whole, perhaps the next one, and these
 * two. */
static void continue_and_expect(const char *name, unsigned n_whole, bool perhaps_next)
{
    static const char *const whole[] = {"", "/0 ", "/0 /1 ", "/0 /1 /2 "};
    char wanted[64], also[64];
    struct file_writer *w = open_writer(name, FILE_APPEND);
    put_and_flush(w, 9, 11);
    file_writer_free(w);
    snprintf(wanted, sizeof(wanted), "%s/9 /10", whole[n_whole]);
    snprintf(also, sizeof(also), "%s/9 /10", whole[perhaps_next ? n_whole + 1 : n_whole]);
    char *targets = recording_targets(name, NULL);
    ck_assert_msg(strcmp(targets, wanted) == 0 || strcmp(targets, also) == 0, "%s, not %s", targets,
                  wanted);
    free(targets);
}

/* As a kill at any byte leaves it. */
START_TEST(a_file_cut_anywhere_gives_all_whole_records_and_can_be_continued)
{
    static const char *const names[] = {"x.gor", "x.gor.gz", "x.gor.zst"};
    folder_enter();
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        struct file_writer *w = open_writer(names[i], FILE_NEW);
        size_t ends[4] = {0}, size;
        for (unsigned n = 0; n < 3; n++) {
            put_and_flush(w, n, n + 1);
            ends[n + 1] = (size_t)file_size(names[i]);
        }
        file_writer_free(w);
        uint8_t *bytes = file_get(names[i], &size);
        for (size_t cut = ends[1]; cut < size; cut++) {
            /* a plain record without its separator, or with a part of it, is whole */
            size_t has = cut + (i == 0 ? RECORD_SEPARATOR_LEN : 0);
            unsigned n_whole = has >= ends[3] ? 3 : has >= ends[2] ? 2 : 1;
            file_put("cut", bytes, cut);
            ck_assert_int_eq(rename("cut", names[i]), 0);
            /* a member that lacks only its checksum, or the record's separator with it, may give
             * its record all the same */
            continue_and_expect(names[i], n_whole, i > 0 && cut + 40 >= ends[n_whole + 1]);
        }
        free(bytes);
    }
    folder_leave();
}
END_TEST

/* "/first /first+1 … " with a space behind each. */
static size_t add_range(char *text, unsigned first, unsigned end)
{
    size_t len = 0;
    for (unsigned n = first; n < end; n++)
        len += (size_t)snprintf(text + len, 16, "/%u ", n);
    return len;
}

/* The decoder does not notice at once that the torn member's data has ended, and gives text that
 * may look like records. */
static void tear_members(const char *name, const char *torn)
{
    static char rest[20000], start[20000];
    size_t size;
    uint32_t x = 1;
    folder_enter();
    struct file_writer *w = open_writer(name, FILE_NEW);
    put_and_flush(w, 0, 200);
    size_t first = (size_t)file_size(name);
    put_and_flush(w, 200, 500);
    file_writer_free(w);
    uint8_t *bytes = file_get(name, &size);
    rest[add_range(rest, 1000, 1300) - 1] = '\0';
    for (int i = 0; i < 300; i++) {
        size_t cut = first + 1 + (x = x * 1664525 + 1013904223) % (size - first - 1);
        file_put(torn, bytes, cut);
        w = open_writer(torn, FILE_APPEND);
        put_and_flush(w, 1000, 1300);
        file_writer_free(w);
        char *targets = recording_targets(torn, NULL);
        char *at = strstr(targets, "/1000 ");
        ck_assert_msg(at && strcmp(at, rest) == 0, "cut at %zu: %s", cut, targets);
        *at = '\0';
        add_range(start, 0, 500);
        ck_assert_msg(strncmp(targets, start, strlen(targets)) == 0, "cut at %zu: %s", cut,
                      targets);
        ck_assert_uint_ge(strlen(targets), add_range(start, 0, 200));
        free(targets);
    }
    free(bytes);
    folder_leave();
}

START_TEST(a_torn_member_of_many_records_gives_no_record_that_never_was)
{
    tear_members("x.gor.gz", "y.gor.gz");
    tear_members("x.gor.zst", "y.gor.zst");
}
END_TEST

START_TEST(a_full_disk_leaves_whole_records_only_and_is_tried_again)
{
    static const char *const names[] = {"x.gor", "x.gor.gz", "x.gor.zst"};
    folder_enter();
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        memset(&books, 0, sizeof(books));
        struct file_writer *w = open_writer(names[i], FILE_NEW);
        put_and_flush(w, 0, 2);
        int64_t before = file_size(names[i]);
        for (unsigned n = 2; n < 10; n++)
            put(w, n);
        size_t record = i == 0 ? (size_t)before / 2 : 0;
        fill_disk_at((size_t)before + record + 20); /* one more, and a bit */
        ck_assert_int_eq(file_writer_flush(w), -EFBIG);
        ck_assert_int_eq(file_size(names[i]), before + (int64_t)record);
        ck_assert_uint_eq(book_get(&books, BOOK_DELIVERED), i == 0 ? 3 : 2);
        ck_assert_uint_eq(book_get(&books, BOOK_FAILED), i == 0 ? 7 : 8);
        free_disk();
        put_and_flush(w, 10, 11);
        file_writer_free(w);
        expect_targets(names[i], i == 0 ? "/0 /1 /2 /10" : "/0 /1 /10", 0);
        ck_assert_uint_eq(book_get(&books, BOOK_DELIVERED) + book_get(&books, BOOK_FAILED), 11);
    }
    folder_leave();
}
END_TEST

/* Bytes on the disk, of compressed members as of plain records. */
START_TEST(a_file_never_grows_beyond_its_size_whatever_its_compression)
{
    static const char *const names[] = {"x.gor", "x.gor.gz", "x.gor.zst"};
    folder_enter();
    config.size_max = 4000;
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        char name[64];
        unsigned n_files = 0, full = 0;
        size_t total = 0;
        snprintf(name, sizeof(name), "0%s", names[i]);
        struct file_writer *w = open_writer(name, FILE_NEW);
        for (unsigned n = 0; n < 2000; n++) {
            int fault, r = 0;
            const struct msg *msg = numbered_request(n);
            int64_t len = file_writer_put(w, msg, &fault);
            if (n % 10 == 0 || len == 0)
                r = file_writer_flush(w);
            ck_assert(fault == 0 && (r == 0 || r == FILE_IS_FULL));
            if (len == 0 || r == FILE_IS_FULL) {
                snprintf(name, sizeof(name), "%u%s", ++n_files, names[i]);
                ck_assert_int_eq(file_writer_next(w, name, FILE_NEW), 0);
                ck_assert_int_eq(file_writer_flush(w), 0);
                full++;
            }
            if (len == 0)
                ck_assert_int_gt(file_writer_put(w, msg, &fault), 0);
            msg_unref(msg);
        }
        ck_assert_int_eq(file_writer_flush(w), 0);
        file_writer_free(w);
        ck_assert_uint_ge(full, 10);
        for (unsigned k = 0; k <= n_files; k++) {
            snprintf(name, sizeof(name), "%u%s", k, names[i]);
            ck_assert_int_le(file_size(name), 4000);
            if (k < n_files) /* and is well filled */
                ck_assert_int_ge(file_size(name), i == 0 ? 3800 : 3300);
            total += recording_count(name);
        }
        ck_assert_uint_eq(total, 2000);
    }
    folder_leave();
}
END_TEST

START_TEST(the_sum_of_all_files_keeps_to_the_cap)
{
    static const char *const names[] = {"x.gor", "x.gor.gz", "x.gor.zst"};
    folder_enter();
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        struct file_cap cap = {.max = 3000};
        int fault;
        int64_t len = 1;
        memset(&books, 0, sizeof(books));
        config.cap = &cap;
        struct file_writer *w = open_writer(names[i], FILE_NEW);
        for (unsigned n = 0; len > 0 && n < 1000; n++) {
            const struct msg *msg = numbered_request(n);
            len = file_writer_put(w, msg, &fault);
            msg_unref(msg);
            if (n % 5 == 4 && file_writer_flush(w) < 0)
                break;
        }
        ck_assert(len == -EDQUOT || book_get(&books, BOOK_FAILED) > 0);
        int r = file_writer_flush(w);
        ck_assert(r == 0);
        file_writer_free(w);
        ck_assert_int_le(file_size(names[i]), 3000);
        ck_assert_int_ge(file_size(names[i]), i == 0 ? 2850 : 2000);
        ck_assert_uint_eq(cap.used, file_size(names[i]));
        ck_assert_uint_eq(recording_count(names[i]), book_get(&books, BOOK_DELIVERED));
    }
    folder_leave();
}
END_TEST

START_TEST(large_amounts_are_packed_on_a_thread_and_stay_in_order)
{
    static const char *const names[] = {"x.gor.gz", "x.gor.zst"};
    folder_enter();
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        struct file_writer *w = open_writer(names[i], FILE_NEW);
        for (unsigned n = 0; n < 40000; n++) /* several batches, without one flush */
            put(w, n);
        ck_assert_int_gt(file_size(names[i]), 0);
        ck_assert_int_eq(file_writer_flush(w), 0);
        file_writer_free(w);
        char *targets = recording_targets(names[i], NULL), *at = targets;
        for (unsigned n = 0; n < 40000; n++) {
            char target[16];
            int len = snprintf(target, sizeof(target), "/%u", n);
            ck_assert_msg(strncmp(at, target, (size_t)len) == 0, "/%u is not next", n);
            at += len + 1;
        }
        free(targets);
    }
    ck_assert_uint_eq(book_get(&books, BOOK_DELIVERED), 80000);
    folder_leave();
}
END_TEST

START_TEST(a_device_that_is_full_counts_what_it_does_not_take)
{
    struct file_writer *w = open_writer("/dev/full", FILE_APPEND);
    put(w, 1);
    put(w, 2);
    ck_assert_int_eq(file_writer_flush(w), -ENOSPC);
    ck_assert_uint_eq(file_writer_pending(w), 0);
    ck_assert_uint_eq(book_get(&books, BOOK_FAILED), 2);
    file_writer_free(w);
}
END_TEST

START_TEST(what_was_never_flushed_counts_as_abandoned)
{
    folder_enter();
    struct file_writer *w = open_writer("x.gor", FILE_NEW);
    put(w, 1);
    file_writer_free(w);
    ck_assert_uint_eq(book_get(&books, BOOK_ABANDONED), 1);
    folder_leave();
}
END_TEST

START_TEST(a_record_larger_than_any_buffer_is_written_whole)
{
    static const char *const names[] = {"x.gor", "x.gor.gz", "x.gor.zst"};
    size_t len = 9 * MIB;
    folder_enter();
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        struct file_writer *w = open_writer(names[i], FILE_NEW);
        struct msg *msg = msg_new(len);
        ck_assert_ptr_nonnull(msg);
        ck_assert(msg_set_id(msg, span_str("big")));
        msg->type = MSG_REQUEST;
        msg->len = len;
        uint32_t x = 1; /* bytes that gzip cannot make shorter */
        for (size_t k = 0; k < len; k++)
            msg->bytes[k] = (uint8_t)((x = x * 1664525 + 1013904223) >> 24);
        int at = snprintf((char *)msg->bytes, 80,
                          "POST /big HTTP/1.1\r\nContent-Length: %zu\r\n\r\n", len - 55);
        memset(msg->bytes + at, 'x', 55 > at ? (size_t)(55 - at) : 0);
        int fault;
        ck_assert_int_gt(file_writer_put(w, msg, &fault), (int64_t)len);
        ck_assert_int_eq(fault, 0);
        if (i == 0)
            ck_assert_uint_eq(file_writer_pending(w), 0);
        msg_unref(msg);
        put_and_flush(w, 1, 2);
        ck_assert_uint_eq(file_writer_pending(w), 0);
        file_writer_free(w);
        ck_assert_uint_eq(recording_count(names[i]), 2);
    }
    folder_leave();
}
END_TEST

START_TEST(every_allocation_may_fail)
{
    folder_enter();
    for (uint64_t nth = 1; nth < 20; nth++) {
        memset(&books, 0, sizeof(books));
        struct file_writer *w = NULL;
        int fault = 0;
        char name[32];
        snprintf(name, sizeof(name), "x%u.gor.gz", (unsigned)nth);
        const struct msg *msg = numbered_request(1);
        mem_fail_at(nth);
        int r = file_writer_open(&w, name, FILE_NEW, &config);
        if (r == 0 && file_writer_put(w, msg, &fault) > 0)
            fault = file_writer_flush(w);
        ck_assert(r == 0 || r == -ENOMEM);
        ck_assert(fault == 0 || (fault == -ENOMEM && book_get(&books, BOOK_FAILED) == 1));
        mem_fail_at(0);
        file_writer_free(w);
        msg_unref(msg);
    }
    ck_assert_int_eq(mem_used(MEM_IO), 0);
    folder_leave();
}
END_TEST

Suite *suite(void)
{
    const TTest *const tests[] = {
        what_was_put_is_in_the_file_after_a_flush,
        a_gzip_file_is_one_member_per_flush,
        a_new_file_never_opens_one_that_is_there,
        files_and_folders_are_for_the_owner_only,
        appending_keeps_what_is_there,
        two_writers_never_append_to_one_file,
        a_file_cut_anywhere_gives_all_whole_records_and_can_be_continued,
        a_torn_member_of_many_records_gives_no_record_that_never_was,
        a_full_disk_leaves_whole_records_only_and_is_tried_again,
        a_file_never_grows_beyond_its_size_whatever_its_compression,
        the_sum_of_all_files_keeps_to_the_cap,
        large_amounts_are_packed_on_a_thread_and_stay_in_order,
        a_device_that_is_full_counts_what_it_does_not_take,
        what_was_never_flushed_counts_as_abandoned,
        a_record_larger_than_any_buffer_is_written_whole,
        every_allocation_may_fail,
    };
    return suite_of("file_writer", tests, ARRAY_LEN(tests));
}
