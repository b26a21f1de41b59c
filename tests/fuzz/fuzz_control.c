/* SPDX-License-Identifier: MIT */
/* Any line over the control socket: what is taken is written as the same line again, and is
 * answered with an object, whatever it asks for. Input: the line. */
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "cmd/control_commands.h"
#include "cmd/options_table.h"
#include "lib/log.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool holds)
{
    if (!holds)
        abort();
}

/* A pipeline without anything in it, and two things to turn. */
struct bed {
    struct ledger *ledger;
    struct options *options;
    struct pipeline *pipe;
    struct steer steer;
    struct reload reload;
    struct commands commands;
};

static void add(struct bed *bed, size_t place, const char *name, enum account_kind kind)
{
    struct steered *item = &bed->steer.items[place];
    item->used = true;
    memcpy(item->name, name, strlen(name) + 1);
    item->kind = kind;
    item->account = ledger_account(bed->ledger, kind, name);
    item->in_split = kind == ACCOUNT_OUTPUT;
    item->speed = kind == ACCOUNT_INPUT ? 100 : 0;
    dials_init(&item->dials, &(struct limit){0});
}

static struct bed *made(void)
{
    static struct bed bed;
    struct err err;
    const struct pipeline_config config = {.steerable = true};
    if (bed.ledger)
        return &bed;
    log_set_level(LOG_ERROR);
    check(ledger_new(&bed.ledger) == 0 && options_new(&bed.options, &refrain_options) == 0);
    check(pipeline_new(&bed.pipe, &config, &err) == 0);
    bed.steer.pipe = bed.pipe;
    add(&bed, 0, "out.x", ACCOUNT_OUTPUT);
    add(&bed, 1, "in", ACCOUNT_INPUT);
    reload_init(&bed.reload, &(struct command_line){.argc = 0}, &bed.steer, bed.ledger,
                bed.options);
    bed.commands = (struct commands){.reload = &bed.reload,
                                     .steer = &bed.steer,
                                     .pipe = bed.pipe,
                                     .ledger = bed.ledger,
                                     .options = bed.options};
    return &bed;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct control_request request;
    char line[CONTROL_LINE_MAX];
    struct bed *bed = made();
    struct buf out;
    if (control_request_parse(&request, span_of(data, size)))
        return 0;
    check(control_request_write(line, request.words, request.n) == size + 1);
    check(memcmp(line, data, size) == 0);
    buf_init(&out, 1 << 20);
    commands_answer(&bed->commands, &request, &out);
    struct span text = buf_span(&out);
    json_t *answer = json_loadb((const char *)text.ptr, text.len, 0, NULL);
    check(json_is_boolean(json_object_get(answer, "ok")));
    for (size_t i = 0; i < 2; i++) {
        const struct dials *d = &bed->steer.items[i].dials;
        check(d->percent >= 0 && d->percent <= 100);
        check(d->rate >= 0 && d->weight >= 0 && d->speed > 0);
    }
    json_decref(answer);
    buf_fini(&out);
    return 0;
}
