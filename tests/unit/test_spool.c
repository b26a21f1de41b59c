/* SPDX-License-Identifier: MIT */
#include "tests/unit/unit.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/clock.h"
#include "lib/mem.h"
#include "lib/relay_frame.h"
#include "outputs/spool.h"
#include "tests/unit/folder.h"
#include "tests/unit/messages.h"

struct fixture {
    struct output out;
    struct books *books;
    struct spool *spool;
    unsigned next; /* the message that must be sent next */
};

static int fixture_open(struct fixture *f, const char *folder, uint64_t max_bytes, struct err *err)
{
    *f = (struct fixture){.books = aligned_alloc(64, sizeof(struct books))};
    ck_assert_ptr_nonnull(f->books);
    memset(f->books, 0, sizeof(*f->books));
    f->out.books = f->books;
    struct spool_config config = {
        .out = &f->out, .folder = folder, .max_bytes = max_bytes, .tag = "spool"};
    return spool_open(&f->spool, &config, err);
}

static void fixture_new(struct fixture *f, const char *folder, uint64_t max_bytes)
{
    struct err err;
    ck_assert_msg(fixture_open(f, folder, max_bytes, &err) == 0, "%s", err.text);
}

static void fixture_close(struct fixture *f)
{
    spool_close(f->spool);
    free(f->books);
}

/* One in 100 is longer than what is read at once. */
static size_t payload_len(unsigned n)
{
    return n % 100 == 50 ? 700000 : 20 + n % 500;
}

static enum output_result put(struct fixture *f, unsigned n)
{
    size_t len = payload_len(n);
    struct msg *msg = msg_new(len);
    ck_assert_ptr_nonnull(msg);
    memset(msg->bytes, 'a' + n % 26, len);
    msg->len = len;
    msg->type = MSG_REQUEST;
    msg->ts_ns = n;
    ck_assert(msg_set_id(msg, span_str("1")));
    enum output_result r = spool_put(f->spool, msg, 77, n);
    msg_unref(msg);
    return r;
}

static void put_all(struct fixture *f, unsigned from, unsigned to)
{
    for (unsigned n = from; n < to; n++)
        ck_assert_int_eq(put(f, n), OUTPUT_TAKEN);
}

/* Sends up to count frames, which must be the next ones. How many there were. */
static unsigned send_some(struct fixture *f, unsigned count)
{
    unsigned done = 0;
    while (done < count) {
        struct relay_head h;
        struct span frames = spool_next(f->spool);
        if (frames.len == 0)
            break;
        ck_assert_int_eq(relay_head_get(frames, &h), RELAY_FOUND);
        ck_assert_uint_le(relay_frame_len(&h), frames.len);
        ck_assert(h.stream == 77);
        ck_assert_uint_eq(h.number, f->next);
        ck_assert_uint_eq(relay_payload_len(&h), payload_len(f->next));
        ck_assert_int_eq(frames.ptr[relay_frame_len(&h) - 1], 'a' + (int)(f->next % 26));
        f->next++;
        done++;
        spool_sent_one(f->spool);
    }
    return done;
}

static void check_rounds(const char *folder)
{
    struct fixture f;
    unsigned put_n = 0;
    fixture_new(&f, folder, GIB);
    srand(7);
    for (unsigned round = 0; round < 200; round++) {
        unsigned more = (unsigned)rand() % 30;
        put_all(&f, put_n, put_n + more);
        put_n += more;
        send_some(&f, (unsigned)rand() % 40);
        uint64_t acked = spool_acked(f.spool), sent = spool_sent(f.spool);
        spool_ack(f.spool, acked + (uint64_t)rand() % (sent - acked + 1));
        if (rand() % 5 == 0) { /* it went away, and has some of them */
            uint64_t have = spool_acked(f.spool);
            have += (uint64_t)rand() % (spool_sent(f.spool) - have + 1);
            spool_back(f.spool, have);
            f.next = (unsigned)have;
        }
        spool_tick(f.spool, clock_mono_ns());
    }
    send_some(&f, UINT32_MAX);
    ck_assert_uint_eq(spool_sent(f.spool), put_n);
    spool_ack(f.spool, put_n);
    ck_assert_uint_eq(book_get(f.books, BOOK_DELIVERED), put_n);
    uint64_t bytes = 0;
    for (unsigned n = 0; n < put_n; n++)
        bytes += payload_len(n);
    ck_assert_uint_eq(book_get(f.books, BOOK_DELIVERED_BYTES), bytes);
    fixture_close(&f);
}

START_TEST(frames_leave_in_order_whatever_is_sent_again_in_memory)
{
    check_rounds(NULL);
}
END_TEST

START_TEST(frames_leave_in_order_whatever_is_sent_again_on_disk)
{
    folder_enter();
    check_rounds("s/p");
    ck_assert_int_eq(access("s/p", F_OK), -1); /* an empty spool leaves nothing */
    folder_leave();
}
END_TEST

START_TEST(a_spool_in_memory_is_bounded_and_what_is_left_abandoned)
{
    struct fixture f;
    unsigned n = 0;
    fixture_new(&f, NULL, MIB);
    while (put(&f, n) == OUTPUT_TAKEN)
        n++;
    ck_assert_int_eq(put(&f, n), OUTPUT_BUSY);
    send_some(&f, 60);
    spool_ack(f.spool, 60);
    ck_assert_int_eq(put(&f, n), OUTPUT_TAKEN);
    struct books *books = f.books;
    spool_close(f.spool);
    ck_assert_uint_eq(book_get(books, BOOK_DELIVERED), 60);
    ck_assert_uint_eq(book_get(books, BOOK_ABANDONED), n + 1 - 60);
    free(books);
}
END_TEST

/* Another process puts, sends, acknowledges and is killed. */
static void run_and_be_killed(unsigned n, unsigned acked)
{
    pid_t pid = fork();
    if (pid == 0) {
        struct fixture f;
        fixture_new(&f, "s", GIB);
        put_all(&f, 0, n);
        send_some(&f, acked + 10);
        spool_ack(f.spool, acked);
        spool_tick(f.spool, clock_mono_ns() + NS_PER_S);
        raise(SIGKILL);
    }
    int status;
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert(WIFSIGNALED(status));
}

START_TEST(what_a_killed_run_left_is_sent_first)
{
    struct fixture f;
    folder_enter();
    run_and_be_killed(3000, 1234);
    fixture_new(&f, "s", GIB);
    ck_assert_uint_eq(book_get(f.books, BOOK_SEEN), 3000 - 1234);
    ck_assert_uint_eq(book_get(f.books, BOOK_SPOOL_FOUND), 3000 - 1234);
    f.next = 1234;
    put_all(&f, 3000, 3500);
    ck_assert_uint_eq(send_some(&f, UINT32_MAX), 3500 - 1234);
    spool_ack(f.spool, spool_sent(f.spool) - 100);
    struct books *books = f.books;
    spool_close(f.spool); /* the last 100 stay */
    ck_assert_uint_eq(book_get(books, BOOK_SPOOLED), 100);
    free(books);
    fixture_new(&f, "s", GIB);
    f.next = 3400;
    ck_assert_uint_eq(send_some(&f, UINT32_MAX), 100);
    fixture_close(&f);
    folder_leave();
}
END_TEST

static void first_file(char *path, size_t size)
{
    struct dirent **list;
    int n = scandir("s", &list, NULL, alphasort);
    for (int i = 0; i < n; i++) {
        if (strstr(list[i]->d_name, ".frames") && !*path)
            snprintf(path, size, "s/%s", list[i]->d_name);
        free(list[i]);
    }
    free(list);
    ck_assert(*path);
}

START_TEST(damage_costs_what_is_damaged)
{
    struct fixture f;
    char path[300] = "";
    size_t len;
    folder_enter();
    run_and_be_killed(40, 0);
    first_file(path, sizeof(path));
    uint8_t *bytes = file_get(path, &len);
    uint8_t *frame = memmem(bytes + 500, len - 500, "\xf5\x01", 2);
    ck_assert_ptr_nonnull(frame);
    frame[9] ^= 1;
    unlink(path);
    file_put(path, bytes, len - 5); /* and its end is torn off */
    free(bytes);
    fixture_new(&f, "s", GIB);
    ck_assert_uint_eq(book_get(f.books, BOOK_SEEN), 38);
    ck_assert_uint_eq(book_get(f.books, BOOK_SPOOL_DAMAGED), 1);
    unsigned n = 0;
    for (struct span s = spool_next(f.spool); s.len > 0; s = spool_next(f.spool), n++)
        spool_sent_one(f.spool);
    ck_assert_uint_eq(n, 38);
    fixture_close(&f);
    folder_leave();
}
END_TEST

START_TEST(a_spool_on_disk_is_bounded_and_has_one_owner)
{
    struct fixture f, other;
    struct err err;
    unsigned n = 0;
    folder_enter();
    fixture_new(&f, "s", MIB);
    ck_assert_int_lt(fixture_open(&other, "s", MIB, &err), 0);
    ck_assert_ptr_nonnull(strstr(err.text, "give each its own folder"));
    free(other.books);
    while (put(&f, n) == OUTPUT_TAKEN)
        n++;
    ck_assert_int_eq(put(&f, n), OUTPUT_BUSY);
    ck_assert_uint_gt(n, 50);
    fixture_close(&f);
    folder_leave();
}
END_TEST

START_TEST(every_allocation_may_fail)
{
    struct msg *msg = message(MSG_REQUEST, "1", "GET / HTTP/1.1\r\n\r\n");
    folder_enter();
    for (int kind = 0; kind < 2; kind++)
        for (uint64_t nth = 1; nth < 40; nth++) {
            struct fixture f;
            struct err err;
            mem_fail_at(nth);
            if (fixture_open(&f, kind ? "s" : NULL, GIB, &err) == 0) {
                for (unsigned n = 0; n < 60; n++) {
                    (void)spool_put(f.spool, msg, 1, n);
                    if (spool_next(f.spool).len > 0)
                        spool_sent_one(f.spool);
                }
                spool_ack(f.spool, spool_sent(f.spool));
                spool_close(f.spool);
            }
            mem_fail_at(0);
            free(f.books);
        }
    msg_unref(msg);
    folder_leave();
}
END_TEST

Suite *suite(void)
{
    const TTest *const tests[] = {
        frames_leave_in_order_whatever_is_sent_again_in_memory,
        frames_leave_in_order_whatever_is_sent_again_on_disk,
        a_spool_in_memory_is_bounded_and_what_is_left_abandoned,
        what_a_killed_run_left_is_sent_first,
        damage_costs_what_is_damaged,
        a_spool_on_disk_is_bounded_and_has_one_owner,
        every_allocation_may_fail,
    };
    return suite_of("spool", tests, ARRAY_LEN(tests));
}
