/* SPDX-License-Identifier: MIT */
/* What verify and repair say of a damaged place. */
#pragma once

#include <stdio.h>

#include "capture/file_reader.h"
#include "lib/options.h"

/* Was --summary json given? */
bool damage_is_json(const struct options *options);

/* One line, as text or as a JSON object. fate: "damaged", "dropped", "mended". */
void damage_print(FILE *out, const struct options *options, const struct reader_damage *damage,
                  const char *fate);
