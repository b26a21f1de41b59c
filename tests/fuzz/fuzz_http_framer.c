/* SPDX-License-Identifier: MIT */
/* The framer's verdict, and the place where it falls, do not depend on how the bytes are cut.
 *
 * Input: one byte of options, one of seed for the cuts, then the message. */
#include <stdlib.h>
#include <string.h>

#include "lib/http.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct outcome {
    enum http_verdict verdict, closed;
    enum http_fault fault;
    size_t total;
    struct http_view view;
};

static void check(bool holds)
{
    if (!holds)
        abort();
}

static uint8_t *exact(const uint8_t *bytes, size_t n)
{
    uint8_t *copy = malloc(n ? n : 1);
    check(copy != NULL);
    memcpy(copy, bytes, n);
    return copy;
}

static enum http_verdict feed_piece(struct http_framer *f, struct span message, size_t off,
                                    size_t n, size_t *used)
{
    uint8_t *piece = exact(message.ptr + off, n);
    enum http_verdict v = http_framer_feed(f, piece, n, used);
    free(piece);
    check(*used <= n);
    if (v != HTTP_HEAD)
        return v;
    uint8_t *head = exact(message.ptr, f->head_len);
    v = http_framer_head(f, head, f->head_len);
    free(head);
    return v;
}

/* seed 0: in one piece. */
static struct outcome frame(uint8_t options, struct span message, unsigned seed)
{
    struct http_framer f;
    struct outcome out = {.verdict = HTTP_MORE};
    static const char *const methods[] = {"GET", "HEAD", "CONNECT", "POST"};
    enum http_kind kind = options & 1 ? HTTP_RESPONSE : HTTP_REQUEST;
    struct http_limits limits = {.max_head = options & 2 ? 64 : HTTP_MAX_HEAD};
    size_t off = 0, used = 0;
    http_framer_init(&f, kind, &limits);
    if (kind == HTTP_RESPONSE)
        http_framer_answers(&f, span_str(methods[options >> 2 & 3]));
    while (out.verdict == HTTP_MORE && off < message.len) {
        size_t n = message.len - off;
        if (seed > 0)
            n = 1 + (size_t)rand_r(&seed) % (n < 24 ? n : 24);
        for (size_t end = off + n; off < end && out.verdict == HTTP_MORE; off += used)
            out.verdict = feed_piece(&f, message, off, end - off, &used);
    }
    check(off == f.head_len + f.body_len);
    check(f.head_len <= limits.max_head);
    out.total = off;
    out.view = f.view;
    out.fault = f.fault;
    out.closed = http_framer_close(&f);
    return out;
}

static void check_same(const struct outcome *a, const struct outcome *b)
{
    check(a->verdict == b->verdict && a->closed == b->closed && a->fault == b->fault);
    check(a->total == b->total);
    check(a->view.head_len == b->view.head_len && a->view.start_off == b->view.start_off);
    check(a->view.fields_off == b->view.fields_off && a->view.target_off == b->view.target_off);
    check(a->view.target_len == b->view.target_len && a->view.method_len == b->view.method_len);
    check(a->view.status == b->view.status && a->view.minor == b->view.minor);
    check(a->view.body == b->view.body && a->view.length == b->view.length);
    check(a->view.close == b->view.close && a->view.upgrade == b->view.upgrade);
}

/* What the view says lies inside the head, and the fields fill it without a gap. */
static void check_view(enum http_kind kind, struct span message, const struct http_view *view)
{
    struct http_field field, found;
    size_t pos = view->fields_off, expected = view->fields_off;
    check(view->head_len <= message.len && view->fields_off < view->head_len);
    check(view->target_off + view->target_len <= view->fields_off);
    check(view->start_off + view->method_len <= view->target_off);
    check((kind == HTTP_REQUEST) == (view->method_len > 0));
    while (http_field_next(message, view, &pos, &field)) {
        check(field.off == expected && field.len > 0 && field.name.len > 0);
        expected += field.len;
        check(field.value.ptr + field.value.len <= message.ptr + expected);
        check(http_field_find(message, view, field.name, &found) && found.off <= field.off);
    }
    check(pos == expected && view->head_len - pos <= 2);
    check(kind == HTTP_RESPONSE || view->start_off > 0 || view->method_len > 32 ||
          http_may_begin(kind, message.ptr, message.len));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2)
        return 0;
    enum http_kind kind = data[0] & 1 ? HTTP_RESPONSE : HTTP_REQUEST;
    struct span message = span_of(data + 2, size - 2);
    struct outcome whole = frame(data[0], message, 0);
    for (unsigned i = 1; i <= 3; i++) {
        struct outcome cut = frame(data[0], message, data[1] * 4u + i);
        check_same(&whole, &cut);
    }
    if (whole.view.head_len > 0)
        check_view(kind, message, &whole.view);
    return 0;
}
