/* SPDX-License-Identifier: MIT */
/* refrain convert: recordings to other formats, and from them. */
#include "tools/convert.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "capture/file_list.h"
#include "capture/raw_address.h"
#include "lib/log.h"
#include "tools/json_get.h"
#include "tools/selection.h"

struct conversion {
    struct selection *selection;
    struct writer *writer;
    enum format input; /* when given */
    bool detects;
};

static const char *const names[] = {
    [FORMAT_GOR] = "gor",   [FORMAT_JSON] = "json", [FORMAT_HAR] = "har",
    [FORMAT_PCAP] = "pcap", [FORMAT_CURL] = "curl",
};

static enum format named(const char *name)
{
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        if (strcmp(name, names[i]) == 0)
            return (enum format)i;
    return FORMAT_GOR;
}

static bool ends_in(struct span path, const char *end)
{
    size_t len = strlen(end);
    return path.len >= len && memcmp(path.ptr + path.len - len, end, len) == 0;
}

/* By the name of the file, without ".gz". */
static enum format output_format(const struct options *o)
{
    static const struct {
        const char *end;
        enum format format;
    } ends[] = {
        {".json", FORMAT_JSON}, {".jsonl", FORMAT_JSON}, {".ndjson", FORMAT_JSON},
        {".har", FORMAT_HAR},   {".sh", FORMAT_CURL},
    };
    const char *given = options_string(o, "output-format");
    struct span path = span_str(options_string(o, "output-file"));
    if (strcmp(given, "auto") != 0)
        return named(given);
    if (ends_in(path, ".gz"))
        path.len -= 3;
    for (size_t i = 0; i < ARRAY_LEN(ends); i++)
        if (ends_in(path, ends[i].end))
            return ends[i].format;
    return FORMAT_GOR;
}

static int to_writer(struct job *job, const struct msg *msg)
{
    struct conversion *c = job->arg;
    return writer_put(c->writer, msg);
}

static int to_selection(struct job *job, const struct msg *msg)
{
    struct conversion *c = job->arg;
    return selection_feed(c->selection, msg);
}

/* A capture file may have ports behind its name, and so be no file of that name. */
static bool is_capture_with_ports(const char *operand)
{
    struct raw_address address;
    struct stat st;
    struct err err;
    return stat(operand, &st) == -1 && raw_address_parse(&address, operand, true, &err) == 0 &&
           strcmp(address.host, operand) != 0 && convert_detect(address.host) == FORMAT_PCAP;
}

static int read_pcap(struct job *job, const char *operand)
{
    /* its name need not say what it is */
    int r = options_set(job->args->options, "input-raw-engine", "pcap_file",
                        OPTION_FROM_COMMAND_LINE, job->err);
    return r == 0 ? convert_read_pcap(job, operand, to_selection) : r;
}

static int read_operand(struct job *job, const char *operand)
{
    struct conversion *c = job->arg;
    struct file_list list = {0};
    bool pcap = c->detects ? is_capture_with_ports(operand) : c->input == FORMAT_PCAP;
    if (pcap)
        return read_pcap(job, operand);
    int r = recordings_list(&list, operand, job->err);
    for (size_t i = 0; i < list.n && r == 0; i++) {
        const char *path = list.paths[i];
        enum format format = c->detects ? convert_detect(path) : c->input;
        r = format == FORMAT_PCAP ? read_pcap(job, path)
                                  : convert_read(job, path, format, to_selection);
    }
    file_list_free(&list);
    return r;
}

static int check_raw(const struct options *o, const char *value, struct err *err)
{
    struct raw_address address;
    bool file_engine = strcmp(options_string(o, "input-raw-engine"), "pcap_file") == 0;
    int r = raw_address_parse(&address, value, file_engine, err);
    if (r == 0 && !address.is_file)
        return err_usage(err,
                         "--input-raw \"%s\": refrain convert reads files; for a capture file of "
                         "any name, give --input-raw-engine pcap_file",
                         value);
    return r;
}

static int read_all(struct job *job)
{
    const struct options *o = job->args->options;
    const char *value;
    int r = 0;
    for (size_t i = 0; r == 0 && (value = options_nth(o, "input-raw", i)); i++)
        r = read_pcap(job, value);
    for (size_t i = 0; r == 0 && (value = options_nth(o, "input-file", i)); i++)
        r = read_operand(job, value);
    return r;
}

/* Before anything is written. */
static int check_inputs(struct job *job)
{
    const struct conversion *c = job->arg;
    const struct options *o = job->args->options;
    const char *value;
    int r = 0;
    if (!options_nth(o, "input-raw", 0) && !options_nth(o, "input-file", 0))
        return err_usage(job->err, "refrain convert: name a file, or - for standard input");
    for (size_t i = 0; r == 0 && (value = options_nth(o, "input-raw", i)); i++)
        r = check_raw(o, value, job->err);
    for (size_t i = 0; r == 0 && (value = options_nth(o, "input-file", i)); i++) {
        struct file_list list = {0};
        if (c->detects ? is_capture_with_ports(value) : c->input == FORMAT_PCAP)
            continue;
        r = recordings_list(&list, value, job->err);
        file_list_free(&list);
    }
    return r;
}

static int convert(struct job *job)
{
    struct conversion *c = job->arg;
    int r = check_inputs(job);
    if (r == 0)
        r = job_open_out(job);
    if (r == 0)
        r = read_all(job);
    if (r == 0)
        r = writer_finish(c->writer);
    return job_close_out(job, r);
}

static int run(const struct tool_args *args, struct err *err)
{
    const char *input = options_string(args->options, "input-format");
    struct conversion c = {.input = named(input), .detects = strcmp(input, "auto") == 0};
    struct job job = {.args = args, .err = err, .arg = &c};
    json_get_own_memory();
    int r = selection_new(&c.selection, &job, false, "", to_writer);
    if (r == 0)
        r = writer_new(&c.writer, &job, output_format(args->options));
    if (r == 0)
        r = convert(&job);
    writer_free(c.writer);
    selection_free(c.selection);
    return r < 0 ? r : job_tell(&job);
}

static const char *const takes[] = {
    "help", "version", "verbose", "seed", "max-memory", "@raw", "@filter", "!middleware", NULL,
};

const struct tool tool_convert = {
    .name = "convert",
    .operands = "FILE...",
    .summary = "Recordings to and from JSON lines, HAR and curl commands, and from capture files",
    .takes = takes,
    .run = run,
};
