/* SPDX-License-Identifier: MIT */
#include "cmd/help.h"

#include <string.h>

#include "cmd/options_table.h"
#include "config.h"

#define HELP_COLUMN 36
#define HELP_TEXT_MAX 512

static const char intro[] =
    "refrain: record HTTP traffic passively, and replay it\n"
    "\n"
    "usage: refrain [OPTION]...\n"
    "       refrain COMMAND [OPTION]... FILE...\n"
    "\n"
    "  sudo refrain --input-raw :8080 --output-stdout\n"
    "  sudo refrain --input-raw :8080 --output-file requests-%Y%m%d.gor.gz\n"
    "  refrain --input-file 'requests-*.gor.gz|200%' --output-http http://127.0.0.1:9090\n"
    "  refrain --input-tcp 0.0.0.0:28020 --output-http 'http://staging.example|10%'\n"
    "\n"
    "An option takes one or two dashes, and '=' or a space before its value. REFRAIN_OUTPUT_HTTP\n"
    "in the environment sets --output-http, and so on. A '*' marks options that may be repeated.\n"
    "LIMIT: 10 is at most ten a second, 10% one of ten. [not available]: known, but not built in "
    "this\n"
    "version. refrain(1) says more.\n";

const struct help_command help_commands[HELP_COMMANDS] = {
    {"explain", "What a run with the same options would do to each request"},
    {"doctor", "What this host can do, and what a run with the same options would capture"},
};

static bool is_list(const struct option_def *def)
{
    return def->type == OPTION_LIST || def->type == OPTION_INTS;
}

/* Defaults that say nothing are left out. */
static const char *shown_default(const struct option_def *def)
{
    static const char *const silent[] = {"", "0", "false"};
    for (size_t i = 0; i < ARRAY_LEN(silent); i++)
        if (!def->value || strcmp(def->value, silent[i]) == 0)
            return NULL;
    return def->value;
}

/* "; one of libpcap, pcap_file", without those that are not built. */
static size_t append_choices(char *out, size_t size, const char *spec)
{
    size_t n = 0;
    while (spec) {
        const char *bar = strchr(spec, '|');
        size_t len = bar ? (size_t)(bar - spec) : strlen(spec);
        if (spec[0] != '!')
            n += (size_t)snprintf(out + n, size - n, "%s%.*s", n ? ", " : "; one of ", (int)len,
                                  spec);
        assert(n < size);
        spec = bar ? bar + 1 : NULL;
    }
    return n;
}

size_t help_text(char *out, size_t size, const struct option_def *def)
{
    size_t n = (size_t)snprintf(out, size, "%s", def->help);
    if (def->type == OPTION_ENUM)
        n += append_choices(out + n, size - n, def->spec);
    const char *value = shown_default(def);
    if (value)
        n += (size_t)snprintf(out + n, size - n, " (default %s)", value);
    if (def->flags & OPTION_NOT_BUILT)
        n += (size_t)snprintf(out + n, size - n, " [not available]");
    assert(n < size);
    return n;
}

/* text, broken at spaces, from column at on; further lines begin at HELP_COLUMN. */
static void print_wrapped(FILE *out, const char *text, size_t at)
{
    while (*text) {
        size_t word = strcspn(text, " ");
        if (at > HELP_COLUMN && at + 1 + word > HELP_WIDTH) {
            fputc('\n', out);
            at = 0;
        }
        int gap = at < HELP_COLUMN ? (int)(HELP_COLUMN - at) : at > HELP_COLUMN;
        fprintf(out, "%*s%.*s", gap, "", (int)word, text);
        at += (size_t)gap + word;
        text += word + (text[word] == ' ');
    }
    fputc('\n', out);
}

static void print_option(FILE *out, const struct option_def *def)
{
    char text[HELP_TEXT_MAX];
    help_text(text, sizeof(text), def);
    int n = fprintf(out, "  --%s%s%s%s", def->name, def->arg ? " " : "", def->arg ? def->arg : "",
                    is_list(def) ? " *" : "");
    size_t at = n > 0 ? (size_t)n : 0;
    if (at >= HELP_COLUMN) {
        fputc('\n', out);
        at = 0;
    }
    print_wrapped(out, text, at);
}

static int finish(FILE *out)
{
    return fflush(out) == 0 && !ferror(out) ? STATUS_DONE : STATUS_FAILURE;
}

static void print_group(FILE *out, const struct option_table *table, unsigned group)
{
    bool any = false;
    for (size_t i = 0; i < table->n_defs; i++) {
        const struct option_def *def = &table->defs[i];
        if (def->group != group || (def->flags & OPTION_ELSEWHERE))
            continue;
        if (!any)
            fprintf(out, "\n%s\n", table->groups[group].title);
        print_option(out, def);
        any = true;
    }
}

static void print_commands(FILE *out)
{
    fputs("\nCommands (refrain COMMAND --help, refrain-tools(1))\n", out);
    for (size_t i = 0; i < HELP_COMMANDS; i++)
        fprintf(out, "  %-9s %s\n", help_commands[i].word, help_commands[i].summary);
    for (const struct tool *const *tool = tools; *tool; tool++)
        fprintf(out, "  %-9s %s\n", (*tool)->name, (*tool)->summary);
}

int help_print_tool(FILE *out, const struct option_table *table, const struct tool *tool)
{
    fprintf(out, "refrain %s: %s\n\nusage: refrain %s [OPTION]... %s\n", tool->name, tool->summary,
            tool->name, tool->operands);
    for (unsigned group = 0; group < table->n_groups; group++)
        print_group(out, table, group);
    fputs(
        "\nExit status: 0 done, 1 failure or damaged input, 2 usage. refrain-tools(1) says more.\n",
        out);
    return finish(out);
}

int help_print(FILE *out)
{
    const struct option_table *table = &refrain_options;
    fputs(intro, out);
    print_commands(out);
    for (unsigned group = 0; group < table->n_groups; group++)
        print_group(out, table, group);
    fputs("\nExit status: 0 done, 1 failure, 2 usage, 3 permission, 4 more loss than --max-loss "
          "allows,\n6 not drained.\n",
          out);
    return finish(out);
}

int help_print_version(FILE *out)
{
    fprintf(out, "refrain %s\nfeatures: pcap file relay%s%s%s\n", REFRAIN_VERSION,
            HAVE_HTTP ? " http" : "", HAVE_KAFKA ? " kafka" : "",
            HAVE_MICROHTTPD ? " metrics" : "");
    return finish(out);
}
