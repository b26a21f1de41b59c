/* SPDX-License-Identifier: MIT */
/* What the tests of output-http share: an output with a server of the test's own. Each run ends by
 * checking that every message taken has found one fate, and that no memory is left. */
#pragma once

#include "tests/unit/unit.h"

#include "lib/ledger.h"
#include "lib/output.h"
#include "tests/unit/http_server.h"
#include "tests/unit/options_fake.h"

#define PATIENCE_NS (30 * NS_PER_S)

/* What the output is opened with; a test changes what it is about. */
extern struct option_value values[];
extern const struct options options;
/* Places in values. */
enum {
    MAX_CONNECTIONS,
    WORKERS,
    QUEUE_LEN,
    TIMEOUT,
    ORIGINAL_HOST,
    SKIP_VERIFY,
    CA_CERT,
    CLIENT_CERT,
    CLIENT_KEY,
    SET_HEADER
};

struct run {
    struct http_server *server;
    struct output *out;
    struct ledger *ledger;
    struct account *account;
    int64_t mem_before;
    unsigned taken;
};

int64_t mem_all(void);
void open_output(struct run *r, const char *address);
/* rest: what follows the port in the URL. */
struct run start(const char *rest);
uint64_t count(const struct run *r, enum book book);
/* Takes msg. */
enum output_result offer(struct run *r, struct msg *msg);
struct msg *request(uint64_t conn, const char *bytes);
void send_bytes(struct run *r, uint64_t conn, const char *bytes);
void send_get(struct run *r, uint64_t conn, const char *target);
void drain(struct run *r);
void finish(struct run *r);
void expect(const struct run *r, enum book book, uint64_t n);
struct span seen(const struct run *r, size_t i);
void expect_seen(const struct run *r, size_t i, const char *bytes);
