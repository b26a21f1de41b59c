/* SPDX-License-Identifier: MIT */
/* What every output that connects by libcurl needs of the sandbox (lib/needs.h). */
#pragma once

#include "lib/needs.h"

/* The port of url, or else usual, and those of the proxies that the environment names. */
void curl_needs(struct needs *needs, const char *option, const char *url, uint16_t usual);
