/* SPDX-License-Identifier: MIT */
#include "tests/unit/unit.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cmd/help.h"
#include "cmd/options.h"
#include "cmd/options_table.h"
#include "cmd/tool_table.h"
#include "lib/mem.h"

#define MAX_WORDS 24

/* A command line: words separated by single spaces; '_' in a word stands for a space. */
struct line {
    char text[512];
    char *argv[MAX_WORDS];
    int argc;
};

static void split(struct line *line, const char *text)
{
    snprintf(line->text, sizeof(line->text), "%s", text);
    line->argv[0] = (char *)(uintptr_t) "refrain";
    line->argc = 1;
    for (char *word = line->text; *word; line->argc++) {
        ck_assert_int_lt(line->argc, MAX_WORDS);
        line->argv[line->argc] = word;
        word += strcspn(word, " ");
        if (*word)
            *word++ = '\0';
    }
}

static struct options *parsed(const char *text)
{
    struct line line;
    struct err err;
    struct options *o = NULL;
    split(&line, text);
    int r = options_parse(&o, &refrain_options, line.argc, line.argv, &err);
    ck_assert_msg(r == 0, "%s: %s", text, r < 0 ? err.text : "");
    return o;
}

static void refused(const char *text, const char *expected)
{
    struct line line;
    struct err err = {.status = STATUS_DONE};
    struct options *o = NULL;
    split(&line, text);
    ck_assert_msg(options_parse(&o, &refrain_options, line.argc, line.argv, &err) < 0,
                  "%s is taken", text);
    ck_assert_ptr_null(o);
    ck_assert_int_eq(err.status, STATUS_USAGE);
    ck_assert_str_eq(err.text, expected);
}

/* The values of a list, with commas between. */
static const char *joined(const struct options *o, const char *name)
{
    static char out[512];
    const char *item;
    size_t n = 0;
    out[0] = '\0';
    for (size_t i = 0; (item = options_nth(o, name, i)); i++)
        n += (size_t)snprintf(out + n, sizeof(out) - n, "%s%s", i ? "," : "", item);
    return out;
}

START_TEST(all_spellings_of_an_option_mean_the_same)
{
    static const char *const lines[] = {
        "--input-file a.gor --output-file b.gor", "-input-file a.gor -output-file b.gor",
        "--input-file=a.gor --output-file=b.gor", "-input-file=a.gor --output-file b.gor"};
    for (size_t i = 0; i < ARRAY_LEN(lines); i++) {
        struct options *o = parsed(lines[i]);
        ck_assert_str_eq(joined(o, "input-file"), "a.gor");
        ck_assert_str_eq(joined(o, "output-file"), "b.gor");
        options_free(o);
    }
}
END_TEST

START_TEST(a_boolean_takes_a_value_only_when_it_is_one)
{
    static const struct {
        const char *line;
        bool value;
    } cases[] = {{"--split-output --output-null", true},
                 {"--split-output true --output-null", true},
                 {"--split-output false --output-null", false},
                 {"--split-output=false", false},
                 {"--split-output=0", false},
                 {"--output-null --split-output", true},
                 {"--split-output --split-output=false", false},
                 {"--split-output=false --split-output", true},
                 {"--output-null", false}};
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct options *o = parsed(cases[i].line);
        ck_assert_msg(options_bool(o, "split-output") == cases[i].value, "%s", cases[i].line);
        options_free(o);
    }
}
END_TEST

START_TEST(words_after_input_file_are_files)
{
    struct options *o = parsed("--input-file a.gor b.gor c.gor --output-tcp x:1");
    ck_assert_str_eq(joined(o, "input-file"), "a.gor,b.gor,c.gor");
    ck_assert_str_eq(joined(o, "output-tcp"), "x:1");
    options_free(o);
    o = parsed("--input-file=a.gor b.gor --input-file c.gor - --output-null");
    ck_assert_str_eq(joined(o, "input-file"), "a.gor,b.gor,c.gor,-");
    options_free(o);
}
END_TEST

START_TEST(the_last_value_of_a_scalar_wins_and_lists_grow)
{
    struct options *o = parsed("--exit-after 5s --exit-after 1h30m --input-raw :80 --input-raw "
                               ":81,82 --output-file-size-limit 1kb --output-file-size-limit=2m "
                               "--output-http-workers 0x10 --max-loss 1%");
    ck_assert_int_eq(options_duration_ns(o, "exit-after"), 5400 * NS_PER_S);
    ck_assert_str_eq(joined(o, "input-raw"), ":80,:81,82");
    ck_assert_uint_eq(options_size(o, "output-file-size-limit"), 2 * MIB);
    ck_assert_int_eq(options_int(o, "output-http-workers"), 16);
    ck_assert_double_eq_tol(options_share(o, "max-loss"), 0.01, 1e-12);
    options_free(o);
}
END_TEST

START_TEST(what_is_not_given_has_its_default)
{
    struct options *o = parsed("--output-null");
    ck_assert(!options_given(o, "drain-timeout") && options_given(o, "output-null"));
    ck_assert_int_eq(options_duration_ns(o, "drain-timeout"), 5 * NS_PER_S);
    ck_assert_int_eq(options_duration_ns(o, "exit-after"), 0);
    ck_assert_uint_eq(options_size(o, "output-queue-size"), 64 * MIB);
    ck_assert_int_eq(options_int(o, "output-tcp-workers"), 1);
    ck_assert_str_eq(options_string(o, "output-when-full"), "auto");
    ck_assert_str_eq(options_string(o, "input-raw-engine"), "libpcap");
    ck_assert_str_eq(options_string(o, "input-raw-bpf-filter"), "");
    ck_assert(options_share(o, "max-loss") < 0);
    ck_assert_ptr_null(options_nth(o, "input-raw", 0));
    options_free(o);
}
END_TEST

START_TEST(old_names_are_aliases)
{
    struct options *o = parsed("--http-header A:1 --http-set-header B:2 "
                               "--output-http-method PUT");
    ck_assert_str_eq(joined(o, "http-set-header"), "A:1,B:2");
    ck_assert_str_eq(joined(o, "http-allow-method"), "PUT");
    options_free(o);
}
END_TEST

START_TEST(an_option_value_may_begin_with_a_dash)
{
    struct options *o = parsed("--output-file -x.gor --output-http-workers -1");
    ck_assert_str_eq(joined(o, "output-file"), "-x.gor");
    ck_assert_int_eq(options_int(o, "output-http-workers"), -1);
    options_free(o);
}
END_TEST

START_TEST(lists_of_integers_are_checked_and_read)
{
    static const char name[] = "input-raw-vlan-vid";
    struct err err;
    struct options *o = NULL;
    int64_t vid = 0;
    ck_assert_int_eq(options_new(&o, &refrain_options), 0);
    ck_assert_int_eq(options_set(o, name, "10", OPTION_FROM_COMMAND_LINE, &err), 0);
    ck_assert_int_eq(options_set(o, name, "0x14", OPTION_FROM_COMMAND_LINE, &err), 0);
    ck_assert_int_eq(options_set(o, name, "x", OPTION_FROM_COMMAND_LINE, &err), -EINVAL);
    ck_assert(options_nth_int(o, name, 0, &vid) && vid == 10);
    ck_assert(options_nth_int(o, name, 1, &vid) && vid == 20);
    ck_assert(!options_nth_int(o, name, 2, &vid));
    options_free(o);
}
END_TEST

START_TEST(bad_command_lines_are_told_in_one_line)
{
    static const struct {
        const char *line, *text;
    } cases[] = {
        {"--otput-http x", "unknown option \"--otput-http\" (did you mean --output-http?)"},
        {"-otput-http=x", "unknown option \"-otput-http\" (did you mean --output-http?)"},
        {"--input-fil x", "unknown option \"--input-fil\" (did you mean --input-file?)"},
        {"--out-http x", "unknown option \"--out-http\" (did you mean --output-http?)"},
        {"--input-raw-trak-responses", "unknown option \"--input-raw-trak-responses\" (did you "
                                       "mean --input-raw-track-response?)"},
        {"--nonsense", "unknown option \"--nonsense\"; refrain --help lists all"},
        {"--input-http :80", "unknown option \"--input-http\" (did you mean --input-tcp?)"},
        {"--input-file", "--input-file: its argument is missing (FILE[|SPEED%])"},
        {"--input-file --output-null", "--input-file: its argument is missing (FILE[|SPEED%])"},
        {"--exit-after 5", "--exit-after \"5\": expected a duration: add a unit, e.g. 5s"},
        {"--exit-after soon",
         "--exit-after \"soon\": expected a duration, e.g. 300ms, 1.5s or 1h30m"},
        {"--output-http-workers many", "--output-http-workers \"many\": expected a whole number"},
        {"--output-http-workers=", "--output-http-workers \"\": expected a whole number"},
        {"--output-tcp-workers 0",
         "--output-tcp-workers \"0\": expected a whole number from 1 to 64"},
        {"--input-raw-vlan-vid 4096",
         "--input-raw-vlan-vid \"4096\": expected a whole number from 0 to 4095"},
        {"--output-file-size-limit 32q",
         "--output-file-size-limit \"32q\": expected a size: a whole number, alone (bytes) or with "
         "kb, mb, gb or tb"},
        {"--split-output=perhaps", "--split-output \"perhaps\": expected true or false"},
        {"--split-output=", "--split-output \"\": expected true or false"},
        {"--max-loss 200%", "--max-loss \"200%\": expected a share of at most 100%"},
        {"--output-when-full wait",
         "--output-when-full \"wait\": expected one of auto, drop, block"},
        {"--input-raw-engine magic", "--input-raw-engine \"magic\": expected one of libpcap, "
                                     "pcap_file, raw_socket, af_packet, vxlan"},
        {"file-server :80", "\"file-server\" is neither an option nor the value of one; only "
                            "--input-file takes several words"},
        {"--input-file a.gor --output-null b.gor",
         "\"b.gor\" is neither an option nor the value of one; only --input-file takes several "
         "words"},
        {"--split-output perhaps", "\"perhaps\" is neither an option nor the value of one; only "
                                   "--input-file takes several words"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        refused(cases[i].line, cases[i].text);
}
END_TEST

START_TEST(what_is_not_built_stops_the_start_unless_it_is_off)
{
    static const char *const off[] = {
        "--output-http-redirects 0",     "--copy-buffer-size 5120kb",  "--http-pprof=",
        "--http-pprof=:1 --http-pprof=", "--input-raw-engine libpcap", "--input-raw-protocol http"};
    for (size_t i = 0; i < ARRAY_LEN(off); i++)
        options_free(parsed(off[i]));
    refused("--cpuprofile x", "--cpuprofile: not available in this version");
    refused("--output-null --http-pprof :1", "--http-pprof: not available in this version");
    refused("--memprofile=x", "--memprofile: not available in this version");
    refused("--copy-buffer-size 1mb", "--copy-buffer-size: not available in this version");
    setenv("REFRAIN_HTTP_PPROF", ":1", 1);
    refused("--output-null", "REFRAIN_HTTP_PPROF: not available in this version");
    unsetenv("REFRAIN_HTTP_PPROF");
}
END_TEST

/* Every option takes some value of its type, and a wrong one is refused with its name. */
START_TEST(every_option_of_the_table_parses_by_its_type)
{
    static const char *const good[] = {"true", "1", "1mb", "1s", "1%", "x", NULL, "x", "1"};
    for (size_t i = 0; i < refrain_options.n_defs; i++) {
        const struct option_def *def = &refrain_options.defs[i];
        struct err err = {.status = STATUS_DONE};
        struct options *o = NULL;
        ck_assert_int_eq(options_new(&o, &refrain_options), 0);
        if (def->flags & OPTION_BOUND) /* an output must stand before it */
            ck_assert(!options_set(o, "output-null", "true", OPTION_FROM_COMMAND_LINE, &err));
        const char *value = def->type == OPTION_ENUM ? def->value : good[def->type];
        bool secret = (def->flags & OPTION_SECRET) && !(def->flags & OPTION_NOT_BUILT);
        enum option_source source = secret ? OPTION_FROM_ENVIRONMENT : OPTION_FROM_COMMAND_LINE;
        ck_assert_msg(!options_set(o, def->name, value, source, &err), "%s: %s", def->name,
                      err.text);
        ck_assert(options_given(o, def->name));
        bool any = def->type == OPTION_STRING || def->type == OPTION_LIST;
        int r = options_set(o, def->name, "?", source, &err);
        ck_assert_msg((r == 0) == any, "%s", def->name);
        if (r < 0)
            ck_assert_ptr_nonnull(strstr(err.text, def->name));
        options_free(o);
    }
}
END_TEST

START_TEST(the_environment_sets_what_the_command_line_does_not)
{
    setenv("REFRAIN_OUTPUT_FILE", "a.gor\nb.gor\n", 1);
    setenv("REFRAIN_SPLIT_OUTPUT", "true", 1);
    setenv("REFRAIN_EXIT_AFTER", "7s", 1);
    setenv("REFRAIN_HTTP_HEADER", "A: 1", 1);
    setenv("REFRAIN_OUTPUT_STDOUT", "", 1); /* empty: as if it were not there */
    setenv("REFRAIN_VERSION", "3.1", 1); /* packagers set this one */
    setenv("REFRAIN_PORT", "tcp://10.0.0.1:80", 1); /* Kubernetes sets these for a service */
    struct options *o = parsed("--exit-after 9s");
    ck_assert_str_eq(joined(o, "output-file"), "a.gor,b.gor");
    ck_assert_str_eq(joined(o, "http-set-header"), "A: 1");
    ck_assert(options_bool(o, "split-output") && !options_given(o, "output-stdout"));
    ck_assert(!options_bool(o, "version"));
    ck_assert_int_eq(options_duration_ns(o, "exit-after"), 9 * NS_PER_S);
    options_free(o);
    o = parsed("--output-file c.gor --split-output=false");
    ck_assert_str_eq(joined(o, "output-file"), "c.gor");
    ck_assert(!options_bool(o, "split-output"));
    ck_assert_int_eq(options_duration_ns(o, "exit-after"), 7 * NS_PER_S);
    options_free(o);
    o = parsed(""); /* the environment alone is enough */
    options_free(o);
    setenv("REFRAIN_EXIT_AFTER", "7", 1);
    refused("--output-null", "REFRAIN_EXIT_AFTER \"7\": expected a duration: add a unit, e.g. 5s");
}
END_TEST

START_TEST(help_is_given_whatever_else_is_wrong)
{
    setenv("REFRAIN_EXIT_AFTER", "7", 1);
    static const char *const lines[] = {"--help", "-h", "--help --nonsense", "-help",
                                        "--output-ws x --help"};
    for (size_t i = 0; i < ARRAY_LEN(lines); i++) {
        struct options *o = parsed(lines[i]);
        ck_assert(options_bool(o, "help"));
        options_free(o);
    }
}
END_TEST

static const struct option_group groups[] = {{"all", "All"}};
static const struct option_def secret_defs[] = {
    {"password", OPTION_STRING, OPTION_SECRET, "", NULL, "@FILE", 0, "a secret"},
};
static const struct option_table secret_table = {
    .defs = secret_defs, .n_defs = 1, .groups = groups, .n_groups = 1};

START_TEST(secrets_come_from_a_file_or_the_environment)
{
    char path[] = "/tmp/refrain-secret-XXXXXX", argument[64];
    struct err err = {.status = STATUS_DONE};
    struct options *o = NULL;
    int fd = mkstemp(path);
    ck_assert_int_ne(fd, -1);
    ck_assert_int_eq(write(fd, "open sesame\n", 12), 12);
    close(fd);
    ck_assert_int_eq(options_new(&o, &secret_table), 0);
    snprintf(argument, sizeof(argument), "@%s", path);
    ck_assert_int_eq(options_set(o, "password", argument, OPTION_FROM_COMMAND_LINE, &err), 0);
    ck_assert_str_eq(options_string(o, "password"), "open sesame");
    unlink(path);
    ck_assert_int_eq(options_set(o, "password", argument, OPTION_FROM_COMMAND_LINE, &err), -ENOENT);
    ck_assert_int_eq(options_set(o, "password", "open sesame", OPTION_FROM_COMMAND_LINE, &err),
                     -EINVAL);
    ck_assert_str_eq(err.text, "--password: every user can read a command line; use "
                               "REFRAIN_PASSWORD, or --password @FILE");
    options_free(o);
    ck_assert_int_eq(options_new(&o, &secret_table), 0);
    ck_assert_int_eq(options_set(o, "password", "open", OPTION_FROM_ENVIRONMENT, &err), 0);
    ck_assert_str_eq(options_string(o, "password"), "open");
    options_free(o);
}
END_TEST

START_TEST(every_allocation_may_fail)
{
    static const char text[] = "--input-file a b --exit-after 1s --http-set-header A:1";
    for (uint64_t n = 1; n < 100; n++) {
        struct line line;
        struct err err;
        struct options *o = NULL;
        split(&line, text);
        mem_fail_at(n);
        int r = options_parse(&o, &refrain_options, line.argc, line.argv, &err);
        mem_fail_at(0);
        options_free(o);
        ck_assert_int_eq(mem_used(MEM_OTHER), 0);
        if (r == 0 && n > 5)
            return;
        ck_assert_int_eq(r, -ENOMEM);
    }
    ck_abort_msg("it never succeeded");
}
END_TEST

START_TEST(help_has_every_option_once_within_its_width)
{
    char *text = NULL;
    size_t size;
    FILE *out = open_memstream(&text, &size);
    ck_assert_int_eq(help_print(out), STATUS_DONE);
    fclose(out);
    size_t n = 0;
    for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n")) {
        ck_assert_msg(strlen(line) <= HELP_WIDTH, "%s", line);
        if (strncmp(line, "  --", 4) != 0)
            continue;
        const struct option_def *def =
            option_table_find(&refrain_options, line + 4, strcspn(line + 4, " "));
        ck_assert_msg(def == NULL || def->group < refrain_options.n_groups, "%s", line);
        ck_assert_msg(def != NULL, "%s", line);
        n++;
    }
    free(text);
    ck_assert_uint_eq(n, refrain_options.n_defs);
}
END_TEST

START_TEST(names_are_unique_and_aliases_lead_somewhere)
{
    for (size_t i = 0; i < refrain_options.n_defs; i++) {
        const char *name = refrain_options.defs[i].name;
        ck_assert_ptr_eq(option_table_find(&refrain_options, name, strlen(name)),
                         &refrain_options.defs[i]);
    }
    for (size_t i = 0; i < refrain_options.n_aliases; i++) {
        const char *target = refrain_options.aliases[i].target;
        ck_assert_ptr_nonnull(option_table_find(&refrain_options, target, strlen(target)));
    }
}
END_TEST

/* Those of refrain that a tool does not take keep their defaults, and cannot be given. */
START_TEST(a_tool_takes_its_own_options_and_no_others)
{
    for (const struct tool *const *tool = tools; *tool; tool++) {
        const struct option_table *table = tool_table(*tool);
        struct options *o = NULL;
        struct err err = {.status = STATUS_DONE};
        char *good[] = {(char *)(uintptr_t)(*tool)->name, (char *)(uintptr_t) "a",
                        (char *)(uintptr_t) "--verbose",  (char *)(uintptr_t) "1",
                        (char *)(uintptr_t) "b",          (char *)(uintptr_t) "--",
                        (char *)(uintptr_t) "-c"};
        char *bad[] = {good[0], (char *)(uintptr_t) "--output-null"};
        setenv("REFRAIN_INPUT_FILE", "elsewhere", 1);
        ck_assert_msg(!options_parse(&o, table, ARRAY_LEN(good), good, &err), "%s", err.text);
        ck_assert_str_eq(joined(o, table->operands), "a,b,-c");
        ck_assert(!options_bool(o, "output-null"));
        options_free(o);
        o = NULL;
        ck_assert(options_parse(&o, table, ARRAY_LEN(bad), bad, &err) < 0 && !o);
        ck_assert_ptr_nonnull(strstr(err.text, "is no option of refrain"));
        for (size_t i = 0; i < table->n_defs; i++)
            ck_assert_ptr_eq(
                option_table_find(table, table->defs[i].name, strlen(table->defs[i].name)),
                &table->defs[i]);
    }
}
END_TEST

START_TEST(a_bound_option_belongs_to_the_output_before_it)
{
    struct options *o = parsed("--output-null --to-if port:1 --output-file a --output-file b "
                               "--to-set-header X:1 --to-if port:2 --output-tcp c --to-if port:3");
    struct options *bound;
    ck_assert_int_eq(options_of_output(&bound, o, "output-file", 1), 0);
    ck_assert_str_eq(joined(bound, "http-if"), "port:2");
    ck_assert_str_eq(joined(bound, "http-set-header"), "X:1");
    options_free(bound);
    ck_assert_int_eq(options_of_output(&bound, o, "output-file", 0), 0);
    ck_assert(!options_given(bound, "http-if"));
    options_free(bound);
    ck_assert_str_eq(options_bound_nth(o, "to-if", "output-null", 0, 0), "port:1");
    ck_assert_str_eq(options_bound_nth(o, "to-if", "output-tcp", 0, 0), "port:3");
    ck_assert_ptr_null(options_bound_nth(o, "to-if", "output-tcp", 0, 1));
    ck_assert(!options_given(o, "http-if"));
    options_free(o);
}
END_TEST

Suite *suite(void)
{
    const TTest *const tests[] = {
        all_spellings_of_an_option_mean_the_same,
        a_boolean_takes_a_value_only_when_it_is_one,
        words_after_input_file_are_files,
        the_last_value_of_a_scalar_wins_and_lists_grow,
        what_is_not_given_has_its_default,
        old_names_are_aliases,
        an_option_value_may_begin_with_a_dash,
        lists_of_integers_are_checked_and_read,
        bad_command_lines_are_told_in_one_line,
        what_is_not_built_stops_the_start_unless_it_is_off,
        every_option_of_the_table_parses_by_its_type,
        the_environment_sets_what_the_command_line_does_not,
        help_is_given_whatever_else_is_wrong,
        secrets_come_from_a_file_or_the_environment,
        a_bound_option_belongs_to_the_output_before_it,
        every_allocation_may_fail,
        help_has_every_option_once_within_its_width,
        a_tool_takes_its_own_options_and_no_others,
        names_are_unique_and_aliases_lead_somewhere,
    };
    return suite_of("options", tests, ARRAY_LEN(tests));
}
