/* SPDX-License-Identifier: MIT */
/* The inputs of this folder; cmd/registry.c lists them. */
#pragma once

#include "lib/input.h"

extern const struct input_ops input_dummy;
extern const struct input_ops input_file;
extern const struct input_ops input_kafka;
extern const struct input_ops input_raw;
extern const struct input_ops input_tcp;
