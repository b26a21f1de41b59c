/* SPDX-License-Identifier: MIT */
#include "tools/recordings.h"

#include <errno.h>
#include <string.h>

#include "capture/file_list.h"
#include "capture/merge.h"
#include "lib/mem.h"

struct recordings {
    struct recordings_config config;
    struct reader_config reader;
    struct ledger *ledger; /* where readers count; tools have a tally of their own */
    struct file_reader **readers; /* in turn */
    size_t n, cap, current;
    bool has_stdin;
    struct merge *merge; /* by time */
};

int recordings_new(struct recordings **rp, const struct recordings_config *config, struct err *err)
{
    struct recordings *r = mem_zalloc(MEM_IO, sizeof(*r));
    struct account *account = NULL;
    if (r && ledger_new(&r->ledger) == 0)
        account = ledger_account(r->ledger, ACCOUNT_INPUT, "recordings");
    struct books *books = account ? account_page(account) : NULL;
    if (!books) {
        recordings_free(r);
        return err_sys(err, ENOMEM, "start");
    }
    r->config = *config;
    r->reader = (struct reader_config){
        .depth = config->order == RECORDINGS_BY_TIME ? config->depth : 1,
        .stop_fd = -1,
        .quiet = true, /* the tool tells of damage itself */
        .books = books,
        .mends = config->mends,
        .on_damage = config->on_damage,
        .on_damage_arg = config->on_damage_arg,
    };
    if (config->order == RECORDINGS_BY_TIME && merge_new(&r->merge, &r->reader) < 0) {
        recordings_free(r);
        return err_sys(err, ENOMEM, "start");
    }
    *rp = r;
    return 0;
}

void recordings_free(struct recordings *r)
{
    if (!r)
        return;
    for (size_t i = 0; i < r->n; i++)
        file_reader_free(r->readers[i]);
    mem_free(r->readers);
    merge_free(r->merge);
    ledger_free(r->ledger);
    mem_free(r);
}

void recordings_name(struct err *err)
{
    static const char option[] = "--input-file ";
    size_t len = sizeof(option) - 1;
    if (strncmp(err->text, option, len) == 0)
        memmove(err->text, err->text + len, strlen(err->text + len) + 1);
}

static int add_in_turn(struct recordings *r, const char *path, struct err *err)
{
    if (r->n == r->cap) {
        size_t cap = r->cap > 0 ? r->cap * 2 : 16;
        struct file_reader **readers =
            mem_realloc(MEM_IO, r->readers, cap * sizeof(struct file_reader *));
        if (!readers)
            return err_sys(err, ENOMEM, "%s", path);
        r->readers = readers;
        r->cap = cap;
    }
    int ret = file_reader_new(&r->readers[r->n], path, &r->reader, err);
    if (ret == 0)
        file_reader_park(r->readers[r->n++]);
    return ret;
}

int recordings_add(struct recordings *r, const char *path, struct err *err)
{
    bool is_stdin = strcmp(path, "-") == 0;
    if (is_stdin && r->has_stdin)
        return err_usage(err, "\"-\": standard input can be read only once");
    r->has_stdin |= is_stdin;
    int ret = r->merge ? merge_add(r->merge, path, 100, err) : add_in_turn(r, path, err);
    if (ret < 0)
        recordings_name(err);
    return ret;
}

int recordings_list(struct file_list *list, const char *pattern, struct err *err)
{
    int r = file_list_make(list, pattern, err);
    if (r < 0)
        recordings_name(err);
    return r;
}

int recordings_add_all(struct recordings *r, const struct tool_args *args, struct err *err)
{
    const char *value;
    int ret = 0;
    if (!options_nth(args->options, "input-file", 0))
        return err_usage(err, "refrain %s: name a recording, or - for standard input",
                         args->tool->name);
    for (size_t i = 0; ret == 0 && (value = options_nth(args->options, "input-file", i)); i++) {
        struct file_list list = {0};
        ret = recordings_list(&list, value, err);
        for (size_t k = 0; k < list.n && ret == 0; k++)
            ret = recordings_add(r, list.paths[k], err);
        file_list_free(&list);
    }
    return ret;
}

static int next_in_turn(struct recordings *r, struct msg **msg, struct err *err)
{
    while (r->current < r->n) {
        struct file_reader *reader = r->readers[r->current];
        int ret = file_reader_next(reader, err);
        if (ret < 0)
            return ret;
        if (ret == READER_READY)
            *msg = file_reader_take(reader);
        if (ret == READER_READY)
            return ret;
        r->current += ret == READER_END;
    }
    return READER_END;
}

static int next_by_time(struct recordings *r, struct msg **msg, struct err *err)
{
    int64_t offset_ns;
    int ret;
    do
        ret = merge_next(r->merge, &offset_ns, err);
    while (ret == READER_WAIT);
    if (ret == READER_READY)
        *msg = merge_take(r->merge);
    return ret;
}

int recordings_next(struct recordings *r, struct msg **msg, struct err *err)
{
    int ret = r->merge ? next_by_time(r, msg, err) : next_in_turn(r, msg, err);
    if (ret < 0)
        recordings_name(err);
    return ret;
}

struct reader_stats recordings_stats(const struct recordings *r)
{
    struct reader_stats sum = {0};
    if (r->merge)
        return merge_stats(r->merge);
    for (size_t i = 0; i < r->n; i++) {
        const struct reader_stats *s = file_reader_stats(r->readers[i]);
        sum.records += s->records;
        sum.bytes += s->bytes;
        sum.damaged += s->damaged;
        sum.not_http += s->not_http;
        sum.out_of_order += s->out_of_order;
    }
    return sum;
}
