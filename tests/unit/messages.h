/* SPDX-License-Identifier: MIT */
/* Messages for tests. */
#pragma once

#include "lib/msg.h"

/* A message of that type with payload and id (C strings); the caller's reference. */
struct msg *message(enum msg_type type, const char *id, const char *payload);
/* "GET /n HTTP/1.1…" with id n. */
const struct msg *numbered_request(unsigned n);
