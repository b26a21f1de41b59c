/* SPDX-License-Identifier: MIT */
/* The record reader gives the same results in the same order however the bytes are cut, and uses
 * them all. Input: one byte of seed for the cuts, then the records. */
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "lib/record.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MAX_PAYLOAD 1000

/* All results so far, in order. */
struct outcome {
    size_t messages, damages;
    uint32_t crc;
};

static void check(bool holds)
{
    if (!holds)
        abort();
}

static void note(struct outcome *out, enum record_result result, const struct msg *msg)
{
    uint8_t what = (uint8_t)result;
    out->crc = (uint32_t)crc32_z(out->crc, &what, 1);
    out->messages += result == RECORD_MSG;
    out->damages += result == RECORD_DAMAGED;
    if (result != RECORD_MSG)
        return;
    check(msg->len > 0 && msg->len <= MAX_PAYLOAD && msg->http.head_len <= msg->len);
    out->crc = (uint32_t)crc32_z(out->crc, &msg->type, 1);
    out->crc = (uint32_t)crc32_z(out->crc, &msg->flags, 1);
    out->crc = (uint32_t)crc32_z(out->crc, (const uint8_t *)&msg->ts_ns, sizeof(msg->ts_ns));
    out->crc = (uint32_t)crc32_z(out->crc, (const uint8_t *)&msg->conn, sizeof(msg->conn));
    out->crc = (uint32_t)crc32_z(out->crc, (const uint8_t *)msg->id, msg->id_len);
    out->crc = (uint32_t)crc32_z(out->crc, msg->bytes, msg->len);
}

/* A message that was read, written and read again is the same one. */
static void check_again(const struct msg *msg)
{
    char header[RECORD_HEADER_MAX];
    struct record_reader r;
    struct outcome want = {0}, got = {0};
    struct msg *again = NULL;
    size_t used, n = record_header(header, msg);
    uint8_t *bytes = malloc(n + msg->len + RECORD_SEPARATOR_LEN);
    check(bytes != NULL);
    memcpy(bytes, header, n);
    memcpy(bytes + n, msg->bytes, msg->len);
    memcpy(bytes + n + msg->len, record_separator, RECORD_SEPARATOR_LEN);
    n += msg->len + RECORD_SEPARATOR_LEN;
    record_reader_init(&r, MAX_PAYLOAD);
    check(record_read(&r, bytes, n, false, &used, &again) == RECORD_MSG && used == n);
    note(&want, RECORD_MSG, msg);
    note(&got, RECORD_MSG, again);
    check(want.crc == got.crc);
    msg_unref(again);
    free(bytes);
}

/* Reads what it can of the bytes from *from to end. */
static void read_some(struct record_reader *r, struct outcome *out, struct span bytes, size_t *from,
                      bool at_end)
{
    size_t n = bytes.len - *from, off = 0, used = 0;
    uint8_t *piece = malloc(n ? n : 1);
    check(piece != NULL);
    memcpy(piece, bytes.ptr + *from, n);
    for (;;) {
        struct msg *msg = NULL;
        enum record_result result = record_read(r, piece + off, n - off, at_end, &used, &msg);
        check(used <= n - off);
        off += used;
        if (result == RECORD_MORE)
            break;
        note(out, result, msg);
        if (msg)
            check_again(msg);
        msg_unref(msg);
    }
    *from += off;
    check(!at_end || *from == bytes.len);
    free(piece);
}

/* seed 0: in one piece. */
static struct outcome play(struct span bytes, unsigned seed)
{
    struct record_reader r;
    struct outcome out = {0};
    size_t from = 0;
    record_reader_init(&r, MAX_PAYLOAD);
    for (size_t end = 0; seed > 0 && end < bytes.len;) {
        size_t left = bytes.len - end;
        end += 1 + (size_t)rand_r(&seed) % (left < 64 ? left : 64);
        read_some(&r, &out, span_of(bytes.ptr, end), &from, false);
    }
    read_some(&r, &out, bytes, &from, true);
    return out;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1)
        return 0;
    struct span bytes = span_of(data + 1, size - 1);
    struct outcome whole = play(bytes, 0);
    for (unsigned i = 1; i <= 3; i++) {
        struct outcome cut = play(bytes, data[0] * 4u + i);
        check(cut.messages == whole.messages && cut.damages == whole.damages);
        check(cut.crc == whole.crc);
    }
    return 0;
}
