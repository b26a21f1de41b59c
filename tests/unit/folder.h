/* SPDX-License-Identifier: MIT */
/* A folder for the files of one test, and short ways to make and read them. All abort on failure:
 * then the test cannot be run. */
#pragma once

#include "lib/base.h"

/* Makes a new folder and moves into it, so that tests use plain names. */
void folder_enter(void);
/* Removes it with all that is in it. */
void folder_leave(void);

void file_put(const char *name, const void *bytes, size_t n);
void file_add(const char *name, const void *bytes, size_t n);
/* All of a file, with a '\0' behind it; to be freed with free(). */
uint8_t *file_get(const char *name, size_t *n);
/* -1: there is none. */
int64_t file_size(const char *name);
void file_cut(const char *name, size_t n);
