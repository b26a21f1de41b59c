/* SPDX-License-Identifier: MIT */
/* Shared by wire.c, wire_outputs.c and wire_self.c; nobody else includes this. */
#pragma once

#include "cmd/wire.h"
#include "lib/limit.h"

#define ACCOUNT_NAME_MAX 256

/* An input that is open, until it is given to the pipeline. */
struct opened_input {
    struct input *in;
    struct books *books;
    struct limit limit;
};

struct wiring {
    const struct options *options;
    struct ledger *ledger;
    struct pipeline *pipe;
    struct err *err;
    size_t n_inputs;
    struct opened_input inputs[64];
    struct outputs *outputs; /* see wire_outputs.c; freed with mem_free() */
};

/* "output-http http://host/", without what stands before an '@' in the authority: a name appears in
 * logs and summaries, a password must not. */
void wire_label(char *out, size_t size, const char *option, const char *address);

/* The address of one value of an option, without its limit. *copy is to be freed. */
int wire_split_limit(struct wiring *w, const char *option, const char *value, char **copy,
                     struct limit *limit);

/* A share beyond 100 % is an error. */
int wire_check_share(struct wiring *w, const char *option, const char *value,
                     const struct limit *limit);

/* Opens all outputs and gives them to the pipeline; sets w->outputs. */
int wire_open_outputs(struct wiring *w);

/* Says how the requests are shared out, when they are. */
void wire_tell_shares(const struct wiring *w);

/* How the requests are split: sets config's part of it. */
int wire_read_split(const struct options *options, struct pipeline_config *config, struct err *err);

/* An output that would send to what is captured is an error, unless --allow-self. */
int wire_check_self(const struct options *options, struct err *err);
