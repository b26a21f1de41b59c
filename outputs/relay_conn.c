/* SPDX-License-Identifier: MIT */
#include "outputs/relay_conn.h"

#include <errno.h>
#include <linux/sockios.h>
#include <sys/ioctl.h>

#include "lib/clock.h"
#include "lib/hash.h"
#include "lib/log.h"
#include "lib/mem.h"
#include "outputs/relay_conn_internal.h"

/* Reads in one step, so that other connections get their turn. */
#define READS_PER_STEP 16

#define CONNECT_TIMEOUT_NS (5 * NS_PER_S) /* as gor's */
/* How long an answer to HELLO is waited for: from a stranger, from one that did not answer before.
 */
#define STRANGER_NS (2 * NS_PER_S)
#define PLAIN_AGAIN_NS (300 * NS_PER_MS)
/* A peer that is silent for so long is asked, and given up. */
#define PING_NS (2 * NS_PER_S)
#define SILENCE_NS (7 * NS_PER_S)
/* The peer is silent while a frame longer than this comes in, however slowly. */
#define LONG_FRAME ((size_t)64 * 1024)
/* How long the rest of a record may take once a plain peer has announced its end. */
#define LEAVE_NS (2 * NS_PER_S)

static void relay_conn_free(struct conn *conn)
{
    struct relay_conn *c = container_of(conn, struct relay_conn, base);
    spool_close(c->spool);
    tcp_link_fini(&c->link);
    relay_packer_free(c->packer);
    mem_free(c);
}

void relay_conn_lost(struct relay_conn *c, const char *what, int errnum, int64_t now_ns)
{
    tcp_link_lost(&c->link, what, errnum, now_ns);
    c->phase = GREETING;
    c->said_bye = c->upgrade = c->shut = c->packs = false;
    c->packed.len = 0;
    c->off = c->in_len = c->control_len = c->control_off = 0;
}

/* How long an answer to HELLO is waited for. Who asked for a spool wants to be sure. */
static int64_t patience_ns(const struct relay_conn *c)
{
    if (c->peer == PEER_PLAIN)
        return PLAIN_AGAIN_NS;
    return c->peer == PEER_FRAMES || spool_is_kept(c->spool) ? SILENCE_NS : STRANGER_NS;
}

static void greet(struct relay_conn *c, int64_t now_ns)
{
    struct relay_hello hello = {.version = RELAY_VERSION,
                                .sender = c->session,
                                .next = spool_acked(c->spool) + 1,
                                .zstd = c->packer != NULL};
    c->control_len = relay_hello_put((char *)c->control, &hello);
    c->phase = WELCOMING;
    c->heard_ns = c->pinged_ns = c->moved_ns = now_ns;
    c->deadline_ns = now_ns + patience_ns(c);
}

static void go_plain(struct relay_conn *c)
{
    if (c->peer == PEER_UNKNOWN)
        log_info(c->link.retry.tag,
                 "it does not acknowledge: taken for a gor, which gets the plain "
                 "stream");
    c->peer = PEER_PLAIN;
    c->phase = PLAIN;
    c->off = 0;
    spool_back(c->spool, spool_acked(c->spool));
}

/* All of these return false when the connection is lost, and said so. */
static bool welcomed(struct relay_conn *c, const struct relay_welcome *w, int64_t now_ns)
{
    c->peer = PEER_FRAMES;
    if (w->version != RELAY_VERSION || w->have < spool_acked(c->spool) ||
        w->have > spool_sent(c->spool)) {
        relay_conn_lost(c,
                        w->version != RELAY_VERSION
                            ? "it speaks another version of the relay's protocol"
                            : "it claims what was never sent",
                        EPROTO, now_ns);
        return false;
    }
    c->phase = FRAMES;
    c->packs = c->packer && w->zstd;
    c->off = 0;
    spool_back(c->spool, w->have);
    return true;
}

static bool heard_frame(struct relay_conn *c, const struct relay_head *h, int64_t now_ns)
{
    uint64_t acked = spool_acked(c->spool);
    if (h->type == RELAY_ACK && h->number >= acked && h->number <= spool_sent(c->spool)) {
        if (h->number > acked)
            backoff_worked(&c->link.retry.backoff);
        spool_ack(c->spool, h->number);
    } else if (h->type == RELAY_BYE) {
        c->phase = LEAVING;
        c->said_bye = true;
        c->deadline_ns = INT64_MAX; /* it is watched as ever */
    } else if (h->type != RELAY_ACK || h->number > acked) {
        relay_conn_lost(c, "what it says makes no sense", EPROTO, now_ns);
        return false;
    }
    return true;
}

/* Takes what it can of c->in apart. */
static bool understand(struct relay_conn *c, int64_t now_ns)
{
    struct span bytes = span_of(c->in, c->in_len);
    size_t used = 0;
    bool ok = true;
    if (c->phase == WELCOMING || c->phase == PLAIN) {
        struct relay_welcome welcome;
        enum relay_found r = relay_welcome_get(bytes, &welcome, &used);
        if (r == RELAY_SHORT)
            return true;
        if (r == RELAY_FOUND && c->phase == PLAIN) { /* it was only slow */
            c->peer = PEER_FRAMES;
            c->phase = LEAVING;
            c->upgrade = true;
            c->deadline_ns = now_ns + SILENCE_NS;
        } else if (r == RELAY_FOUND)
            ok = welcomed(c, &welcome, now_ns);
        else if (c->phase == WELCOMING && c->peer != PEER_FRAMES)
            go_plain(c);
        if (r == RELAY_BAD) {
            book_add(c->out->books, BOOK_ANSWER_BYTES, c->in_len);
            used = c->in_len;
        }
    }
    while (ok && used < c->in_len && (c->phase == FRAMES || c->said_bye)) {
        struct relay_head h;
        enum relay_found r = relay_head_get(span_from(bytes, used), &h);
        if (r == RELAY_SHORT)
            break;
        if (r == RELAY_BAD || h.body_len > 0) {
            relay_conn_lost(c, "what it says makes no sense", EPROTO, now_ns);
            return false;
        }
        used += relay_frame_len(&h);
        ok = heard_frame(c, &h, now_ns);
    }
    if (ok) {
        memmove(c->in, c->in + used, c->in_len - used);
        c->in_len -= used;
    }
    return ok;
}

/* Reads what the peer says. *ended: it has closed its side. */
static bool listen_to_it(struct relay_conn *c, bool *did, bool *ended, int64_t now_ns)
{
    *ended = false;
    for (int i = 0; i < READS_PER_STEP; i++) {
        ssize_t n = wire_recv(&c->link.wire, c->in + c->in_len, sizeof(c->in) - c->in_len);
        if (n == -EAGAIN || n == -EINTR)
            return true;
        if (n < 0) {
            relay_conn_lost(c, "connection lost", (int)-n, now_ns);
            return false;
        }
        *ended = n == 0;
        if (n == 0)
            return true;
        *did = true;
        c->in_len += (size_t)n;
        c->heard_ns = now_ns;
        if (!understand(c, now_ns))
            return false;
    }
    return true;
}

/* A peer that stops shuts its side down (plain) or says so (frames) and reads on to our end. */
static bool leave(struct relay_conn *c, bool ended, int64_t now_ns)
{
    bool waits = c->said_bye || c->upgrade;
    if (waits ? ended : c->off == 0 && wire_events(&c->link.wire) == 0) {
        relay_conn_lost(c, c->upgrade ? "it acknowledges after all" : "connection lost", 0, now_ns);
        return true;
    }
    if (now_ns >= c->deadline_ns) {
        relay_conn_lost(c, "connection lost", ETIMEDOUT, now_ns);
        return true;
    }
    if (waits && !c->shut && c->off == 0 && c->control_len == 0)
        c->shut = wire_shut(&c->link.wire) == 0;
    return false;
}

/* When the peer was heard of last. While a long frame is under way, what its kernel acknowledges
 * will do: what ours has taken says nothing. */
static int64_t last_sign_ns(struct relay_conn *c, int64_t now_ns)
{
    int queued;
    struct span next = span_of(NULL, 0);
    if (c->off > 0)
        next = c->packed.len > 0 ? c->packed : spool_next(c->spool);
    struct relay_head h = next.len > 0 ? relay_head_peek(next.ptr) : (struct relay_head){0};
    if (h.body_len < LONG_FRAME || ioctl(c->link.wire.fd, SIOCOUTQ, &queued) == -1)
        return c->heard_ns;
    if (queued != c->queued) {
        c->queued = queued;
        c->moved_ns = now_ns;
    }
    return c->moved_ns > c->heard_ns ? c->moved_ns : c->heard_ns;
}

/* Asks a silent peer, and gives it up. False: lost. */
static bool watch_silence(struct relay_conn *c, int64_t now_ns)
{
    if (now_ns - c->heard_ns < PING_NS)
        return true;
    if (now_ns - last_sign_ns(c, now_ns) >= SILENCE_NS) {
        relay_conn_lost(c, "it does not answer", ETIMEDOUT, now_ns);
        return false;
    }
    if (c->phase == FRAMES && now_ns - c->pinged_ns >= PING_NS && c->control_len == 0 &&
        c->off == 0) {
        struct relay_head ping = {.type = RELAY_PING};
        relay_head_put(c->control, &ping, span_of(NULL, 0));
        c->control_len = RELAY_HEAD_LEN;
        c->pinged_ns = now_ns;
    }
    return true;
}

static bool up(struct relay_conn *c, int64_t now_ns)
{
    bool did = false, ended = false;
    if (c->phase == GREETING)
        greet(c, now_ns);
    /* heard before each batch: into a connection that the peer has closed the kernel would still
     * take bytes, and lose them */
    if (!listen_to_it(c, &did, &ended, now_ns))
        return true;
    if (ended && c->phase == PLAIN) {
        c->phase = LEAVING;
        c->deadline_ns = now_ns + LEAVE_NS;
    } else if (ended && c->phase != LEAVING) {
        relay_conn_lost(c, "connection lost", 0, now_ns);
        return true;
    }
    if (c->phase == WELCOMING && now_ns >= c->deadline_ns && c->peer != PEER_FRAMES)
        go_plain(c);
    if (c->phase != PLAIN && (c->phase != LEAVING || c->said_bye) && !watch_silence(c, now_ns))
        return true;
    if (!relay_conn_talk(c, &did, now_ns))
        return true;
    return c->phase == LEAVING ? leave(c, ended, now_ns) || did : did;
}

static bool relay_conn_step(struct conn *conn, int64_t now_ns)
{
    struct relay_conn *c = container_of(conn, struct relay_conn, base);
    bool did = spool_tick(c->spool, now_ns);
    if (c->link.state == LINK_UP)
        return up(c, now_ns) || did;
    return tcp_link_step(&c->link, now_ns) || did;
}

static enum output_result relay_conn_put(struct conn *conn, const struct msg *msg)
{
    struct relay_conn *c = container_of(conn, struct relay_conn, base);
    bool forwarded = msg->stream != 0;
    uint64_t stream = c->session, number = c->number + 1;
    if (forwarded) {
        /* the messages of one stream go by several connections: each is a stream of its own then */
        stream = c->salt ? hash_mix(msg->stream, c->salt) | 1 : msg->stream;
        number = msg->number;
    }
    enum output_result r = spool_put(c->spool, msg, stream, number);
    c->number += r == OUTPUT_TAKEN && !forwarded;
    return r;
}

static bool has_to_send(const struct relay_conn *c)
{
    if (c->control_len > 0 || c->off > 0)
        return true;
    return (c->phase == FRAMES || c->phase == PLAIN) &&
           spool_sent(c->spool) < spool_last(c->spool) &&
           spool_sent(c->spool) - spool_acked(c->spool) < SPOOL_WINDOW / 2;
}

static void relay_conn_watch(const struct conn *conn, int64_t now_ns, struct pollfd *fd,
                             int64_t *wait_ns)
{
    const struct relay_conn *c = container_of(conn, struct relay_conn, base);
    tcp_link_watch(&c->link, now_ns, fd, wait_ns);
    if (spool_is_kept(c->spool) && spool_last(c->spool) > spool_acked(c->spool))
        conn_wait_until(now_ns + SPOOL_SYNC_NS, now_ns, wait_ns);
    if (c->link.state != LINK_UP)
        return;
    if (has_to_send(c))
        fd->events |= POLLOUT;
    if (c->phase == GREETING)
        conn_wait_until(now_ns, now_ns, wait_ns);
    if (c->phase == LEAVING && !c->said_bye && !c->upgrade)
        fd->events = POLLOUT; /* the peer's end would wake us again and again */
    if (c->phase == WELCOMING || c->phase == LEAVING)
        conn_wait_until(c->deadline_ns, now_ns, wait_ns);
    if (c->phase == FRAMES || c->phase == WELCOMING)
        conn_wait_until(now_ns + NS_PER_S, now_ns, wait_ns); /* silence */
}

static enum output_result relay_conn_flush(struct conn *conn, int64_t now_ns)
{
    struct relay_conn *c = container_of(conn, struct relay_conn, base);
    bool all = spool_acked(c->spool) == spool_last(c->spool);
    if (!all && spool_is_kept(c->spool) && c->link.state == LINK_DOWN && c->link.retry.said_down)
        return OUTPUT_DONE; /* the spool keeps it for the next start */
    if (!all)
        return OUTPUT_BUSY;
    return c->phase == LEAVING ? OUTPUT_DONE : tcp_link_flush(&c->link, now_ns);
}

int relay_conn_new(struct conn **connp, const struct relay_conn_config *config)
{
    static const struct conn_ops ops = {
        .free = relay_conn_free,
        .put = relay_conn_put,
        .step = relay_conn_step,
        .watch = relay_conn_watch,
        .flush = relay_conn_flush,
    };
    struct relay_conn *c = mem_zalloc(MEM_IO, sizeof(*c));
    if (!c)
        return -ENOMEM;
    c->base.ops = &ops;
    c->out = config->out;
    c->spool = config->spool;
    if (config->peer->tls && tls_has_key(config->peer->tls))
        c->peer = PEER_FRAMES; /* no gor has a key */
    c->session = hash_random_seed() | 1; /* not 0 */
    c->salt = config->workers > 1 ? config->worker + 1 : 0;
    tcp_link_init(&c->link, config->out, config->peer, CONNECT_TIMEOUT_NS);
    int r = config->zstd ? relay_packer_new(&c->packer) : 0;
    if (r < 0) {
        mem_free(c);
        return r;
    }
    *connp = &c->base;
    return 0;
}
