/* SPDX-License-Identifier: MIT */
/* The outputs of this folder; cmd/registry.c lists them. */
#pragma once

#include "lib/output.h"

extern const struct output_ops output_http;
extern const struct output_ops output_tcp;
