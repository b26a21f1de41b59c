/* SPDX-License-Identifier: MIT */
#include "lib/seen.h"

#include <errno.h>
#include <string.h>

#include "lib/mem.h"

#define WORDS (SEEN_WINDOW / 64)

/* Bit n % SEEN_WINDOW of bits stands for number n, for the SEEN_WINDOW numbers up to last. */
struct stream {
    uint64_t used; /* the time of its last message, in messages */
    uint64_t last;
    uint64_t bits[WORDS];
};

struct seen {
    uint64_t now;
    size_t n, latest; /* latest: most messages come from the stream of the one before */
    uint64_t ids[SEEN_STREAMS];
    struct stream *streams[SEEN_STREAMS];
};

/* What is saved of each stream, followed by its bits; the machine's own byte order. */
struct saved {
    uint64_t id, used, last;
};

int seen_new(struct seen **seenp)
{
    struct seen *s = mem_zalloc(MEM_IO, sizeof(*s));
    if (!s)
        return -ENOMEM;
    *seenp = s;
    return 0;
}

void seen_free(struct seen *s)
{
    if (!s)
        return;
    for (size_t i = 0; i < s->n; i++)
        mem_free(s->streams[i]);
    mem_free(s);
}

static struct stream *find(struct seen *s, uint64_t id)
{
    if (s->n > 0 && s->ids[s->latest] == id)
        return s->streams[s->latest];
    for (size_t i = 0; i < s->n; i++)
        if (s->ids[i] == id)
            return s->streams[s->latest = i];
    return NULL;
}

/* A place for a new stream: a free one, or that of the one unused for longest. */
static struct stream *make(struct seen *s, uint64_t id)
{
    size_t at = 0;
    if (s->n < SEEN_STREAMS) {
        struct stream *fresh = mem_alloc(MEM_IO, sizeof(*fresh));
        if (!fresh)
            return NULL;
        at = s->n++;
        s->streams[at] = fresh;
    } else {
        uint64_t oldest = UINT64_MAX;
        for (size_t i = 0; i < SEEN_STREAMS; i++) {
            const struct stream *one = s->streams[i];
            assert(one); /* all are in use */
            if (one->used < oldest) {
                oldest = one->used;
                at = i;
            }
        }
    }
    s->ids[at] = id;
    s->latest = at;
    memset(s->streams[at], 0, sizeof(*s->streams[at]));
    return s->streams[at];
}

static uint64_t *word_of(struct stream *stream, uint64_t number)
{
    return &stream->bits[number % SEEN_WINDOW / 64];
}

bool seen_has(struct seen *s, uint64_t id, uint64_t number)
{
    struct stream *stream = find(s, id);
    if (!stream || number > stream->last)
        return false;
    return stream->last - number >= SEEN_WINDOW ||
           (*word_of(stream, number) >> number % 64 & 1) != 0;
}

static void move_on(struct stream *stream, uint64_t number)
{
    if (number - stream->last >= SEEN_WINDOW)
        memset(stream->bits, 0, sizeof(stream->bits));
    else
        for (uint64_t n = stream->last + 1; n < number; n++)
            *word_of(stream, n) &= ~(UINT64_C(1) << n % 64);
    stream->last = number;
}

bool seen_add(struct seen *s, uint64_t id, uint64_t number)
{
    struct stream *stream = find(s, id);
    if (!stream && !(stream = make(s, id)))
        return false;
    stream->used = ++s->now;
    if (number > stream->last)
        move_on(stream, number);
    else if (stream->last - number >= SEEN_WINDOW)
        return true;
    *word_of(stream, number) |= UINT64_C(1) << number % 64;
    return true;
}

int seen_save(const struct seen *s, struct buf *out)
{
    for (size_t i = 0; i < s->n; i++) {
        const struct stream *stream = s->streams[i];
        struct saved head = {.id = s->ids[i], .used = stream->used, .last = stream->last};
        int r = buf_append(out, &head, sizeof(head));
        if (r == 0)
            r = buf_append(out, stream->bits, sizeof(stream->bits));
        if (r < 0)
            return r;
    }
    return 0;
}

int seen_load(struct seen *s, struct span bytes)
{
    size_t one = sizeof(struct saved) + sizeof(s->streams[0]->bits);
    if (bytes.len % one != 0 || bytes.len / one > SEEN_STREAMS)
        return -EINVAL;
    for (; bytes.len > 0; bytes = span_from(bytes, one)) {
        struct saved head;
        memcpy(&head, bytes.ptr, sizeof(head));
        struct stream *stream = find(s, head.id);
        if (!stream && !(stream = make(s, head.id)))
            return -ENOMEM;
        memcpy(stream->bits, bytes.ptr + sizeof(head), sizeof(stream->bits));
        stream->last = head.last;
        stream->used = head.used;
        if (s->now < head.used)
            s->now = head.used;
    }
    return 0;
}
