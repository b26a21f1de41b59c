/* SPDX-License-Identifier: MIT */
#include "cmd/reporting.h"

#include <errno.h>
#include <string.h>

#include "cmd/command_line.h"
#include "cmd/fail_on.h"
#include "config.h"
#include "lib/clock.h"
#include "lib/mem.h"
#include "report/report.h"
#include "report/report_file.h"

struct reporting {
    const struct options *options;
    int argc;
    char *const *argv;
    int64_t start_ns, start_wall_ns;
    size_t n_files;
    struct report_file files[];
};

/* How often --report was given; -EINVAL when twice with the same name. */
static int count_files(const struct options *options, struct err *err)
{
    const char *path;
    int n = 0;
    for (; (path = options_nth(options, "report", (size_t)n)); n++)
        for (int i = 0; i < n; i++)
            if (strcmp(path, options_nth(options, "report", (size_t)i)) == 0)
                return err_usage(err, "--report \"%s\": it is given twice", path);
    return n;
}

int reporting_open(struct reporting **rp, const struct options *options, int argc,
                   char *const argv[], struct err *err)
{
    int n = count_files(options, err);
    if (n < 0)
        return n;
    struct reporting *r = mem_zalloc(MEM_OTHER, sizeof(*r) + (size_t)n * sizeof(r->files[0]));
    if (!r)
        return err_sys(err, ENOMEM, "--report");
    r->options = options;
    r->argc = argc;
    r->argv = argv;
    r->start_ns = clock_mono_ns();
    r->start_wall_ns = clock_wall_ns();
    for (int i = 0; i < n; i++) {
        int rc = report_file_open(&r->files[i], options_nth(options, "report", (size_t)i), err);
        if (rc < 0) {
            reporting_close(r);
            return rc;
        }
        r->n_files++;
    }
    *rp = r;
    return 0;
}

int reporting_write(struct reporting *r, const struct ledger *ledger,
                    const struct comparison *comparison, enum exit_status status, const char *error,
                    struct err *err)
{
    if (r->n_files == 0)
        return 0;
    json_t *command = command_line_json(r->argc, r->argv);
    bool compares = comparison && comparison_tells(comparison);
    const struct report_facts facts = {
        .version = REFRAIN_VERSION,
        .command = command,
        .start_wall_ns = r->start_wall_ns,
        .end_wall_ns = clock_wall_ns(),
        .start_ns = r->start_ns,
        .end_ns = clock_mono_ns(),
        .exit_status = (int)status,
        .error = error,
        .ledger = ledger,
        .assertions = fail_on_json(ledger, r->options),
        .comparison = compares ? comparison_json(comparison) : NULL,
    };
    bool whole = command && facts.assertions && (facts.comparison || !compares);
    json_t *report = whole ? report_json(&facts) : NULL;
    int rc = 0;
    for (size_t i = 0; i < r->n_files; i++) {
        struct err one;
        int done = report_file_finish(&r->files[i], report, &one);
        if (done < 0 && rc == 0) {
            rc = done;
            *err = one;
        }
    }
    json_decref(report);
    json_decref(command);
    json_decref(facts.assertions);
    json_decref(facts.comparison);
    return rc;
}

void reporting_close(struct reporting *r)
{
    if (!r)
        return;
    for (size_t i = 0; i < r->n_files; i++)
        report_file_close(&r->files[i]);
    mem_free(r);
}
