/* SPDX-License-Identifier: MIT */
#include "lib/ledger.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/exchange_stats.h"
#include "lib/mem.h"

static const char *const names[BOOKS] = {
#define BOOK(NAME, name, text) [BOOK_##NAME] = name,
#include "lib/books.def"
#undef BOOK
};

static const char *const texts[BOOKS] = {
#define BOOK(NAME, name, text) [BOOK_##NAME] = text,
#include "lib/books.def"
#undef BOOK
};

/* The fates that a message can have at an output: the right side of the first law. */
static const enum book fates[] = {
    BOOK_DELIVERED, BOOK_FILTERED, BOOK_SAMPLED, BOOK_LIMITED, BOOK_DROPPED, BOOK_FAILED,
    BOOK_ABANDONED, BOOK_SPLIT,    BOOK_PAUSED,  BOOK_SKIPPED, BOOK_SPOOLED,
};

/* The second law, for requests and for responses: the first is the sum of the others. */
static const enum book requests[] = {
    BOOK_REQ_STARTED, BOOK_REQ_COMPLETE,  BOOK_REQ_SHORT,   BOOK_REQ_GAP,
    BOOK_REQ_CUT,     BOOK_REQ_TOO_LARGE, BOOK_REQ_EVICTED, BOOK_REQ_MALFORMED,
    BOOK_REQ_EXPIRED, BOOK_REQ_CLOSED,    BOOK_REQ_OPEN,
};
static const enum book responses[] = {
    BOOK_RES_STARTED, BOOK_RES_COMPLETE,  BOOK_RES_SHORT,   BOOK_RES_GAP,
    BOOK_RES_CUT,     BOOK_RES_TOO_LARGE, BOOK_RES_EVICTED, BOOK_RES_MALFORMED,
    BOOK_RES_EXPIRED, BOOK_RES_CLOSED,    BOOK_RES_OPEN,
};

struct page {
    struct books books;
    struct page *next;
    bool is_free; /* main thread */
};

struct recorded {
    struct histogram latency;
    struct recorded *next;
};

struct account {
    enum account_kind kind;
    char *name;
    atomic_int_fast64_t presence;
    _Atomic(struct page *) pages; /* new ones in front, while others are read */
    struct histogram *lateness, *latency;
    struct pace *pace;
    struct playing *playing;
    struct recorded *recorded; /* NULL: nobody asked */
    struct exchange_stats *exchanges; /* NULL: not tracked */
    _Atomic(struct account *) next;
};

struct ledger {
    _Atomic(struct account *) first, *last; /* new ones at the end, while others are read */
};

const char *book_name(enum book book)
{
    return names[book];
}

const char *book_text(enum book book)
{
    return texts[book];
}

bool book_is_of(enum book book, enum account_kind kind)
{
    /* as books.def has them in order; those of TLS are of both */
    return kind == ACCOUNT_INPUT ? book <= BOOK_TLS_OTHER : book >= BOOK_TLS_NOT;
}

int ledger_new(struct ledger **ledgerp)
{
    struct ledger *ledger = mem_zalloc(MEM_OTHER, sizeof(*ledger));
    if (!ledger)
        return -ENOMEM;
    ledger->last = &ledger->first;
    *ledgerp = ledger;
    return 0;
}

static void account_free(struct account *account)
{
    for (struct page *page = atomic_load(&account->pages), *next; page; page = next) {
        next = page->next;
        free(page);
    }
    while (account->recorded) {
        struct recorded *recorded = account->recorded;
        account->recorded = recorded->next;
        mem_free(recorded);
    }
    mem_free(account->lateness);
    mem_free(account->latency);
    mem_free(account->pace);
    mem_free(account->playing);
    exchange_stats_free(account->exchanges);
    mem_free(account->name);
    mem_free(account);
}

void ledger_free(struct ledger *ledger)
{
    if (!ledger)
        return;
    for (struct account *account = atomic_load(&ledger->first), *next; account; account = next) {
        next = atomic_load(&account->next);
        account_free(account);
    }
    mem_free(ledger);
}

struct account *ledger_account(struct ledger *ledger, enum account_kind kind, const char *name)
{
    struct account *account = mem_zalloc(MEM_OTHER, sizeof(*account));
    if (!account)
        return NULL;
    account->kind = kind;
    account->name = mem_strdup(MEM_OTHER, name);
    account->lateness = mem_zalloc(MEM_OTHER, sizeof(*account->lateness));
    account->latency = mem_zalloc(MEM_OTHER, sizeof(*account->latency));
    account->pace = mem_zalloc(MEM_OTHER, sizeof(*account->pace));
    account->playing = mem_zalloc(MEM_OTHER, sizeof(*account->playing));
    if (!account->name || !account->lateness || !account->latency || !account->pace ||
        !account->playing) {
        account_free(account);
        return NULL;
    }
    atomic_store(ledger->last, account);
    ledger->last = &account->next;
    return account;
}

struct books *account_page(struct account *account)
{
    for (struct page *page = atomic_load(&account->pages); page; page = page->next)
        if (page->is_free) {
            page->is_free = false;
            return &page->books;
        }
    /* not mem_alloc: a page begins on a cache line of its own, so that no two threads write one */
    struct page *page = aligned_alloc(_Alignof(struct page), sizeof(*page));
    if (!page)
        return NULL;
    memset(page, 0, sizeof(*page));
    page->next = atomic_load(&account->pages);
    atomic_store(&account->pages, page);
    return &page->books;
}

void books_hand_back(struct books *books)
{
    if (books)
        container_of(books, struct page, books)->is_free = true;
}

void account_hand_back(struct account *account)
{
    for (struct page *page = atomic_load(&account->pages); page; page = page->next)
        page->is_free = true;
}

/* It had pages, and nobody has one now. */
static bool is_idle(const struct account *account)
{
    const struct page *pages = atomic_load(&account->pages);
    for (const struct page *page = pages; page; page = page->next)
        if (!page->is_free)
            return false;
    return pages != NULL;
}

static struct account *find_idle(const struct ledger *ledger, enum account_kind kind,
                                 const char *name)
{
    for (struct account *a = atomic_load(&ledger->first); a; a = atomic_load(&a->next))
        if (a->kind == kind && strcmp(a->name, name) == 0 && is_idle(a))
            return a;
    return NULL;
}

struct account *ledger_account_again(struct ledger *ledger, enum account_kind kind,
                                     const char *name)
{
    struct account *account = find_idle(ledger, kind, name);
    if (account)
        return account;
    account = ledger_account(ledger, kind, name);
    if (account)
        account_set_presence(account, ACCOUNT_PREPARED);
    return account;
}

void account_set_presence(struct account *account, int64_t presence)
{
    atomic_store(&account->presence, presence);
}

int64_t account_presence(const struct account *account)
{
    return atomic_load(&account->presence);
}

uint64_t account_sum(const struct account *account, enum book book)
{
    uint64_t sum = 0;
    for (const struct page *page = atomic_load(&account->pages); page; page = page->next)
        sum += book_get(&page->books, book);
    return sum;
}

uint64_t ledger_sum(const struct ledger *ledger, enum account_kind kind, enum book book)
{
    uint64_t sum = 0;
    for (const struct account *a = atomic_load(&ledger->first); a; a = atomic_load(&a->next))
        if (a->kind == kind)
            sum += account_sum(a, book);
    return sum;
}

const struct account *ledger_nth(const struct ledger *ledger, enum account_kind kind, size_t n)
{
    for (const struct account *a = atomic_load(&ledger->first); a; a = atomic_load(&a->next))
        if (a->kind == kind && account_presence(a) != ACCOUNT_PREPARED && n-- == 0)
            return a;
    return NULL;
}

const char *account_name(const struct account *account)
{
    return account->name;
}

struct pace *account_pace(const struct account *account)
{
    return account->pace;
}

struct playing *account_playing(const struct account *account)
{
    return account->playing;
}

struct histogram *account_lateness(const struct account *account)
{
    return account->lateness;
}

struct histogram *account_latency(const struct account *account)
{
    return account->latency;
}

struct histogram *account_recorded_page(struct account *account)
{
    struct recorded *recorded = mem_zalloc(MEM_OTHER, sizeof(*recorded));
    if (!recorded)
        return NULL;
    recorded->next = account->recorded;
    account->recorded = recorded;
    return &recorded->latency;
}

const struct histogram *account_recorded(const struct account *account, size_t n)
{
    const struct recorded *recorded = account->recorded;
    while (recorded && n-- > 0)
        recorded = recorded->next;
    return recorded ? &recorded->latency : NULL;
}

int account_track_exchanges(struct account *account)
{
    assert(!account->exchanges);
    return exchange_stats_new(&account->exchanges);
}

struct exchange_stats *account_exchanges(const struct account *account)
{
    return account->exchanges;
}

static int64_t output_gap(const struct account *output)
{
    uint64_t known = 0;
    for (size_t i = 0; i < ARRAY_LEN(fates); i++)
        known += account_sum(output, fates[i]);
    return (int64_t)(account_sum(output, BOOK_SEEN) - known);
}

uint64_t account_open(const struct account *output)
{
    int64_t open = output_gap(output);
    return open > 0 ? (uint64_t)open : 0;
}

static int64_t law_gap(const struct account *input, const enum book *law, size_t n)
{
    uint64_t known = 0;
    for (size_t i = 1; i < n; i++)
        known += account_sum(input, law[i]);
    return (int64_t)(account_sum(input, law[0]) - known);
}

int64_t account_reassembly_gap(const struct account *input)
{
    int64_t gap = law_gap(input, requests, ARRAY_LEN(requests));
    return gap != 0 ? gap : law_gap(input, responses, ARRAY_LEN(responses));
}

bool ledger_balances(const struct ledger *ledger, char *text, size_t size)
{
    for (const struct account *a = atomic_load(&ledger->first); a; a = atomic_load(&a->next)) {
        int64_t gap = a->kind == ACCOUNT_OUTPUT ? output_gap(a) : account_reassembly_gap(a);
        if (gap == 0)
            continue;
        snprintf(text, size, "%s: %" PRId64 " of %" PRIu64 " messages have no known fate", a->name,
                 gap, account_sum(a, a->kind == ACCOUNT_OUTPUT ? BOOK_SEEN : BOOK_REQ_STARTED));
        return false;
    }
    return true;
}

double ledger_loss(const struct ledger *ledger)
{
    static const enum book lost_in_capture[] = {
        BOOK_REQ_GAP,     BOOK_REQ_CUT,     BOOK_REQ_TOO_LARGE,
        BOOK_REQ_EVICTED, BOOK_REQ_EXPIRED, BOOK_RECORDS_DAMAGED,
    };
    static const enum book lost_at_output[] = {BOOK_DROPPED, BOOK_FAILED, BOOK_ABANDONED};
    uint64_t seen = ledger_sum(ledger, ACCOUNT_INPUT, BOOK_REQ_STARTED) +
                    ledger_sum(ledger, ACCOUNT_INPUT, BOOK_RECORDS) +
                    ledger_sum(ledger, ACCOUNT_INPUT, BOOK_RECORDS_DAMAGED);
    uint64_t lost = 0;
    for (size_t i = 0; i < ARRAY_LEN(lost_in_capture); i++)
        lost += ledger_sum(ledger, ACCOUNT_INPUT, lost_in_capture[i]);
    double worst = seen ? (double)lost / (double)seen : 0;
    for (size_t n = 0;; n++) {
        const struct account *out = ledger_nth(ledger, ACCOUNT_OUTPUT, n);
        if (!out)
            return worst;
        uint64_t offered = account_sum(out, BOOK_SEEN);
        lost = 0;
        for (size_t i = 0; i < ARRAY_LEN(lost_at_output); i++)
            lost += account_sum(out, lost_at_output[i]);
        if (offered && (double)lost / (double)offered > worst)
            worst = (double)lost / (double)offered;
    }
}
