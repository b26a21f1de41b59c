/* SPDX-License-Identifier: MIT */
#include "tools/sums.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lib/hash.h"
#include "lib/lookup.h"
#include "lib/mem.h"

#define SLOTS (2 * SUMS_WORDS)

struct sums *sums_new(void)
{
    struct sums *s = mem_zalloc(MEM_OTHER, sizeof(*s));
    if (!s)
        return NULL;
    s->first_ns = INT64_MAX;
    s->last_ns = INT64_MIN;
    return s;
}

static void words_fini(struct words *words)
{
    for (size_t i = 0; words->slots && i < SLOTS; i++)
        mem_free(words->slots[i].word);
    mem_free(words->slots);
}

void sums_free(struct sums *s)
{
    if (!s)
        return;
    words_fini(&s->methods);
    words_fini(&s->hosts);
    mem_free(s);
}

static int words_add(struct words *words, struct span word)
{
    if (word.len > SUMS_WORD_MAX)
        word.len = SUMS_WORD_MAX;
    if (!words->slots)
        words->slots = mem_zalloc(MEM_OTHER, SLOTS * sizeof(*words->slots));
    if (!words->slots)
        return -ENOMEM;
    size_t i = hash64(word.ptr, word.len, 0) % SLOTS;
    struct word_count *slot = &words->slots[i];
    while (slot->word && !span_eq(span_of(slot->word, slot->len), word)) {
        i = (i + 1) % SLOTS;
        slot = &words->slots[i];
    }
    if (!slot->word && words->n == SUMS_WORDS) {
        words->others++;
        return 0;
    }
    if (!slot->word) {
        slot->word = mem_alloc(MEM_OTHER, word.len + 1);
        if (!slot->word)
            return -ENOMEM;
        if (word.len > 0)
            memcpy(slot->word, word.ptr, word.len);
        slot->len = word.len;
        words->n++;
    }
    slot->n++;
    return 0;
}

static void add_time(struct sums *s, const struct msg *msg)
{
    if (msg->ts_ns <= 0) {
        s->without_time++;
        return;
    }
    if (msg->ts_ns < s->first_ns)
        s->first_ns = msg->ts_ns;
    if (msg->ts_ns > s->last_ns)
        s->last_ns = msg->ts_ns;
    if (msg->type != MSG_REQUEST)
        return;
    int64_t second = msg->ts_ns / NS_PER_S;
    struct second *slot = &s->seconds[(size_t)second % ARRAY_LEN(s->seconds)];
    if (slot->s != second)
        *slot = (struct second){.s = second};
    if (++slot->n > s->peak) {
        s->peak = slot->n;
        s->peak_s = second;
    }
}

static int add_request(struct sums *s, const struct msg *msg)
{
    struct span host = span_of(NULL, 0);
    s->requests++;
    s->request_bytes += msg->len;
    histogram_add(&s->request_sizes, (int64_t)msg->len);
    if (msg->http.head_len == 0)
        return 0;
    int r = words_add(&s->methods, msg_method(msg));
    if (r == 0)
        (void)lookup_field(msg, span_str("host"), &host);
    return r == 0 ? words_add(&s->hosts, host) : r;
}

static void add_response(struct sums *s, const struct msg *msg)
{
    s->response_bytes += msg->len;
    histogram_add(&s->response_sizes, (int64_t)msg->len);
    if (msg->type == MSG_RESPONSE && msg->latency_ns > 0)
        histogram_add(&s->latencies, msg->latency_ns);
    if (msg->http.head_len > 0)
        s->statuses[msg->http.status % ARRAY_LEN(s->statuses)]++;
}

int sums_add(struct sums *s, const struct msg *msg)
{
    add_time(s, msg);
    s->not_http += msg->http.head_len == 0;
    s->responses += msg->type == MSG_RESPONSE;
    s->replayed += msg->type == MSG_REPLAYED;
    if (msg->type == MSG_REQUEST)
        return add_request(s, msg);
    s->other_types += msg->type > MSG_REPLAYED;
    add_response(s, msg);
    return 0;
}

static int by_count(const void *a, const void *b)
{
    const struct word_count *x = *(const struct word_count *const *)a;
    const struct word_count *y = *(const struct word_count *const *)b;
    size_t len = x->len < y->len ? x->len : y->len;
    if (x->n != y->n)
        return x->n > y->n ? -1 : 1;
    int order = memcmp(x->word, y->word, len);
    return order != 0 ? order : x->len < y->len ? -1 : x->len > y->len;
}

size_t words_sorted(const struct words *words, const struct word_count **out)
{
    size_t n = 0;
    for (size_t i = 0; words->slots && i < SLOTS; i++)
        if (words->slots[i].word)
            out[n++] = &words->slots[i];
    if (n > 0)
        qsort(out, n, sizeof(struct word_count *), by_count);
    return n;
}
