/* SPDX-License-Identifier: MIT */
#include "capture/relay_client.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

/* Beginnings of records up to this length are read through the shared scratch buffer, so that a
 * client between two records holds no memory; longer ones grow in the client's own buffer. */
#define SMALL_REST ((size_t)16 * 1024)
/* A buffer beyond this is given back as soon as its record is done. */
#define KEEP_CAP ((size_t)64 * 1024)

void relay_client_init(struct relay_client *client, int fd)
{
    client->fd = fd;
    record_reader_init(&client->reader, RELAY_MAX_PAYLOAD);
    buf_init(&client->rest, RELAY_MAX_PAYLOAD + RECORD_HEADER_MAX + RELAY_READ_MAX);
}

static size_t rest_len(const struct relay_client *client)
{
    return buf_span(&client->rest).len;
}

void relay_client_fini(struct relay_client *client, struct relay_shared *shared)
{
    if (rest_len(client) > 0)
        book_one(shared->books, BOOK_RECORDS_DAMAGED);
    shared->buffered -= rest_len(client);
    buf_fini(&client->rest);
    close(client->fd);
    client->fd = -1;
}

static void put(struct relay_shared *shared, struct msg *msg)
{
    book_one(shared->books, BOOK_RECORDS);
    book_add(shared->books, BOOK_RECORD_BYTES, msg->len);
    if (msg->http.head_len == 0)
        book_one(shared->books, BOOK_RECORDS_NOT_HTTP);
    sink_put(shared->sink, msg);
}

/* Puts the records at the start of bytes; returns how many bytes they were. */
static size_t parse(struct relay_client *client, struct relay_shared *shared, struct span bytes,
                    bool at_end)
{
    size_t done = 0;
    for (;;) {
        size_t used = 0;
        struct msg *msg = NULL;
        struct span left = span_from(bytes, done);
        switch (record_read(&client->reader, left.ptr, left.len, at_end, &used, &msg)) {
        case RECORD_MORE: /* inside damage, bytes are done with nevertheless */
            return done + used;
        case RECORD_MSG:
            put(shared, msg);
            break;
        case RECORD_DAMAGED:
        case RECORD_NO_MEMORY: /* lost as well */
            book_one(shared->books, BOOK_RECORDS_DAMAGED);
            break;
        }
        done += used;
    }
}

static enum relay_read ended(struct relay_client *client, struct relay_shared *shared)
{
    size_t n = rest_len(client);
    buf_consume(&client->rest, parse(client, shared, buf_span(&client->rest), true));
    shared->buffered -= n - rest_len(client);
    return RELAY_END;
}

static enum relay_read failed(struct relay_client *client, struct relay_shared *shared, int errnum)
{
    if (errnum == EAGAIN || errnum == EINTR)
        return RELAY_IDLE;
    (void)ended(client, shared); /* what came before counts */
    return RELAY_BROKEN;
}

/* Reads behind the rest in the client's own buffer. */
static enum relay_read read_large(struct relay_client *client, struct relay_shared *shared)
{
    /* as much again as has come: memory follows what was received, never what was declared */
    size_t room = rest_len(client) < RELAY_READ_MAX ? rest_len(client) : RELAY_READ_MAX;
    if (buf_reserve(&client->rest, room) < 0 || shared->buffered > shared->max_buffered)
        return RELAY_BROKEN;
    ssize_t n = recv(client->fd, buf_tail(&client->rest), room, MSG_DONTWAIT);
    if (n == -1)
        return failed(client, shared, errno);
    if (n == 0)
        return ended(client, shared);
    buf_commit(&client->rest, (size_t)n);
    size_t used = parse(client, shared, buf_span(&client->rest), false);
    buf_consume(&client->rest, used);
    shared->buffered += (uint64_t)n;
    shared->buffered -= used;
    if (rest_len(client) == 0 && client->rest.cap > KEEP_CAP)
        buf_fini(&client->rest);
    return (size_t)n == room ? RELAY_MORE : RELAY_IDLE;
}

/* Keeps the bytes of a record in progress. */
static bool keep(struct relay_client *client, struct relay_shared *shared, struct span bytes)
{
    shared->buffered -= rest_len(client);
    buf_consume(&client->rest, rest_len(client));
    if (bytes.len == 0 && client->rest.cap > KEEP_CAP)
        buf_fini(&client->rest);
    if (buf_append(&client->rest, bytes.ptr, bytes.len) < 0)
        return false;
    shared->buffered += bytes.len;
    return true;
}

enum relay_read relay_client_read(struct relay_client *client, struct relay_shared *shared)
{
    size_t had = rest_len(client);
    if (had > SMALL_REST)
        return read_large(client, shared);
    ssize_t n = recv(client->fd, shared->scratch + had, RELAY_READ_MAX, MSG_DONTWAIT);
    if (n == -1)
        return failed(client, shared, errno);
    if (n == 0)
        return ended(client, shared);
    if (had > 0)
        memcpy(shared->scratch, buf_span(&client->rest).ptr, had);
    struct span bytes = span_of(shared->scratch, had + (size_t)n);
    size_t used = parse(client, shared, bytes, false);
    if (!keep(client, shared, span_from(bytes, used)) || shared->buffered > shared->max_buffered)
        return RELAY_BROKEN;
    return (size_t)n == RELAY_READ_MAX ? RELAY_MORE : RELAY_IDLE;
}
