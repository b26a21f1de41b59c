/* SPDX-License-Identifier: MIT */
#include "capture/raw_report.h"

#include <inttypes.h>

#include "lib/clock.h"
#include "lib/log.h"

/* As often as gor prints its other statistics. */
#define STATS_NS (5 * NS_PER_S)
/* So long nothing but encrypted streams must have been seen. */
#define PATIENCE_NS (10 * NS_PER_S)

static uint64_t sum(const struct raw_report *report, enum book book)
{
    uint64_t n = 0;
    for (size_t i = 0; i < report->n_pages; i++)
        n += book_get(report->pages[i], book);
    return n;
}

static void tell_stats(const struct raw_report *report, const char *name)
{
    log_info("input-raw",
             "%s: %" PRIu64 " packets (%" PRIu64 " lost by the kernel, %" PRIu64
             " by the network card), %" PRIu64 " connections, %" PRIu64 " requests (%" PRIu64
             " complete), %" PRIu64 " bytes acknowledged but never seen",
             name, sum(report, BOOK_PACKETS), sum(report, BOOK_KERNEL_DROPS),
             sum(report, BOOK_INTERFACE_DROPS), sum(report, BOOK_FLOWS),
             sum(report, BOOK_REQ_STARTED), sum(report, BOOK_REQ_COMPLETE),
             sum(report, BOOK_UNSEEN_BYTES));
}

static void tell_encrypted(struct raw_report *report, const char *name)
{
    uint64_t tls = sum(report, BOOK_FLOWS_TLS), h2 = sum(report, BOOK_FLOWS_H2C);
    report->told = true;
    if (tls > 0)
        log_warn("input-raw",
                 "%s: TLS, %" PRIu64
                 " streams, not decoded, and no HTTP: encrypted requests cannot "
                 "be recorded (capture where they are plain, behind what ends TLS)",
                 name, tls);
    else
        log_warn("input-raw", "%s: HTTP/2, %" PRIu64 " streams, not decoded, and no HTTP/1.x", name,
                 h2);
}

void raw_report(struct raw_report *report, const char *name, bool last)
{
    int64_t now_ns = clock_mono_ns();
    if (report->stats && (last || now_ns - report->stats_ns >= STATS_NS)) {
        if (report->stats_ns != 0 || last)
            tell_stats(report, name);
        report->stats_ns = now_ns;
    }
    bool is_opaque = sum(report, BOOK_REQ_STARTED) == 0 &&
                     sum(report, BOOK_FLOWS_TLS) + sum(report, BOOK_FLOWS_H2C) > 0;
    if (report->told || !is_opaque)
        return;
    if (report->since_ns == 0)
        report->since_ns = now_ns;
    if (last || now_ns - report->since_ns >= PATIENCE_NS)
        tell_encrypted(report, name);
}
