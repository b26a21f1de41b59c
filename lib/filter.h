/* SPDX-License-Identifier: MIT */
/* The interface of everything that judges or changes one message. A judge says pass or drop and
 * sees the request as it was recorded; a rewriter makes a new message, once all judges have let it
 * pass and it was sampled. Filters of one stage are asked in order; an instance belongs to one
 * thread. A new filter is one file in filters/, a line in filters/filters.h and one in
 * cmd/registry.c; filters/allow_method.c is the one to copy. */
#pragma once

#include "lib/err.h"
#include "lib/ledger.h"
#include "lib/msg.h"
#include "lib/options.h"

enum verdict {
    VERDICT_PASS = 0,
    VERDICT_DROP = 1,
    VERDICT_REPLACE = 2, /* *out is a new message (new reference) that takes msg's place */
    VERDICT_FAIL = 3, /* no memory: the message is lost, and counted as failed */
};

enum filter_stage {
    FILTER_JUDGE = 0, /* VERDICT_PASS or VERDICT_DROP */
    FILTER_REWRITE = 1, /* VERDICT_PASS, VERDICT_REPLACE or VERDICT_FAIL */
    FILTER_REDACT = 2, /* before all others, and asked about responses too: any verdict */
    FILTER_DECODE = 3, /* after all others, and asked about responses too; as FILTER_REWRITE */
};

struct filter {
    const struct filter_ops *ops;
    struct books *books; /* of the thread that asks; NULL: nobody counts */
};

static inline void filter_book(const struct filter *filter, enum book book)
{
    if (filter->books)
        book_one(filter->books, book);
}

struct filter_ops {
    const char *name; /* "http-allow-url" */
    enum filter_stage stage;

    /* *filterp NULL and 0: nothing of this kind was asked for. */
    int (*open)(struct filter **filterp, const struct options *options, struct err *err);
    /* Borrows msg. Judges and rewriters are called for requests only: a response shares its
     * request's fate, which the pipeline sees to. */
    enum verdict (*apply)(struct filter *filter, const struct msg *msg, const struct msg **out);
    void (*close)(struct filter *filter);
    /* Optional: the rule that made the last verdict other than VERDICT_PASS, as it was written, or
     * NULL; of an option that has several. Valid until the next apply(). */
    const char *(*rule)(const struct filter *filter);
};

/* What one filter did to one message; for refrain explain. All pointers are borrowed. */
struct filter_step {
    const struct filter_ops *ops;
    const char *rule; /* NULL: the filter does not tell */
    enum verdict verdict; /* not VERDICT_PASS */
    const struct msg *before, *after; /* after: for VERDICT_REPLACE */
};

/* A chain of filters, opened in the order of the registry. NULL, which all functions take, is one
 * without filters: what filter_chain_new() makes when nothing was asked for. */
struct filter_chain;
MUST_CHECK int filter_chain_new(struct filter_chain **chainp, const struct filter_ops *const *ops,
                                size_t n_ops, const struct options *options, struct err *err);
void filter_chain_free(struct filter_chain *chain);
/* watch is called for each step from now on, in the thread that asks the chain. */
void filter_chain_watch(struct filter_chain *chain,
                        void (*watch)(void *arg, const struct filter_step *step), void *arg);
/* The redactors on a message of any type: all verdicts; *out is set for VERDICT_REPLACE. Borrows
 * msg. */
enum verdict filter_chain_redact(struct filter_chain *chain, const struct msg *msg,
                                 const struct msg **out);
/* Where its filters count from now on. books is borrowed for the life of the chain. */
void filter_chain_count(struct filter_chain *chain, struct books *books);
/* Is there any judge in it? */
bool filter_chain_judges(const struct filter_chain *chain);
/* The judges on a request: VERDICT_PASS or VERDICT_DROP. Borrows msg. */
enum verdict filter_chain_judge(struct filter_chain *chain, const struct msg *msg);
/* The rewriters, on a request, and then the decoders, on a message of any type: VERDICT_PASS,
 * VERDICT_REPLACE with *out (a new reference, never to an equal message), or VERDICT_FAIL. Borrows
 * msg. */
enum verdict filter_chain_rewrite(struct filter_chain *chain, const struct msg *msg,
                                  const struct msg **out);
