/* SPDX-License-Identifier: MIT */
/* The program: options, wiring, running, the summary, the exit status. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cmd/command_line.h"
#include "cmd/config_file.h"
#include "cmd/control.h"
#include "cmd/control_server.h"
#include "cmd/doctor.h"
#include "cmd/explain.h"
#include "cmd/fail_on.h"
#include "cmd/help.h"
#include "cmd/host.h"
#include "cmd/metrics.h"
#include "cmd/options.h"
#include "cmd/options_table.h"
#include "cmd/registry.h"
#include "cmd/reporting.h"
#include "cmd/sandbox.h"
#include "cmd/stats.h"
#include "cmd/summary.h"
#include "cmd/tool_table.h"
#include "cmd/wire.h"
#include "cmd/wire_check.h"
#include "lib/log.h"
#include "lib/mem.h"

/* What the run as a whole amounts to, when nothing else went wrong. */
static enum exit_status judge(const struct ledger *ledger, const struct options *options)
{
    char breach[256];
    if (!ledger_balances(ledger, breach, sizeof(breach)))
        return STATUS_FAILURE; /* the summary has said so */
    if (!fail_on_holds(ledger, options))
        return STATUS_ASSERTION;
    double max_loss = options_share(options, "max-loss");
    double loss = ledger_loss(ledger);
    if (!options_given(options, "max-loss") &&
        ledger_sum(ledger, ACCOUNT_OUTPUT, BOOK_FILE_FAULTS) > 0)
        return STATUS_FAILURE; /* it was told when it happened */
    if (!options_given(options, "max-loss") || loss <= max_loss)
        return STATUS_DONE;
    log_error(NULL, "%.3f%% of the messages were lost, more than --max-loss allows", loss * 100);
    return STATUS_LOSS;
}

/* What the error of an option is told to is a person, unless only JSON will do. */
static int tell(const struct err *err)
{
    if (err->status == STATUS_USAGE && log_format() == LOG_LOGFMT)
        log_set_format(LOG_TEXT);
    log_error(NULL, "%s", err->text);
    return (int)err->status;
}

/* What a run is begun with. */
struct start {
    const struct options *options;
    struct command_line line;
    struct ledger *ledger;
    struct sandbox sandbox;
    struct control_server *server; /* NULL: none */
    struct metrics_server *metrics_server; /* the same */
    struct reporting *reports;
};

/* Writes the reports on a run that ended so; its exit status may be another then. */
static int report(const struct start *s, const struct comparison *comparison, int status,
                  const struct err *why)
{
    struct err err;
    if (reporting_write(s->reports, s->ledger, comparison, (enum exit_status)status,
                        why ? why->text : NULL, &err) == 0)
        return status;
    return tell(&err);
}

/* What goes wrong may do so because it is another user by now. */
static int tell_opening(const struct start *s, int r, struct err *err)
{
    privileges_explain(&s->sandbox.privileges, r, err);
    return tell(err);
}

static int run(const struct start *s, const struct wired *wired)
{
    struct err err;
    struct control *control = NULL;
    const struct control_args args = {.wired = wired,
                                      .ledger = s->ledger,
                                      .options = s->options,
                                      .line = &s->line,
                                      .sandbox = &s->sandbox,
                                      .server = s->server,
                                      .metrics_server = s->metrics_server};
    summary_start(wired->comparison);
    int r = control_open(&control, &args, &err);
    if (r == 0)
        r = control_serve(control, &err);
    if (r == 0)
        r = pipeline_start(wired->pipe, &err);
    if (r < 0) {
        control_close(control);
        return report(s, wired->comparison, tell_opening(s, r, &err), &err);
    }
    control_run(control);
    r = pipeline_join(wired->pipe, &err);
    control_close(control);
    log_flush();
    summary_print(s->ledger, s->options, SUMMARY_END);
    int status = r < 0 ? tell(&err) : (int)judge(s->ledger, s->options);
    status = report(s, wired->comparison, status, r < 0 ? &err : NULL);
    if (r == -ETIMEDOUT)
        _exit(status); /* a thread still uses what would be freed */
    return status;
}

static int run_wired(struct start *s)
{
    struct err err;
    struct wired wired;
    int r = sandbox_read(&s->sandbox, s->options, &err);
    if (r == 0)
        r = control_listen(&s->server, s->options, &err);
    if (r == 0)
        r = metrics_listen(&s->metrics_server, s->options, &err);
    if (r < 0)
        return tell(&err);
    r = wire(&wired, s->ledger, s->options, &s->sandbox, &err);
    if (r < 0)
        return tell_opening(s, r, &err);
    int status;
    r = reporting_open(&s->reports, s->options, s->line.argc, s->line.argv, &err);
    if (r < 0) {
        status = tell_opening(s, r, &err);
    } else {
        status = run(s, &wired);
        reporting_close(s->reports);
    }
    wired_free(&wired);
    return status;
}

static int printed(void)
{
    if (fflush(stdout) == 0 && !ferror(stdout))
        return STATUS_DONE;
    log_error(NULL, "standard output: %s", err_text(errno));
    return STATUS_FAILURE;
}

static int check_config(const struct options *options)
{
    struct err err;
    if (wire_check(options, &err) < 0)
        return tell(&err);
    puts("the options are good");
    return printed();
}

static int dump_config(const struct options *options)
{
    struct err err;
    if (config_file_dump(stdout, options, &refrain_options, &err) < 0)
        return tell(&err);
    return printed();
}

static bool any_given(const struct options *options)
{
    for (size_t i = 0; i < refrain_options.n_defs; i++)
        if (options_given(options, refrain_options.defs[i].name))
            return true;
    return false;
}

static void open_log(const struct options *options)
{
    static const char *const levels[] = {"error", "warn", "info", "debug"};
    const char *format = options_string(options, "log-format");
    bool is_text = strcmp(format, "auto") == 0 ? log_on_terminal() : strcmp(format, "text") == 0;
    log_set_format(is_text ? LOG_TEXT : strcmp(format, "json") == 0 ? LOG_JSON : LOG_LOGFMT);
    for (size_t i = 0; i < ARRAY_LEN(levels); i++)
        if (strcmp(options_string(options, "log-level"), levels[i]) == 0)
            log_set_level((enum log_level)i);
    if (options_int(options, "verbose") > 0)
        log_set_level(LOG_DEBUG);
}

static int run_with_options(const struct options *options, int argc, char **argv)
{
    struct err err;
    struct start start = {.options = options, .line = {.argc = argc, .argv = argv}};
    if (options_bool(options, "help"))
        return help_print(stdout);
    if (options_bool(options, "version"))
        return help_print_version(stdout);
    if (!any_given(options)) {
        err_usage(&err, "nothing to do; for example: refrain --input-raw :8080 --output-stdout "
                        "(refrain --help says more)");
        return tell(&err);
    }
    bool only_looks = options_bool(options, "check-config") || options_bool(options, "dump-config");
    if (!only_looks)
        open_log(options);
    options_warn_environment(&refrain_options);
    if (only_looks)
        return options_bool(options, "check-config") ? check_config(options) : dump_config(options);
    if (fail_on_check(options, &err) < 0 || stats_check(options, &err) < 0 ||
        metrics_check(options, &err) < 0)
        return tell(&err);
    if (host_apply(options, &err) < 0) /* before there are threads */
        return tell(&err);
    if (control_init(&err) < 0)
        return tell(&err);
    if (ledger_new(&start.ledger) < 0) {
        log_error(NULL, "cannot start: out of memory");
        return STATUS_FAILURE;
    }
    int status = run_wired(&start);
    metrics_server_close(start.metrics_server);
    control_server_close(start.server);
    sandbox_fini(&start.sandbox);
    ledger_free(start.ledger);
    return status;
}

/* What refrain does is its first word, or else record and replay. */
static const struct command {
    const char *word;
    int (*run)(const struct options *options);
} commands[] = {
    {"doctor", doctor_run},
    {"explain", explain_run},
};

static int run_tool(const struct tool *tool, int argc, char **argv)
{
    struct err err;
    struct options *options;
    const struct option_table *table = tool_table(tool);
    if (options_parse(&options, table, argc, argv, &err) < 0)
        return tell(&err);
    const struct tool_args args = {
        .tool = tool,
        .options = options,
        .filters = registry_filters,
        .n_filters = registry_n_filters(),
    };
    int status;
    if (options_int(options, "verbose") > 0)
        log_set_level(LOG_DEBUG);
    if (options_bool(options, "help"))
        status = help_print_tool(stdout, table, tool);
    else if (options_bool(options, "version"))
        status = help_print_version(stdout);
    else
        status = tool->run(&args, &err);
    options_free(options);
    if (status < 0)
        return tell(&err);
    if (fflush(stdout) == 0 && !ferror(stdout))
        return status;
    log_error(NULL, "refrain %s: standard output: %s", tool->name, err_text(errno));
    return STATUS_FAILURE;
}

static const struct command *find_command(int argc, char **argv)
{
    for (size_t i = 0; i < ARRAY_LEN(commands) && argc > 1; i++)
        if (strcmp(argv[1], commands[i].word) == 0)
            return &commands[i];
    return NULL;
}

/* argv: refrain's own copy. */
static int run_command(const struct command *command, int argc, char **argv)
{
    struct err err;
    struct options *options;
    int skip = command ? 1 : 0;
    if (options_parse(&options, &refrain_options, argc - skip, argv + skip, &err) < 0)
        return tell(&err);
    bool asks = options_bool(options, "help") || options_bool(options, "version");
    if (command && !asks)
        options_warn_environment(&refrain_options);
    int status = command && !asks ? command->run(options) : run_with_options(options, argc, argv);
    options_free(options);
    return status;
}

static int run_anything(int argc, char **argv)
{
    const struct tool *tool = argc > 1 ? tool_find(argv[1]) : NULL;
    if (tool)
        return run_tool(tool, argc - 1, argv + 1);
    char **copy = command_line_copy(argc, argv);
    if (!copy) {
        log_error(NULL, "cannot start: out of memory");
        return STATUS_FAILURE;
    }
    command_line_hide(argc, argv);
    int status = run_command(find_command(argc, copy), argc, copy);
    mem_free(copy);
    return status;
}

int main(int argc, char **argv)
{
    int status = run_anything(argc, argv);
    log_flush();
    return status;
}
