/* SPDX-License-Identifier: MIT */
/* The outputs of this folder; cmd/registry.c lists them. */
#pragma once

#include "lib/output.h"

extern const struct output_ops output_baseline;
extern const struct output_ops output_binary;
extern const struct output_ops output_elastic;
extern const struct output_ops output_file;
extern const struct output_ops output_http;
extern const struct output_ops output_kafka;
extern const struct output_ops output_null;
extern const struct output_ops output_stdout;
extern const struct output_ops output_tcp;
extern const struct output_ops output_ws;
