/* SPDX-License-Identifier: MIT */
/* The ledger: every request is accounted for. Two laws, checked in every test and at every exit:
 *
 *   at each output:  seen = delivered + filtered + sampled_out + limited + dropped_queue + failed
 *                           + abandoned + split + paused + skipped + spooled
 *   in reassembly:   started = complete + gap + cut + too_large + evicted + expired + malformed
 *                              + closed + open
 *
 * A page of counters (struct books) has one writer, its thread, so counting costs a plain add;
 * readers in other threads sum over pages. books.def lists the counters.
 *
 * An account is what the summary shows a line for (an input, or an output); several pages, written
 * by several threads, may belong to one account. */
#pragma once

#include <stdatomic.h>

#include "lib/base.h"
#include "lib/histogram.h"

struct exchange_stats;

enum book {
#define BOOK(NAME, name, text) BOOK_##NAME,
#include "lib/books.def"
#undef BOOK
    BOOKS
};

struct books {
    _Alignas(64) atomic_uint_fast64_t count[BOOKS];
};

/* Only the page's own thread. */
static inline void book_add(struct books *page, enum book book, uint64_t n)
{
    uint64_t old = atomic_load_explicit(&page->count[book], memory_order_relaxed);
    atomic_store_explicit(&page->count[book], old + n, memory_order_relaxed);
}
static inline void book_one(struct books *page, enum book book)
{
    book_add(page, book, 1);
}
/* For figures that are read as totals elsewhere (the kernel's drop counters). */
static inline void book_set(struct books *page, enum book book, uint64_t n)
{
    atomic_store_explicit(&page->count[book], n, memory_order_relaxed);
}
static inline uint64_t book_get(const struct books *page, enum book book)
{
    return atomic_load_explicit(&page->count[book], memory_order_relaxed);
}

const char *book_name(enum book book);
const char *book_text(enum book book);

enum account_kind {
    ACCOUNT_INPUT = 0,
    ACCOUNT_OUTPUT = 1,
};

/* Can it be other than zero in such an account? Some can in both. */
bool book_is_of(enum book book, enum account_kind kind);

struct ledger;
struct account;

MUST_CHECK int ledger_new(struct ledger **ledgerp);
/* Frees all accounts and pages with it. */
void ledger_free(struct ledger *ledger);

/* name ("output-http http://…") is copied. The account lives as long as the ledger. NULL: no
 * memory. Main thread. */
struct account *ledger_account(struct ledger *ledger, enum account_kind kind, const char *name);
/* A page of that account: a new one, all zero, or one that was handed back. NULL: no memory. Main
 * thread. */
struct books *account_page(struct account *account);
/* Nobody writes that page, or any of that account, any more: they are given out again, with what
 * stands in them. Main thread. NULL is fine for a page. */
void books_hand_back(struct books *page);
void account_hand_back(struct account *account);
/* While threads run: the account of that name whose pages were all handed back, or a new one, which
 * is ACCOUNT_PREPARED. Counters go on from where they were. NULL: no memory. Main thread. */
struct account *ledger_account_again(struct ledger *ledger, enum account_kind kind,
                                     const char *name);
/* Is what it is of there? Or else since when not, in ns since 1970. */
#define ACCOUNT_PRESENT 0
#define ACCOUNT_PREPARED (-1) /* not yet: ledger_nth() passes it over */
void account_set_presence(struct account *account, int64_t presence); /* main thread */
int64_t account_presence(const struct account *account);

/* Any thread. */
uint64_t account_sum(const struct account *account, enum book book);
uint64_t ledger_sum(const struct ledger *ledger, enum account_kind kind, enum book book);
/* The accounts of a kind in order of making; NULL after the last. */
const struct account *ledger_nth(const struct ledger *ledger, enum account_kind kind, size_t n);
const char *account_name(const struct account *account);

/* Messages with a due time: when the first and the last were due, and when they were handed to the
 * output. CLOCK_MONOTONIC. */
struct pace {
    atomic_uint_fast64_t count;
    atomic_int_fast64_t first_due_ns, last_due_ns, first_out_ns, last_out_ns;
};
/* Written by the output's thread, read by any. */
struct pace *account_pace(const struct account *account);

/* How much of its recordings an input has played, in bytes of their files. */
struct playing {
    atomic_uint_fast64_t done, total;
    atomic_bool endless; /* nobody knows the total: a pipe, or a loop */
};
/* Written by the input's thread, read by any. All zero for inputs that read no files. */
struct playing *account_playing(const struct account *account);

/* How late messages with a due time reached this output, when it took them. Written by the output's
 * thread, read by any. */
struct histogram *account_lateness(const struct account *account);

/* How long answers took, from when their requests were due, or went out if they had no due time.
 * Written by the output's thread, read by any. Empty for outputs that get none. */
struct histogram *account_latency(const struct account *account);

/* How long the responses took that an input brought (msg.latency_ns), for one of its threads, which
 * alone writes it. NULL: no memory. Main thread, before threads start. */
struct histogram *account_recorded_page(struct account *account);
/* The nth of these, for any thread; NULL after the last. None when nobody asked. */
const struct histogram *account_recorded(const struct account *account, size_t n);

/* How its exchanges went, when a report was asked for: makes the place for it. 0 or -ENOMEM. Main
 * thread, before threads start. */
MUST_CHECK int account_track_exchanges(struct account *account);
/* NULL: not tracked. Written by the output's thread; read when that has ended. */
struct exchange_stats *account_exchanges(const struct account *account);

/* Messages of an output whose fate is still open: in its queue, or under way. */
uint64_t account_open(const struct account *output);
/* 0 when the second law holds for requests and responses of this input; else the difference. */
int64_t account_reassembly_gap(const struct account *input);
/* True when, with all threads ended, both laws hold everywhere. Else false and the first breach in
 * text. */
bool ledger_balances(const struct ledger *ledger, char *text, size_t size);
/* The worst share lost, 0..1, for --max-loss: of requests in capture, or of messages at an output.
 */
double ledger_loss(const struct ledger *ledger);
