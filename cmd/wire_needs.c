/* SPDX-License-Identifier: MIT */
#include "cmd/wire_needs.h"

#include <errno.h>
#include <string.h>

#include "lib/mem.h"

/* The address of an output, without its limit: to be freed. NULL: no memory. */
static char *address_of(const struct wanted *wanted)
{
    char *address = mem_strdup(MEM_OTHER, wanted->value);
    if (address)
        address[wanted->address_len] = '\0';
    return address;
}

void wire_needs_of(struct needs *needs, const struct wanted *wanted, const struct options *options)
{
    if (!wanted->ops->needs)
        return;
    char *address = address_of(wanted);
    const struct output_args args = {.address = address, .options = options};
    if (address)
        wanted->ops->needs(needs, &args);
    else
        needs->broken = true;
    mem_free(address);
}

static void needs_of_input(struct needs *needs, const struct wanted_input *wanted,
                           const struct options *options)
{
    if (!wanted->ops->needs)
        return;
    const char **values = mem_zalloc(MEM_OTHER, wanted->n * sizeof(*values));
    if (!values) {
        needs->broken = true;
        return;
    }
    for (size_t i = 0; i < wanted->n; i++)
        values[i] = options_nth(options, wanted->ops->option, wanted->nth + i);
    const struct input_args args = {
        .addresses = values, .n_addresses = wanted->n, .options = options};
    wanted->ops->needs(needs, &args);
    mem_free(values);
}

void wire_needs(struct needs *needs, const struct wanted_inputs *inputs,
                const struct wanted_outputs *outputs, const struct options *options)
{
    const char *path;
    for (size_t i = 0; i < inputs->n; i++)
        needs_of_input(needs, &inputs->wanted[i], options);
    for (size_t i = 0; i < outputs->n; i++)
        wire_needs_of(needs, &outputs->wanted[i], options);
    for (size_t i = 0; (path = options_nth(options, "report", i)); i++)
        needs_path(needs, NEED_WRITE, "report", path);
    needs_path(needs, NEED_WRITE_ANEW, "state", options_string(options, "state"));
    needs_path(needs, NEED_WRITE_ANEW, "metrics-file", options_string(options, "metrics-file"));
    needs_path(needs, NEED_REMOVE, "control", options_string(options, "control"));
    needs_path(needs, NEED_LOOK, "stop-file", options_string(options, "stop-file"));
}

int wire_prepare_of(const struct wanted *wanted, const struct options *options, struct err *err)
{
    if (!wanted->ops->prepare)
        return 0;
    char *address = address_of(wanted);
    const struct output_args args = {.address = address, .options = options};
    int r = address ? wanted->ops->prepare(&args, err)
                    : err_sys(err, ENOMEM, "--%s", wanted->ops->option);
    mem_free(address);
    return r;
}

int wire_prepare(const struct wanted_outputs *outputs, const struct options *options,
                 struct err *err)
{
    int r = 0;
    for (size_t i = 0; i < outputs->n && r == 0; i++)
        r = wire_prepare_of(&outputs->wanted[i], options, err);
    return r;
}
