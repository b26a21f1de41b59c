/* SPDX-License-Identifier: MIT */
/* An account of the ledger as JSON, under the names of lib/books.def: what --summary json and the
 * report share. Any thread. */
#pragma once

#include "lib/ledger.h"
#include "report/json_object.h"

/* What a replay was to take, and took: from its first message to its last. */
struct rates {
    double planned_s, taken_s, wanted, achieved; /* rates per second; 0: fewer than two messages */
};
struct rates rates_of(const struct account *account);

/* Books, percentiles and pace. */
struct object json_account(const struct account *account, enum account_kind kind);
