/* SPDX-License-Identifier: MIT */
#include "tests/unit/unit.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "cmd/config_file.h"
#include "cmd/options_table.h"
#include "lib/mem.h"

static int read_text(struct options **optionsp, const char *text, struct err *err)
{
    const struct config_text config = {.path = "x.conf", .text = span_str(text)};
    ck_assert_int_eq(options_new(optionsp, &refrain_options), 0);
    return config_text_read(*optionsp, &refrain_options, &config, err);
}

static struct options *parsed(const char *text)
{
    struct err err = {.text = ""};
    struct options *o;
    ck_assert_msg(read_text(&o, text, &err) == 0, "%s: %s", text, err.text);
    return o;
}

START_TEST(a_line_is_an_option_however_it_is_written)
{
    static const char *const texts[] = {
        "exit-after = 5s\noutput-null\n",
        "exit-after 5s\noutput-null true\n",
        "exit-after=5s\r\noutput-null = 1",
        "--exit-after \"5s\"\n -output-null\n",
        "# comment\n\n\texit-after =\t5s \n[output]\noutput-null\n",
    };
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        struct options *o = parsed(texts[i]);
        ck_assert_int_eq(options_duration_ns(o, "exit-after"), 5 * NS_PER_S);
        ck_assert(options_bool(o, "output-null"));
        options_free(o);
    }
}
END_TEST

START_TEST(a_value_is_taken_as_it_is)
{
    static const struct {
        const char *line, *value;
    } cases[] = {
        {"http-set-param = a=b # c", "a=b # c"},
        {"http-set-param a=b", "a=b"},
        {"http-set-param == a", "= a"},
        {"http-set-param =\" a \"", " a "},
        {"http-set-param = \"\"", ""},
        {"http-set-param =", ""},
        {"http-set-param = \"a\\\"b\"", "a\\\"b"},
        {"http-set-param = \"", "\""},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct options *o = parsed(cases[i].line);
        ck_assert_str_eq(options_nth(o, "http-set-param", 0), cases[i].value);
        options_free(o);
    }
}
END_TEST

START_TEST(a_section_binds_what_stands_in_it_to_its_output)
{
    struct options *o = parsed("output-null\nto-if = method:PUT\n"
                               "[output a]\noutput-http = one|10%\nif = method:GET\n"
                               "[output b]\noutput-http = two\nto-if method:POST\nif path:/x\n"
                               "[ output ]\noutput-file = f\n");
    ck_assert_str_eq(options_bound_nth(o, "to-if", "output-null", 0, 0), "method:PUT");
    ck_assert_ptr_null(options_bound_nth(o, "to-name", "output-null", 0, 0));
    ck_assert_str_eq(options_bound_nth(o, "to-name", "output-http", 0, 0), "a");
    ck_assert_str_eq(options_bound_nth(o, "to-if", "output-http", 0, 0), "method:GET");
    ck_assert_str_eq(options_bound_nth(o, "to-name", "output-http", 1, 0), "b");
    ck_assert_str_eq(options_bound_nth(o, "to-if", "output-http", 1, 1), "path:/x");
    ck_assert_ptr_null(options_bound_nth(o, "to-name", "output-file", 0, 0));
    options_free(o);
}
END_TEST

START_TEST(what_is_stronger_stays)
{
    struct err err;
    struct options *o;
    ck_assert_int_eq(options_new(&o, &refrain_options), 0);
    ck_assert_int_eq(options_set(o, "exit-after", "1s", OPTION_FROM_COMMAND_LINE, &err), 0);
    ck_assert_int_eq(options_set(o, "input-raw", ":1", OPTION_FROM_ENVIRONMENT, &err), 0);
    ck_assert_int_eq(options_set(o, "output-null", "true", OPTION_FROM_COMMAND_LINE, &err), 0);
    ck_assert_int_eq(options_set(o, "to-if", "method:GET", OPTION_FROM_COMMAND_LINE, &err), 0);
    struct config_text config = {.path = "x.conf",
                                 .text = span_str("exit-after 2s\ninput-raw :2\nverbose 1\n"
                                                  "[output f]\noutput-file f\nif method:PUT\n")};
    ck_assert_int_eq(config_text_read(o, &refrain_options, &config, &err), 0);
    ck_assert_int_eq(options_duration_ns(o, "exit-after"), NS_PER_S);
    ck_assert_str_eq(options_nth(o, "input-raw", 0), ":1");
    ck_assert_ptr_null(options_nth(o, "input-raw", 1));
    ck_assert_int_eq(options_int(o, "verbose"), 1);
    ck_assert_str_eq(options_bound_nth(o, "to-if", "output-null", 0, 0), "method:GET");
    ck_assert_str_eq(options_bound_nth(o, "to-if", "output-file", 0, 0), "method:PUT");
    config.text = span_str("\noutput-null\n");
    ck_assert_int_eq(config_text_read(o, &refrain_options, &config, &err), -EINVAL);
    ck_assert_str_eq(err.text, "x.conf:2: output-null is also given on the command line or in the "
                               "environment: give all its outputs in one place");
    options_free(o);
}
END_TEST

START_TEST(what_is_wrong_is_told_with_its_place)
{
    static const struct {
        const char *text, *error;
    } cases[] = {
        {"\nexit-after = 5\n", "x.conf:2: exit-after \"5\": expected a duration: add a unit, e.g. "
                               "5s"},
        {"exit-after", "x.conf:1: exit-after: its argument is missing (TIME)"},
        {"exit-aftr 5s", "x.conf:1: unknown option \"exit-aftr\" (did you mean exit-after?)"},
        {"= 5", "x.conf:1: unknown option \"\"; refrain --help lists all"},
        {"help", "x.conf:1: help can only stand on the command line"},
        {"config = y", "x.conf:1: config can only stand on the command line"},
        {"to-if method:GET", "x.conf:1: to-if: no output stands before it; write it behind the "
                             "output that it is for"},
        {"[outputs]", "x.conf:1: [outputs]: the only sections are [output NAME] and [output]"},
        {"[output a", "x.conf:1: a section is [output NAME]; its ] is missing"},
        {"[", "x.conf:1: a section is [output NAME]; its ] is missing"},
        {"[output a]\n[output b]", "x.conf:2: the section above has no output"},
        {"[output a]\n", "x.conf:1: the section above has no output"},
        {"[output a]\nverbose 1", "x.conf:2: verbose: a section begins with its output, as in "
                                  "output-http = URL"},
        {"[output a]\noutput-null\nverbose 1", "x.conf:3: verbose belongs to no output: write it "
                                               "above the first section"},
        {"[output a]\noutput-null\noutput-file f", "x.conf:3: output-file: a section has one "
                                                   "output; begin another with [output NAME]"},
        {"redact-key = secret", "x.conf:1: redact-key: others can read this file; chmod 600 it, or "
                                "use redact-key = @FILE"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct err err;
        struct options *o;
        ck_assert_msg(read_text(&o, cases[i].text, &err) < 0, "%s", cases[i].text);
        ck_assert_str_eq(err.text, cases[i].error);
        ck_assert_int_eq(err.status, STATUS_USAGE);
        options_free(o);
    }
}
END_TEST

START_TEST(a_file_that_others_cannot_read_may_hold_secrets)
{
    char path[] = "/tmp/refrain-config-XXXXXX";
    struct err err;
    struct options *o;
    int fd = mkstemp(path);
    FILE *f = fdopen(fd, "w");
    fputs("redact-key = open sesame\n", f);
    fclose(f);
    ck_assert_int_eq(options_new(&o, &refrain_options), 0);
    ck_assert_int_eq(config_file_read(o, &refrain_options, path, &err), 0);
    ck_assert_str_eq(options_string(o, "redact-key"), "open sesame");
    ck_assert_int_eq(chmod(path, 0640), 0);
    ck_assert_int_eq(config_file_read(o, &refrain_options, path, &err), -EINVAL);
    ck_assert_int_eq(remove(path), 0);
    ck_assert_int_eq(config_file_read(o, &refrain_options, path, &err), -ENOENT);
    ck_assert_int_eq(config_file_read(o, &refrain_options, "/tmp", &err), -EINVAL);
    options_free(o);
}
END_TEST

static char *dumped(const struct options *o)
{
    char *text = NULL;
    size_t len;
    struct err err;
    FILE *f = open_memstream(&text, &len);
    ck_assert_int_eq(config_file_dump(f, o, &refrain_options, &err), 0);
    fclose(f);
    return text;
}

START_TEST(what_is_dumped_reads_as_the_same)
{
    struct options *o = parsed("exit-after 5s\nhttp-set-header = \" x: 1 \"\n"
                               "http-set-param = \"=x\"\nhttp-set-param = \"\"\"\"\n"
                               "output-null\noutput-null\nto-if method:GET\n"
                               "[output a]\noutput-http one|10%\nset-header A: 1\n"
                               "[output]\noutput-file f\n");
    char *text = dumped(o);
    ck_assert_str_eq(text, "exit-after = 5s\n"
                           "http-set-header = \" x: 1 \"\n"
                           "http-set-param = \"=x\"\nhttp-set-param = \"\"\"\"\n"
                           "\n[output]\noutput-null = true\nto-if = method:GET\n"
                           "\n[output a]\noutput-http = one|10%\nto-set-header = A: 1\n"
                           "\n[output]\noutput-file = f\n");
    struct options *again = parsed(text);
    char *twice = dumped(again);
    ck_assert_str_eq(twice, text);
    free(text);
    free(twice);
    options_free(o);
    options_free(again);
}
END_TEST

START_TEST(a_dump_holds_no_secret)
{
    struct err err;
    struct options *o = parsed("output-null\n");
    ck_assert_int_eq(options_set(o, "redact-key", "sesame", OPTION_FROM_ENVIRONMENT, &err), 0);
    char *text = dumped(o);
    ck_assert_ptr_null(strstr(text, "sesame"));
    ck_assert_ptr_nonnull(strstr(text, "# redact-key is a secret"));
    free(text);
    options_free(o);
}
END_TEST

START_TEST(every_allocation_may_fail)
{
    static const char text[] =
        "exit-after 5s\ninput-file a\n[output a]\noutput-null\nif method:GET";
    for (uint64_t n = 1; n < 100; n++) {
        struct err err;
        struct options *o;
        const struct config_text config = {.path = "x.conf", .text = span_str(text)};
        ck_assert_int_eq(options_new(&o, &refrain_options), 0);
        mem_fail_at(n);
        int r = config_text_read(o, &refrain_options, &config, &err);
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

Suite *suite(void)
{
    const TTest *const tests[] = {
        a_line_is_an_option_however_it_is_written,
        a_value_is_taken_as_it_is,
        a_section_binds_what_stands_in_it_to_its_output,
        what_is_stronger_stays,
        what_is_wrong_is_told_with_its_place,
        a_file_that_others_cannot_read_may_hold_secrets,
        what_is_dumped_reads_as_the_same,
        a_dump_holds_no_secret,
        every_allocation_may_fail,
    };
    return suite_of("config_file", tests, ARRAY_LEN(tests));
}
