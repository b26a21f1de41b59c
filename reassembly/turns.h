/* SPDX-License-Identifier: MIT */
/* Protocols that are not HTTP (--input-raw-protocol binary): the two sides take turns, and what one
 * sends before it has seen an answer is one message. It ends when the other side speaks, when its
 * sender has received more (its acknowledgement moves), when the sender is done, or when nothing
 * has come for the expiry time. Bytes are not looked at. In place of conv_…() of the same names. */
#pragma once

#include "reassembly/conv.h"

void turns_data(struct conv_env *env, struct flow *f, enum direction dir, struct span bytes,
                int64_t ts_ns);
void turns_gap(struct conv_env *env, struct flow *f, enum direction dir, enum gap_reason reason);
void turns_end(struct conv_env *env, struct flow *f, enum direction dir);
void turns_give_up(struct conv_env *env, struct flow *f, enum book request_fate);
