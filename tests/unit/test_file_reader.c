/* SPDX-License-Identifier: MIT */
#include "tests/unit/unit.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include "capture/merge.h"
#include "lib/clock.h"
#include "lib/mem.h"
#include "tests/unit/folder.h"

#define SEP "\n\xf0\x9f\x90\xb5\xf0\x9f\x99\x88\xf0\x9f\x99\x89\n"

static struct books books;
static struct reader_config config = {.depth = 100, .stop_fd = -1, .books = &books, .quiet = true};

/* One record as gor writes it: "GET /name", at ts. */
static size_t record(char *out, const char *name, long long ts)
{
    return (size_t)snprintf(out, 256, "1 %s %lld 0\nGET /%s HTTP/1.1\r\n\r\n" SEP, name, ts, name);
}

/* A recording of records name, ts, name, ts, …, NULL. */
static void make(const char *file, ...)
{
    char text[65536];
    size_t len = 0;
    va_list args;
    va_start(args, file);
    for (const char *name = va_arg(args, const char *); name; name = va_arg(args, const char *))
        len += record(text + len, name, va_arg(args, int));
    va_end(args);
    file_put(file, text, len);
}

/* bytes as one gzip member, added to file. */
static void add_member(const char *file, const char *bytes, size_t n)
{
    uint8_t packed[65536];
    z_stream zip = {.next_in = (Bytef *)bytes,
                    .avail_in = (uInt)n,
                    .next_out = packed,
                    .avail_out = sizeof(packed)};
    ck_assert_int_eq(deflateInit2(&zip, 6, Z_DEFLATED, 31, 8, Z_DEFAULT_STRATEGY), Z_OK);
    ck_assert_int_eq(deflate(&zip, Z_FINISH), Z_STREAM_END);
    file_add(file, packed, zip.total_out);
    deflateEnd(&zip);
}

static struct merge *new_merge(void)
{
    struct merge *m = NULL;
    ck_assert_int_eq(merge_new(&m, &config), 0);
    return m;
}

static void add(struct merge *m, const char *file, double percent)
{
    struct err err;
    ck_assert_msg(merge_add(m, file, percent, &err) == 0, "%s", err.text);
}

/* Plays all of m, and frees it: "/a@0 /b@10", the offsets in ns. */
static const char *play(struct merge *m)
{
    static char text[65536];
    struct err err;
    int64_t offset_ns;
    size_t len = 0;
    int r;
    text[0] = '\0';
    while ((r = merge_next(m, &offset_ns, &err)) == READER_READY || r == READER_WAIT) {
        if (r == READER_WAIT)
            continue;
        struct msg *msg = merge_take(m);
        struct span target = msg_target(msg);
        len += (size_t)snprintf(text + len, sizeof(text) - len, "%s%.*s@%lld", len ? " " : "",
                                (int)target.len, (const char *)target.ptr, (long long)offset_ns);
        msg_unref(msg);
    }
    ck_assert_int_eq(r, READER_END);
    merge_free(m);
    ck_assert_int_eq(mem_used(MEM_IO), 0);
    ck_assert_int_eq(mem_used(MEM_MSG), 0);
    return text;
}

static const char *play_one(const char *file)
{
    struct merge *m = new_merge();
    add(m, file, 100);
    return play(m);
}

START_TEST(files_are_merged_by_time)
{
    folder_enter();
    make("a", "a1", 1000, "a2", 1030, NULL);
    make("b", "b1", 1010, "b2", 1020, "b3", 1040, NULL);
    struct merge *m = new_merge();
    add(m, "a", 100);
    add(m, "b", 100);
    ck_assert_str_eq(play(m), "/a1@0 /b1@10 /b2@20 /a2@30 /b3@40");
    ck_assert_uint_eq(book_get(&books, BOOK_RECORDS), 5);
    folder_leave();
}
END_TEST

START_TEST(records_of_one_time_keep_the_order_of_files_and_of_lines)
{
    folder_enter();
    make("a", "a1", 5, "a2", 5, "a3", 5, "a4", 5, "a5", 5, NULL);
    make("b", "b1", 5, "b2", 5, "b3", 5, NULL);
    struct merge *m = new_merge();
    add(m, "b", 100);
    add(m, "a", 100);
    ck_assert_str_eq(play(m), "/b1@0 /b2@0 /b3@0 /a1@0 /a2@0 /a3@0 /a4@0 /a5@0");
    folder_leave();
}
END_TEST

START_TEST(each_file_has_its_own_speed_from_one_common_start)
{
    folder_enter();
    make("a", "a1", 1000, "a2", 1400, NULL);
    make("b", "b1", 1100, "b2", 1300, NULL);
    struct merge *m = new_merge();
    add(m, "a", 200);
    add(m, "b", 50);
    ck_assert_str_eq(play(m), "/a1@0 /b1@200 /a2@200 /b2@600");
    folder_leave();
}
END_TEST

START_TEST(records_a_little_out_of_order_are_sorted_within_the_window)
{
    folder_enter();
    make("a", "r3", 30, "r1", 10, "r2", 20, "r5", 50, "r4", 40, NULL);
    config.depth = 3;
    ck_assert_str_eq(play_one("a"), "/r1@0 /r2@10 /r3@20 /r4@30 /r5@40");
    config.depth = 1; /* no window: as they stand, those that are late at once */
    ck_assert_str_eq(play_one("a"), "/r3@0 /r1@-20 /r2@-10 /r5@20 /r4@10");
    folder_leave();
}
END_TEST

START_TEST(a_record_without_a_time_stays_with_the_one_before_it)
{
    folder_enter();
    make("a", "r0", 0, "r1", 1000, "r2", 0, "r3", 1010, NULL);
    ck_assert_str_eq(play_one("a"), "/r0@0 /r1@0 /r2@0 /r3@10");
    folder_leave();
}
END_TEST

START_TEST(hundreds_of_chunks_need_few_descriptors_and_stay_in_order)
{
    char want[65536], name[16];
    size_t len = 0;
    folder_enter();
    struct merge *m = new_merge();
    for (int i = 0; i < 300; i++) {
        snprintf(name, sizeof(name), "f%d", i);
        make(name, name, 1000 + i * 10, "x", 1015 + i * 10, NULL);
        add(m, name, 100);
        if (i > 0) {
            len += (size_t)snprintf(want + len, 32, " /f%d@%d", i, i * 10);
            len += (size_t)snprintf(want + len, 32, " /x@%d", i * 10 + 5);
        } else {
            len += (size_t)snprintf(want + len, 32, "/f0@0");
        }
    }
    snprintf(want + len, 32, " /x@%d", 299 * 10 + 15);
    int fd = dup(0);
    ck_assert_int_lt(fd, 100); /* of 300 files, few are open */
    close(fd);
    ck_assert_str_eq(play(m), want);
    ck_assert_uint_eq(book_get(&books, BOOK_RECORDS), 600);
    folder_leave();
}
END_TEST

START_TEST(gzip_is_known_by_its_content_and_may_have_many_members)
{
    char text[256];
    folder_enter();
    add_member("a.gor", text, record(text, "r1", 10));
    add_member("a.gor", text, record(text, "r2", 20));
    size_t len = record(text, "r3", 30);
    add_member("a.gor", text, 20); /* gor's members know nothing of records */
    add_member("a.gor", text + 20, len - 20);
    ck_assert_str_eq(play_one("a.gor"), "/r1@0 /r2@10 /r3@20");
    make("plain.gor.gz", "p1", 10, NULL);
    ck_assert_str_eq(play_one("plain.gor.gz"), "/p1@0");
    ck_assert_uint_eq(book_get(&books, BOOK_RECORDS_DAMAGED), 0);
    folder_leave();
}
END_TEST

START_TEST(a_torn_gzip_file_gives_what_is_whole_and_counts_one_damage)
{
    char text[1024];
    folder_enter();
    size_t len = record(text, "r1", 10);
    len += record(text + len, "r2", 20);
    add_member("a.gz", text, len);
    int64_t whole = file_size("a.gz");
    add_member("a.gz", text, record(text, "r3", 30));
    for (int64_t cut = whole + 1; cut < whole + 30; cut++) {
        memset(&books, 0, sizeof(books));
        size_t size;
        uint8_t *bytes = file_get("a.gz", &size);
        file_put("cut", bytes, (size_t)cut);
        free(bytes);
        ck_assert_str_eq(play_one("cut"), "/r1@0 /r2@10");
        ck_assert_uint_eq(book_get(&books, BOOK_RECORDS_DAMAGED), 1);
    }
    folder_leave();
}
END_TEST

START_TEST(a_damaged_member_costs_only_itself)
{
    char text[256], name[8];
    int64_t ends[6] = {0};
    size_t size;
    folder_enter();
    for (int i = 1; i <= 5; i++) {
        snprintf(name, sizeof(name), "r%d", i);
        add_member("a.gz", text, record(text, name, i * 10));
        ends[i] = file_size("a.gz");
    }
    uint8_t *bytes = file_get("a.gz", &size);
    for (int64_t at = ends[2]; at < ends[3] - 8; at++) {
        bytes[at] ^= 0xff;
        file_put("bad.gz", bytes, size);
        bytes[at] ^= 0xff;
        memset(&books, 0, sizeof(books));
        const char *got = play_one("bad.gz");
        ck_assert_msg(strncmp(got, "/r1@0 /r2@10 ", 13) == 0 && strstr(got, " /r4@30 /r5@40"),
                      "byte %d: %s", (int)(at - ends[2]), got);
    }
    free(bytes);
    folder_leave();
}
END_TEST

/* One record as refrain writes it, with a body of body bytes. */
static size_t checked_record(char *out, const char *name, int ts, int body)
{
    char payload[16384];
    int len = snprintf(payload, sizeof(payload),
                       "POST /%s HTTP/1.1\r\nContent-Length: %d\r\n\r\n%0*d", name, body, body, 0);
    uLong crc = crc32_z(0, (const Bytef *)payload, (size_t)len);
    return (size_t)sprintf(out, "1 %s %d 0 %d %08lx - -\n%s" SEP, name, ts, len, crc, payload);
}

START_TEST(copies_in_a_damaged_member_are_damage_and_in_a_sound_one_are_records)
{
    static char text[1 << 20];
    size_t size;
    folder_enter();
    for (int far = 0; far < 2;
         far++) { /* the damage is told at once, or long after the copy is out */
        size_t len = checked_record(text, "r1", 10, 100);
        len += checked_record(text + len, "r2", 20, 100);
        len += checked_record(text + len, "r1", 10, 100);
        for (int i = 0; i < 40 * far; i++) {
            char name[8];
            snprintf(name, sizeof(name), "x%d", i);
            len += checked_record(text + len, name, 30, 15000);
        }
        memset(&books, 0, sizeof(books));
        file_put("a.gz", "", 0);
        add_member("a.gz", text, len);
        const char *got = play_one("a.gz");
        ck_assert_msg(strncmp(got, "/r1@0 /r1@0 /r2@10", 18) == 0, "%s", got);
        ck_assert_uint_eq(book_get(&books, BOOK_RECORDS_DAMAGED), 0);
        uint8_t *bytes = file_get("a.gz", &size);
        bytes[size - 8] ^= 1; /* the member's CRC32 */
        file_put("a.gz", bytes, size);
        free(bytes);
        got = play_one("a.gz");
        ck_assert_msg(strncmp(got, "/r1@0 /r2@10", 12) == 0, "%s", got);
        ck_assert_uint_eq(book_get(&books, BOOK_RECORDS), 2 + 40 * (unsigned)far + 3 + 40 * far);
        ck_assert_uint_ge(book_get(&books, BOOK_RECORDS_DAMAGED), 1);
    }
    folder_leave();
}
END_TEST

START_TEST(damaged_records_are_skipped_and_counted)
{
    char text[1024];
    size_t len = 0;
    folder_enter();
    len += record(text, "r1", 10);
    len += (size_t)snprintf(text + len, 64, "nothing like a record" SEP);
    len += record(text + len, "r2", 20);
    file_put("a", text, len);
    ck_assert_str_eq(play_one("a"), "/r1@0 /r2@10");
    ck_assert_uint_eq(book_get(&books, BOOK_RECORDS_DAMAGED), 1);
    memset(text + len, 0, 200); /* a tail of zeros, as a power cut leaves it */
    file_put("a", text, len + 200);
    ck_assert_str_eq(play_one("a"), "/r1@0 /r2@10");
    ck_assert_uint_eq(book_get(&books, BOOK_RECORDS_DAMAGED), 3);
    folder_leave();
}
END_TEST

START_TEST(a_payload_that_is_no_http_is_passed_on_and_counted)
{
    folder_enter();
    file_put("a", "1 x 5 0\nhello" SEP, 8 + 5 + 14);
    ck_assert_str_eq(play_one("a"), "@0");
    ck_assert_uint_eq(book_get(&books, BOOK_RECORDS_NOT_HTTP), 1);
    ck_assert_uint_eq(book_get(&books, BOOK_RECORD_BYTES), 5);
    folder_leave();
}
END_TEST

START_TEST(empty_files_end_at_once)
{
    folder_enter();
    file_put("a", "", 0);
    ck_assert_str_eq(play_one("a"), "");
    file_put("b", "\x1f\x8b", 2);
    ck_assert_str_eq(play_one("b"), "");
    ck_assert_str_eq(play(new_merge()), "");
    folder_leave();
}
END_TEST

START_TEST(memory_stays_small_however_large_the_file_is)
{
    char text[4096];
    int64_t most = 0, offset_ns;
    struct err err;
    folder_enter();
    for (int n = 0; n < 200; n++) {
        size_t len = 0;
        for (int i = 0; i < 40; i++)
            len += record(text + len, "r", n * 40 + i + 1);
        for (int i = 0; i < 20; i++)
            file_add("a", text, len);
    }
    ck_assert_int_gt(file_size("a"), 6000000);
    struct merge *m = new_merge();
    add(m, "a", 100);
    while (merge_next(m, &offset_ns, &err) == READER_READY) {
        msg_unref(merge_take(m));
        int64_t used = mem_used(MEM_IO) + mem_used(MEM_MSG);
        most = used > most ? used : most;
    }
    ck_assert_int_lt(most, 2000000);
    merge_free(m);
    folder_leave();
}
END_TEST

START_TEST(a_pipe_is_read_as_it_comes_and_never_waited_for_long)
{
    char text[256];
    struct err err;
    int64_t offset_ns;
    folder_enter();
    ck_assert_int_eq(mkfifo("pipe", 0600), 0);
    struct merge *m = new_merge();
    add(m, "pipe", 100);
    int64_t start = clock_mono_ns();
    ck_assert_int_eq(merge_next(m, &offset_ns, &err), READER_WAIT);
    FILE *pipe = fopen("pipe", "w");
    fwrite(text, 1, record(text, "r1", 10), pipe);
    fwrite(text, 1, record(text, "r2", 20), pipe);
    fflush(pipe);
    ck_assert_int_eq(merge_next(m, &offset_ns, &err), READER_READY);
    msg_unref(merge_take(m));
    ck_assert_int_eq(merge_next(m, &offset_ns, &err), READER_READY);
    msg_unref(merge_take(m));
    ck_assert_int_eq(merge_next(m, &offset_ns, &err), READER_WAIT);
    ck_assert_int_lt(clock_mono_ns() - start, 10 * NS_PER_S);
    fwrite(text, 1, record(text, "r3", 30), pipe);
    fclose(pipe);
    ck_assert_str_eq(play(m), "/r3@20");
    folder_leave();
}
END_TEST

struct places {
    size_t n, mended;
    struct reader_damage at[8];
};

static void note_place(void *arg, const struct reader_damage *damage)
{
    struct places *places = arg;
    ck_assert_uint_lt(places->n, ARRAY_LEN(places->at));
    places->at[places->n++] = *damage;
    places->mended += damage->mended;
}

/* Reads all of "a"; how many records there are. */
static size_t read_places(struct places *places, bool mends)
{
    const struct reader_config told = {.depth = 1,
                                       .stop_fd = -1,
                                       .books = &books,
                                       .quiet = true,
                                       .mends = mends,
                                       .on_damage = note_place,
                                       .on_damage_arg = places};
    struct file_reader *r = NULL;
    struct err err;
    size_t n = 0;
    *places = (struct places){.n = 0};
    ck_assert_int_eq(file_reader_new(&r, "a", &told, &err), 0);
    file_reader_park(r);
    for (; file_reader_next(r, &err) == READER_READY; n++)
        msg_unref(file_reader_take(r));
    file_reader_free(r);
    return n;
}

START_TEST(damage_is_told_with_its_place_and_length)
{
    static const char payload[] = "GET / HTTP/1.0\r\n\r\n", junk[] = "junk";
    char text[256], whole[256];
    struct places places;
    size_t len = record(text, "r1", 10);
    uLong crc = crc32_z(0, (const Bytef *)payload, sizeof(payload) - 1);
    size_t n = (size_t)snprintf(whole, sizeof(whole), "1 a 5 0 %zu %08lx - -\n%s",
                                sizeof(payload) - 1, crc, payload);
    folder_enter();
    file_put("a", text, len);
    file_add("a", junk, 4);
    file_add("a", SEP, 14);
    file_add("a", text, len);
    ck_assert_uint_eq(read_places(&places, false), 2);
    ck_assert_uint_eq(places.n, 1);
    ck_assert_uint_eq(places.at[0].offset, len);
    ck_assert_uint_eq(places.at[0].len, 4 + 14);
    ck_assert(!places.at[0].compressed && strstr(places.at[0].what, "header"));
    file_put("a", whole, n);
    file_add("a", "\n??????????\n??", 14);
    file_add("a", text, len);
    ck_assert_uint_eq(read_places(&places, false), 1);
    ck_assert_uint_eq(places.n, 1);
    ck_assert_uint_eq(places.at[0].len, n + 14);
    ck_assert_uint_eq(read_places(&places, true), 2);
    ck_assert_uint_eq(places.mended, 1);
    folder_leave();
}
END_TEST

START_TEST(every_allocation_may_fail_on_the_way)
{
    char text[256];
    folder_enter();
    add_member("a", text, record(text, "r1", 10));
    add_member("a", text, record(text, "r2", 20));
    for (uint64_t nth = 1; nth < 30; nth++) {
        struct merge *m = NULL;
        struct err err;
        int64_t offset_ns;
        mem_fail_at(nth);
        int r = merge_new(&m, &config);
        if (r == 0)
            r = merge_add(m, "a", 100, &err);
        while (r == 0 && (r = merge_next(m, &offset_ns, &err)) == READER_READY)
            msg_unref(merge_take(m));
        ck_assert(r == READER_END || r == -ENOMEM);
        mem_fail_at(0);
        merge_free(m);
        ck_assert_int_eq(mem_used(MEM_IO), 0);
        ck_assert_int_eq(mem_used(MEM_MSG), 0);
    }
    folder_leave();
}
END_TEST

Suite *suite(void)
{
    const TTest *const tests[] = {
        files_are_merged_by_time,
        records_of_one_time_keep_the_order_of_files_and_of_lines,
        each_file_has_its_own_speed_from_one_common_start,
        records_a_little_out_of_order_are_sorted_within_the_window,
        a_record_without_a_time_stays_with_the_one_before_it,
        hundreds_of_chunks_need_few_descriptors_and_stay_in_order,
        gzip_is_known_by_its_content_and_may_have_many_members,
        a_torn_gzip_file_gives_what_is_whole_and_counts_one_damage,
        a_damaged_member_costs_only_itself,
        copies_in_a_damaged_member_are_damage_and_in_a_sound_one_are_records,
        damaged_records_are_skipped_and_counted,
        a_payload_that_is_no_http_is_passed_on_and_counted,
        empty_files_end_at_once,
        memory_stays_small_however_large_the_file_is,
        a_pipe_is_read_as_it_comes_and_never_waited_for_long,
        damage_is_told_with_its_place_and_length,
        every_allocation_may_fail_on_the_way,
    };
    return suite_of("file_reader", tests, ARRAY_LEN(tests));
}
