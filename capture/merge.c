/* SPDX-License-Identifier: MIT */
#include "capture/merge.h"

#include <errno.h>

#include "lib/mem.h"
#include "lib/pacer.h"

/* So many files stay open from the start; the others are opened again when their time comes. */
#define KEEP_OPEN 32
/* So many files are looked at before the caller may see whether it should stop. */
#define PRIME_BATCH 16

struct source {
    struct file_reader *reader;
    double percent;
    size_t order; /* as added */
    int64_t key, offset_ns; /* of its next record */
};

struct merge {
    const struct reader_config *config;
    struct source *sources; /* all of them, as added */
    size_t n_sources, cap_sources;
    size_t n_primed;
    bool primed; /* all first records are known, and the heap stands */
    int64_t first_ns; /* of all timestamps; INT64_MAX: none is known yet */
    struct source **heap; /* those that have records, next one first */
    size_t n_heap;
};

int merge_new(struct merge **mp, const struct reader_config *config)
{
    struct merge *m = mem_zalloc(MEM_IO, sizeof(*m));
    if (!m)
        return -ENOMEM;
    m->config = config;
    m->first_ns = INT64_MAX;
    *mp = m;
    return 0;
}

void merge_free(struct merge *m)
{
    if (!m)
        return;
    for (size_t i = 0; i < m->n_sources; i++)
        file_reader_free(m->sources[i].reader);
    mem_free(m->sources);
    mem_free(m->heap);
    mem_free(m);
}

int merge_add(struct merge *m, const char *path, double percent, struct err *err)
{
    assert(m->n_primed == 0);
    if (m->n_sources == m->cap_sources) {
        size_t cap = m->cap_sources > 0 ? m->cap_sources * 2 : 16;
        struct source *sources = mem_realloc(MEM_IO, m->sources, cap * sizeof(*sources));
        if (!sources)
            return err_sys(err, ENOMEM, "--input-file %s", path);
        m->sources = sources;
        m->cap_sources = cap;
    }
    struct source *s = &m->sources[m->n_sources];
    *s = (struct source){.percent = percent, .order = m->n_sources};
    int r = file_reader_new(&s->reader, path, m->config, err);
    if (r < 0)
        return r;
    if (++m->n_sources > KEEP_OPEN)
        file_reader_park(s->reader);
    return 0;
}

static bool is_before(const struct source *a, const struct source *b)
{
    if (a->offset_ns != b->offset_ns)
        return a->offset_ns < b->offset_ns;
    return a->key != b->key ? a->key < b->key : a->order < b->order;
}

static void sift_down(struct merge *m, size_t i)
{
    for (;;) {
        size_t child = 2 * i + 1;
        if (child + 1 < m->n_heap && is_before(m->heap[child + 1], m->heap[child]))
            child++;
        if (child >= m->n_heap || !is_before(m->heap[child], m->heap[i]))
            return;
        struct source *t = m->heap[i];
        m->heap[i] = m->heap[child];
        m->heap[child] = t;
        i = child;
    }
}

/* When the next record of s is due; one without any time goes first. */
static int64_t offset_of(struct merge *m, const struct source *s)
{
    if (m->first_ns == INT64_MAX && s->key != INT64_MIN)
        m->first_ns = s->key;
    return s->key == INT64_MIN ? 0 : pacer_offset(s->key, m->first_ns, s->percent);
}

static void build_heap(struct merge *m)
{
    assert(m->heap || m->n_heap == 0);
    for (size_t i = 0; i < m->n_heap; i++)
        m->heap[i]->offset_ns = offset_of(m, m->heap[i]);
    for (size_t i = m->n_heap / 2; i-- > 0;)
        sift_down(m, i);
    m->primed = true;
}

/* Learns the first timestamp of each file. READER_READY when done. */
static int prime(struct merge *m, struct err *err)
{
    if (!m->heap && m->n_sources > 0) {
        m->heap = mem_alloc(MEM_IO, m->n_sources * sizeof(struct source *));
        if (!m->heap)
            return err_sys(err, ENOMEM, "--input-file");
    }
    for (size_t n = 0; m->n_primed < m->n_sources; n++) {
        struct source *s = &m->sources[m->n_primed];
        if (n == PRIME_BATCH)
            return READER_WAIT;
        int r = file_reader_next(s->reader, err);
        if (r < 0 || r == READER_WAIT)
            return r;
        m->n_primed++;
        if (r == READER_END)
            continue;
        s->key = file_reader_key(s->reader);
        int64_t first_ns = file_reader_first(s->reader);
        if (first_ns != INT64_MIN && first_ns < m->first_ns)
            m->first_ns = first_ns;
        m->heap[m->n_heap++] = s;
        if (m->n_heap > KEEP_OPEN)
            file_reader_park(s->reader);
    }
    build_heap(m);
    return READER_READY;
}

int merge_next(struct merge *m, int64_t *offset_ns, struct err *err)
{
    int r = m->primed ? READER_READY : prime(m, err);
    if (r != READER_READY)
        return r;
    while (m->n_heap > 0) {
        struct source *s = m->heap[0];
        /* also finds again what a parked file had read before */
        r = file_reader_next(s->reader, err);
        if (r < 0 || r == READER_WAIT)
            return r;
        if (r == READER_END) {
            m->heap[0] = m->heap[--m->n_heap];
            sift_down(m, 0);
            continue;
        }
        s->key = file_reader_key(s->reader);
        s->offset_ns = offset_of(m, s);
        sift_down(m, 0);
        if (m->heap[0] == s)
            break;
    }
    if (m->n_heap == 0)
        return READER_END;
    *offset_ns = m->heap[0]->offset_ns;
    return READER_READY;
}

struct msg *merge_take(struct merge *m)
{
    assert(m->n_heap > 0);
    return file_reader_take(m->heap[0]->reader);
}

/* The keys in the heap grow old by that: merge_next() learns them anew as they come to the front. A
 * file that is parked is read through. */
int merge_seek(struct merge *m, int64_t from_ns, struct err *err)
{
    for (size_t i = 0; i < m->n_heap; i++) {
        struct source *s = m->heap[i];
        int r = s->key < from_ns ? file_reader_seek(s->reader, from_ns, err) : 0;
        if (r < 0)
            return r;
    }
    return 0;
}

struct reader_stats merge_stats(const struct merge *m)
{
    struct reader_stats sum = {0};
    for (size_t i = 0; i < m->n_sources; i++) {
        const struct reader_stats *s = file_reader_stats(m->sources[i].reader);
        sum.records += s->records;
        sum.bytes += s->bytes;
        sum.damaged += s->damaged;
        sum.not_http += s->not_http;
        sum.out_of_order += s->out_of_order;
    }
    return sum;
}

size_t merge_n_files(const struct merge *m)
{
    return m->n_sources;
}
