/* SPDX-License-Identifier: MIT */
/* The door: finds or makes the flow of a segment, gives its bytes to the stream and the
 * conversation, and sees to time and memory. */
#include "reassembly/reassembly.h"

#include <errno.h>
#include <string.h>

#include "lib/hash.h"
#include "lib/mem.h"
#include "reassembly/conv.h"
#include "reassembly/flow.h"
#include "reassembly/hunt.h"
#include "reassembly/pending.h"

#define DEFAULT_MAX_BODY (128 * MIB)
#define DEFAULT_MAX_MEMORY (256 * MIB)
#define DEFAULT_EXPIRE_NS (60 * NS_PER_S)
#define DEFAULT_GAP_NS (3 * NS_PER_S)
/* A connection is remembered for so many expiry times after its last message. */
#define IDLE_FACTOR 10
/* A closed one as long as its segments may come again. */
#define CLOSED_NS (10 * NS_PER_S)

struct reassembly {
    struct conv_env env;
    struct flow_table *table;
    int64_t now_ns; /* the latest packet time */
    int64_t due_ns; /* before it no flow expires and no hole is given up: see next_due() */
    int64_t pieces; /* bytes in out-of-order pieces */
    bool seeded; /* ids begin at a number made from the first packet's time */
    uint64_t port_bits[65536 / 64];
};

/* Carries a stream's bytes to the conversation. */
struct carrier {
    struct stream_sink sink;
    struct reassembly *r;
    struct flow *f;
    enum direction dir;
};

static void carry_data(struct stream_sink *sink, struct span bytes, int64_t ts_ns, bool starts)
{
    struct carrier *c = container_of(sink, struct carrier, sink);
    if (c->dir == TO_SERVER || c->r->env.config.track_responses)
        conv_data(&c->r->env, c->f, c->dir, bytes, ts_ns, starts);
}

static void carry_gap(struct stream_sink *sink, uint32_t n, enum gap_reason reason)
{
    struct carrier *c = container_of(sink, struct carrier, sink);
    if (reason != GAP_CUT)
        book_add(c->r->env.config.books, reason == GAP_ACKED ? BOOK_UNSEEN_BYTES : BOOK_HOLE_BYTES,
                 n);
    if (c->dir == TO_SERVER || c->r->env.config.track_responses)
        conv_gap(&c->r->env, c->f, c->dir, n, reason);
}

static void carry_end(struct stream_sink *sink)
{
    struct carrier *c = container_of(sink, struct carrier, sink);
    conv_end(&c->r->env, c->f, c->dir);
}

static struct carrier carrier(struct reassembly *r, struct flow *f, enum direction dir)
{
    return (struct carrier){.sink = {.data = carry_data, .gap = carry_gap, .end = carry_end},
                            .r = r,
                            .f = f,
                            .dir = dir};
}

int reassembly_new(struct reassembly **rp, const struct reassembly_config *config)
{
    struct reassembly *r = mem_zalloc(MEM_FLOW, sizeof(*r));
    if (!r)
        return -ENOMEM;
    int e = flow_table_new(&r->table, config->seed);
    if (e < 0) {
        mem_free(r);
        return e;
    }
    struct reassembly_config *c = &r->env.config;
    *c = *config;
    c->max_head = c->max_head ? c->max_head : HTTP_MAX_HEAD;
    c->max_body = c->max_body ? c->max_body : DEFAULT_MAX_BODY;
    c->max_memory = c->max_memory ? c->max_memory : DEFAULT_MAX_MEMORY;
    c->expire_ns = c->expire_ns ? c->expire_ns : DEFAULT_EXPIRE_NS;
    c->gap_ns = c->gap_ns ? c->gap_ns : DEFAULT_GAP_NS;
    for (size_t i = 0; i < c->n_ports; i++)
        r->port_bits[c->ports[i] / 64] |= UINT64_C(1) << c->ports[i] % 64;
    c->ports = NULL; /* the caller's */
    *rp = r;
    return 0;
}

static bool is_server_port(const struct reassembly *r, uint16_t port)
{
    return r->port_bits[port / 64] >> port % 64 & 1;
}

static void forget(struct reassembly *r, struct flow *f)
{
    for (int dir = TO_SERVER; dir <= TO_CLIENT; dir++)
        r->pieces -= stream_clear(&f->half[dir].stream);
    conv_clear(&r->env, f);
    flow_remove(r->table, f);
    r->due_ns = 0; /* another may be the oldest now, and due */
}

static void forget_all(struct reassembly *r)
{
    struct flow *f;
    for (int list = 0; list < FLOW_LISTS; list++)
        while ((f = flow_oldest(r->table, (enum flow_list)list)))
            forget(r, f);
}

void reassembly_free(struct reassembly *r)
{
    if (!r)
        return;
    forget_all(r);
    flow_table_free(r->table);
    mem_free(r);
}

/* Delivers what lies behind holes that will not be filled any more. */
static void skip_holes(struct reassembly *r, struct flow *f)
{
    for (int dir = TO_SERVER; dir <= TO_CLIENT; dir++) {
        struct carrier c = carrier(r, f, (enum direction)dir);
        while (stream_waits(&f->half[dir].stream))
            r->pieces -= stream_skip_hole(&f->half[dir].stream, &c.sink);
    }
    flow_forget_hole(r->table, f);
}

/* Both sides are done, by RST, or because the endpoints begin anew. */
static void close_flow(struct reassembly *r, struct flow *f)
{
    skip_holes(r, f);
    conv_end(&r->env, f, TO_SERVER);
    conv_end(&r->env, f, TO_CLIENT);
    flow_move(r->table, f, FLOW_CLOSED);
}

/* --- time --- */

static void check_hole(struct reassembly *r, struct flow *f, int64_t now_ns)
{
    int64_t gap_ns = r->env.config.gap_ns;
    bool waits = false, is_acked = false, is_new = false;
    for (int dir = TO_SERVER; dir <= TO_CLIENT; dir++) {
        struct stream *s = &f->half[dir].stream;
        struct carrier c = carrier(r, f, (enum direction)dir);
        for (; stream_hole_is_lost(s, now_ns, gap_ns); is_new = true)
            r->pieces -= stream_skip_hole(s, &c.sink);
        is_acked |= s->hole && s->hole->acked_ns != 0;
        waits |= stream_waits(s);
    }
    if (!waits || is_new)
        flow_forget_hole(r->table, f);
    if (waits) {
        flow_note_hole(r->table, f, is_acked);
        r->due_ns = 0;
    }
}

static bool hole_is_due(const struct reassembly *r, const struct flow *f, int64_t now_ns)
{
    int64_t gap_ns = r->env.config.gap_ns;
    return stream_hole_is_lost(&f->half[TO_SERVER].stream, now_ns, gap_ns) ||
           stream_hole_is_lost(&f->half[TO_CLIENT].stream, now_ns, gap_ns);
}

static void check_holes(struct reassembly *r, int64_t now_ns)
{
    struct flow *f;
    for (int is_acked = false; is_acked <= true; is_acked++)
        while ((f = flow_oldest_hole(r->table, is_acked)) && hole_is_due(r, f, now_ns))
            check_hole(r, f, now_ns);
}

static void expire(struct reassembly *r, int64_t now_ns)
{
    int64_t expire_ns = r->env.config.expire_ns;
    struct flow *f;
    while ((f = flow_oldest(r->table, FLOW_ACTIVE)) && now_ns - f->last_ns >= expire_ns) {
        if (f->half[TO_SERVER].partial || (r->env.config.binary && f->half[TO_CLIENT].partial))
            conv_give_up(&r->env, f, BOOK_REQ_EXPIRED);
        flow_move(r->table, f, FLOW_IDLE);
    }
    while ((f = flow_oldest(r->table, FLOW_IDLE)) &&
           now_ns - f->last_ns >= expire_ns * IDLE_FACTOR) {
        conv_give_up(&r->env, f, BOOK_REQ_EXPIRED);
        forget(r, f);
    }
    while ((f = flow_oldest(r->table, FLOW_CLOSED)) && now_ns - f->last_ns >= CLOSED_NS) {
        conv_give_up(&r->env, f, BOOK_REQ_CLOSED);
        forget(r, f);
    }
}

/* When time has to be looked at again: holes always; otherwise when the oldest flow of a list is
 * due. What becomes the oldest by a flow being touched, or comes into a list later, is due later
 * still; who removes a flow or notes a hole sets due_ns back. */
static int64_t next_due(const struct reassembly *r, int64_t now_ns)
{
    const int64_t waits[FLOW_LISTS] = {
        [FLOW_ACTIVE] = r->env.config.expire_ns,
        [FLOW_IDLE] = r->env.config.expire_ns * IDLE_FACTOR,
        [FLOW_CLOSED] = CLOSED_NS,
    };
    int64_t due = INT64_MAX;
    if (flow_oldest_hole(r->table, false) || flow_oldest_hole(r->table, true))
        return 0;
    for (int list = 0; list < FLOW_LISTS; list++) {
        const struct flow *f = flow_oldest(r->table, (enum flow_list)list);
        int64_t since = f ? f->last_ns : now_ns;
        due = waits[list] < due - since ? since + waits[list] : due;
    }
    return due;
}

void reassembly_tick(struct reassembly *r, int64_t now_ns)
{
    if (now_ns <= r->now_ns)
        return;
    r->now_ns = now_ns;
    if (likely(now_ns < r->due_ns))
        return;
    check_holes(r, now_ns);
    expire(r, now_ns);
    r->due_ns = next_due(r, now_ns);
}

/* --- memory --- */

static int64_t memory(const struct reassembly *r)
{
    return r->env.held + r->pieces + (int64_t)(flow_count(r->table) * FLOW_COST);
}

/* The least useful state goes first: what is closed, what is idle, then the longest silent. */
static void evict(struct reassembly *r, const struct flow *spare)
{
    while (memory(r) > (int64_t)r->env.config.max_memory) {
        struct flow *f = NULL;
        static const enum flow_list order[] = {FLOW_CLOSED, FLOW_IDLE, FLOW_ACTIVE};
        for (size_t i = 0; i < ARRAY_LEN(order) && !f; i++)
            f = flow_oldest(r->table, order[i]);
        if (!f || f == spare)
            return;
        if (f->list != FLOW_CLOSED)
            book_one(r->env.config.books, BOOK_FLOWS_EVICTED);
        conv_give_up(&r->env, f, BOOK_REQ_EVICTED);
        forget(r, f);
    }
}

/* --- segments --- */

/* Which end sent it: 1 the client, 0 the server, -1 cannot be told, and nothing is lost by that. */
static int from_client(const struct reassembly *r, const struct segment *s)
{
    struct span payload = span_of(s->payload, s->len);
    if (r->env.config.n_ports > 0) {
        bool to = is_server_port(r, s->dst.port), from = is_server_port(r, s->src.port);
        if (to != from)
            return to;
    }
    if (s->flags & TCP_SYN)
        return !(s->flags & TCP_ACK);
    if (payload.len == 0)
        return -1;
    if (hunt_likeness(HTTP_REQUEST, payload) == LIKE)
        return 1;
    if (hunt_likeness(HTTP_RESPONSE, payload) == LIKE)
        return 0;
    return s->dst.port < s->src.port; /* servers have the lower numbers, as a rule */
}

static struct flow *open_flow(struct reassembly *r, const struct segment *s, enum direction *dir)
{
    if (s->flags & TCP_RST)
        return NULL;
    if (s->len == 0 && !(s->flags & TCP_SYN))
        return NULL; /* the rest of something, or an ACK: a flow begins with SYN or data */
    int client = from_client(r, s);
    if (client < 0)
        return NULL;
    struct flow *f = flow_add(r->table, s, client == 1);
    if (!f) {
        book_one(r->env.config.books, BOOK_FLOWS_EVICTED);
        return NULL;
    }
    book_one(r->env.config.books, BOOK_FLOWS);
    *dir = client == 1 ? TO_SERVER : TO_CLIENT;
    return f;
}

/* A SYN with another sequence number than the one that opened the flow: the port is used again. */
static bool begins_anew(const struct flow *f, const struct segment *s, enum direction dir)
{
    if ((s->flags & (TCP_SYN | TCP_ACK)) != TCP_SYN || dir != TO_SERVER)
        return false;
    if (f->has_syn)
        return s->seq != f->syn;
    return f->half[TO_SERVER].stream.synced;
}

/* Most segments only acknowledge; and of a server whose responses nobody wants nothing else is
 * read: live, the kernel's filter does not even let it through. */
static bool is_read(const struct reassembly *r, const struct segment *s, enum direction dir)
{
    return (s->wire_len > 0 || (s->flags & (TCP_SYN | TCP_FIN))) &&
           (dir == TO_SERVER || r->env.config.track_responses);
}

static void feed(struct reassembly *r, struct flow *f, const struct segment *s, enum direction dir)
{
    struct stream *stream = &f->half[dir].stream;
    struct stream *other = &f->half[!dir].stream;
    if (f->has_hole)
        check_hole(r, f, s->ts_ns); /* before what this one brings */
    if (s->flags & TCP_ACK)
        stream_acked(other, s->ack, s->ts_ns);
    if (is_read(r, s, dir)) {
        struct carrier c = carrier(r, f, dir);
        struct stream_result result = stream_segment(stream, s, &c.sink);
        book_add(r->env.config.books, BOOK_DUPLICATE_BYTES, result.duplicate);
        r->pieces += result.held;
    }
    if (stream_waits(stream) || stream_waits(other) || f->has_hole)
        check_hole(r, f, s->ts_ns);
}

/* Nothing of it is lost, or still to be given away, when it ends here. */
static bool is_at_rest(const struct flow *f)
{
    const struct half *in = &f->half[TO_SERVER], *out = &f->half[TO_CLIENT];
    return !in->partial && !out->partial && !stream_waits(&in->stream) &&
           !stream_waits(&out->stream);
}

/* Nothing of a message has been seen that was not given away: a request and its response are taken
 * or left together. */
static bool is_between_messages(const struct flow *f)
{
    return is_at_rest(f) && (!f->pending || !pending_first(f->pending));
}

/* Is the segment's connection to be left out? One that is followed until now ends where no message
 * is in progress; f is gone then. */
static bool is_shed(struct reassembly *r, struct flow *f, const struct segment *s)
{
    struct shed *shed = r->env.config.shed;
    bool begins = (s->flags & (TCP_SYN | TCP_ACK)) == TCP_SYN;
    uint64_t hash = flow_hash(r->table, s);
    if (!f && shed_admits(shed, hash, begins))
        return false;
    if (f && (shed_keeps(shed, hash) || f->list == FLOW_CLOSED || !is_between_messages(f)))
        return false;
    if (f)
        forget(r, f);
    if (f || begins)
        book_one(r->env.config.books, BOOK_FLOWS_SHED);
    return true;
}

void reassembly_segment(struct reassembly *r, const struct segment *s)
{
    const struct reassembly_config *config = &r->env.config;
    if (config->n_ports > 0 && !is_server_port(r, s->dst.port) && !is_server_port(r, s->src.port)) {
        book_one(config->books, BOOK_SKIPPED_PORT);
        return;
    }
    if (!r->seeded) {
        r->seeded = true;
        r->env.next_id = (uint32_t)hash_mix((uint64_t)s->ts_ns, 0);
    }
    reassembly_tick(r, s->ts_ns);
    enum direction dir = TO_SERVER;
    struct flow *f = flow_find(r->table, s, &dir);
    if (f && begins_anew(f, s, dir)) {
        close_flow(r, f);
        forget(r, f);
        f = NULL;
    }
    if (config->shed && shed_is_active(config->shed) && is_shed(r, f, s)) {
        book_one(config->books, BOOK_SEGMENTS_SHED);
        return;
    }
    book_one(config->books, BOOK_SEGMENTS);
    if (!f)
        f = open_flow(r, s, &dir);
    if (!f)
        return;
    if (dir == TO_SERVER && (s->flags & TCP_SYN) && !f->has_syn && !f->half[dir].stream.synced) {
        f->has_syn = true;
        f->syn = s->seq;
    }
    f->last_ns = r->now_ns;
    if (f->list != FLOW_CLOSED)
        flow_move(r->table, f, FLOW_ACTIVE);
    feed(r, f, s, dir);
    bool both_ended =
        f->half[TO_SERVER].ended && (f->half[TO_CLIENT].ended || !config->track_responses);
    if (f->list != FLOW_CLOSED && ((s->flags & TCP_RST) || both_ended))
        close_flow(r, f);
    if (memory(r) > (int64_t)config->max_memory)
        evict(r, f);
}

void reassembly_segments(struct reassembly *r, const struct segment *segments, size_t n)
{
    if (n > 1)
        flow_expect(r->table, segments, n);
    for (size_t i = 0; i < n; i++)
        reassembly_segment(r, &segments[i]);
}

void reassembly_finish(struct reassembly *r)
{
    uint32_t at = 0;
    for (struct flow *f; (f = flow_next(r->table, &at));) /* most: in no order, which is cheap */
        if (is_at_rest(f))
            forget(r, f);
    static const enum flow_list lists[] = {FLOW_CLOSED, FLOW_IDLE, FLOW_ACTIVE};
    for (size_t i = 0; i < ARRAY_LEN(lists); i++) {
        struct flow *f;
        while ((f = flow_oldest(r->table, lists[i]))) {
            skip_holes(r, f);
            conv_until_close(&r->env, f);
            conv_give_up(&r->env, f, BOOK_REQ_OPEN);
            forget(r, f);
        }
    }
}

size_t reassembly_flows(const struct reassembly *r)
{
    return flow_count(r->table);
}
