/* SPDX-License-Identifier: MIT */
/* What a WebSocket server sends, from its answer to the handshake on: what is made of it does not
 * depend on how the bytes are cut.
 *
 * Input: one byte of seed for the cuts, odd when frames come at once; then the bytes. The key of
 * the handshake is always the same. */
#include <stdlib.h>
#include <string.h>

#include "lib/hash.h"
#include "outputs/ws_frame.h"
#include "outputs/ws_handshake.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct outcome {
    enum ws_agreement agreement;
    size_t head_len;
    bool bad;
    const char *fault;
    uint64_t controls; /* a hash of all of them */
    uint64_t data_bytes;
};

static void check(bool holds)
{
    if (!holds)
        abort();
}

static size_t piece(size_t n, unsigned *seed)
{
    return *seed == 0 ? n : 1 + (size_t)rand_r(seed) % (n < 24 ? n : 24);
}

static void shake_hands(struct outcome *out, struct span bytes, unsigned seed)
{
    struct ws_handshake shake;
    check(ws_handshake_with(&shake, (const uint8_t *)"the sample nonce") == 0);
    for (size_t n = 0; n < bytes.len && out->agreement == WS_UNDECIDED;) {
        n += piece(bytes.len - n, &seed);
        uint8_t *copy = malloc(n);
        check(copy != NULL);
        memcpy(copy, bytes.ptr, n);
        out->agreement = ws_handshake_answer(&shake, span_of(copy, n), &out->head_len);
        free(copy);
    }
    check(out->head_len <= bytes.len && out->head_len <= WS_ANSWER_MAX);
    check((shake.why[0] != '\0') == (out->agreement == WS_REFUSED));
}

static void note(struct outcome *out, const struct ws_reader *reader)
{
    check(reader->control_len <= WS_CONTROL_MAX);
    check(reader->opcode >= WS_CLOSE && reader->opcode <= WS_PONG);
    out->controls = hash_mix(out->controls, reader->opcode);
    for (size_t i = 0; i < reader->control_len; i++)
        out->controls = hash_mix(out->controls, reader->control[i]);
}

static void read_frames(struct outcome *out, struct span bytes, unsigned seed)
{
    struct ws_reader reader;
    ws_reader_init(&reader);
    while (bytes.len > 0 && !out->bad) {
        size_t n = piece(bytes.len, &seed), used = 0;
        uint8_t *copy = malloc(n);
        check(copy != NULL);
        memcpy(copy, bytes.ptr, n);
        enum ws_event event = ws_read(&reader, copy, n, &used);
        free(copy);
        check(used > 0 && used <= n && (event != WS_MORE || used == n));
        if (event == WS_CONTROL)
            note(out, &reader);
        out->bad = event == WS_BAD;
        bytes = span_from(bytes, used);
    }
    out->fault = reader.fault;
    out->data_bytes = reader.data_bytes;
    check(out->bad == (reader.fault != NULL));
}

static struct outcome serve(bool shaken, struct span bytes, unsigned seed)
{
    struct outcome out = {.agreement = shaken ? WS_AGREED : WS_UNDECIDED};
    if (!shaken)
        shake_hands(&out, bytes, seed);
    if (out.agreement == WS_AGREED)
        read_frames(&out, span_from(bytes, out.head_len), seed);
    return out;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1)
        return 0;
    struct span bytes = span_of(data + 1, size - 1);
    bool shaken = data[0] & 1;
    struct outcome whole = serve(shaken, bytes, 0);
    for (unsigned i = 1; i <= 3; i++) {
        struct outcome cut = serve(shaken, bytes, data[0] * 4u + i);
        check(cut.agreement == whole.agreement && cut.head_len == whole.head_len);
        check(cut.bad == whole.bad && cut.fault == whole.fault);
        check(cut.controls == whole.controls && cut.data_bytes == whole.data_bytes);
    }
    return 0;
}
