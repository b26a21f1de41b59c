/* SPDX-License-Identifier: MIT */
#include "outputs/binary_answer.h"

#include "lib/clock.h"
#include "outputs/answer.h"

void binary_answer_await(struct binary_answer *a, const struct msg *request, size_t max,
                         int64_t now_ns)
{
    assert(!a->request);
    *a = (struct binary_answer){.request = msg_ref(request), .sent_ns = now_ns};
    buf_init(&a->bytes, max);
}

void binary_answer_add(struct binary_answer *a, const uint8_t *bytes, size_t n)
{
    size_t room = a->bytes.max - buf_span(&a->bytes).len;
    a->last_ns = clock_mono_ns();
    if (a->first_ns == 0) {
        a->first_ns = a->last_ns;
        a->ts_ns = clock_wall_ns();
    }
    if (a->cut)
        return;
    a->cut = n > room || buf_append(&a->bytes, bytes, n) < 0;
    if (n > room && room > 0) /* without memory for it, it ends here just the same */
        (void)(buf_append(&a->bytes, bytes, room) == 0);
}

int64_t binary_answer_due_ns(const struct binary_answer *a, int64_t timeout_ns)
{
    return a->first_ns == 0 ? a->sent_ns + timeout_ns : a->last_ns + BINARY_SILENCE_NS;
}

void binary_answer_drop(struct binary_answer *a)
{
    msg_unref(a->request);
    a->request = NULL;
    buf_fini(&a->bytes);
}

void binary_answer_end(struct binary_answer *a, struct output *out)
{
    if (a->request && a->first_ns != 0) {
        const struct answer answer = {.bytes = buf_span(&a->bytes),
                                      .cut = a->cut,
                                      .ts_ns = a->ts_ns,
                                      .latency_ns = a->first_ns - a->sent_ns,
                                      .rtt_ns = a->last_ns - a->sent_ns};
        answer_tell(out, a->request, &answer);
    }
    binary_answer_drop(a);
}
