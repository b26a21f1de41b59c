/* SPDX-License-Identifier: MIT */
/* Passwords in URLs are not shown in errors and logs: of "http://user:password@host" three stars
 * are left before the '@'. Every text that is told goes through here (lib/err.h, lib/log.h). */
#pragma once

#include "lib/base.h"

/* In place; what does not fit into size any more is cut off. Hides what stands before the last '@'
 * of an authority: behind "://", or with a ':' in it in a text about an output, whose address needs
 * no scheme. */
void userinfo_hide(char *text, size_t size);
