/* SPDX-License-Identifier: MIT */
#include "lib/own.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/socket.h>

#include "lib/msg.h"

/* Buckets of four keys each; a bucket is overwritten in turn. 0 is an empty place. */
#define BUCKETS 16384
#define WAYS 4

static atomic_uint_fast64_t keys[BUCKETS][WAYS];
static atomic_uint turn;
static atomic_bool any; /* most captures run beside no connection of ours: they ask only this */

static atomic_uint_fast64_t *bucket_of(uint64_t conn)
{
    return keys[(conn ^ conn >> 32) % BUCKETS];
}

/* False for what is not TCP over IPv4 or IPv6. */
static bool to_endpoint(const struct sockaddr_storage *from, struct endpoint *to)
{
    *to = (struct endpoint){0};
    if (from->ss_family == AF_INET) {
        const struct sockaddr_in *in = (const struct sockaddr_in *)from;
        to->family = 4;
        to->port = ntohs(in->sin_port);
        memcpy(to->addr, &in->sin_addr, 4);
        return true;
    }
    if (from->ss_family != AF_INET6)
        return false;
    const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)from;
    bool mapped = IN6_IS_ADDR_V4MAPPED(&in6->sin6_addr); /* IPv4 on the wire */
    to->family = mapped ? 4 : 6;
    to->port = ntohs(in6->sin6_port);
    memcpy(to->addr, in6->sin6_addr.s6_addr + (mapped ? 12 : 0), mapped ? 4 : 16);
    return true;
}

void own_note(int fd)
{
    struct sockaddr_storage local = {0}, peer = {0};
    socklen_t local_len = sizeof(local), peer_len = sizeof(peer);
    struct msg ends = {0};
    if (getsockname(fd, (struct sockaddr *)&local, &local_len) == -1 ||
        getpeername(fd, (struct sockaddr *)&peer, &peer_len) == -1 ||
        !to_endpoint(&local, &ends.src) || !to_endpoint(&peer, &ends.dst))
        return;
    msg_set_conn(&ends);
    unsigned way = atomic_fetch_add(&turn, 1) % WAYS;
    atomic_store(&bucket_of(ends.conn)[way], ends.conn);
    atomic_store(&any, true);
}

bool own_has(uint64_t conn)
{
    if (likely(!atomic_load_explicit(&any, memory_order_relaxed)))
        return false;
    atomic_uint_fast64_t *bucket = bucket_of(conn);
    for (unsigned i = 0; i < WAYS; i++)
        if (atomic_load_explicit(&bucket[i], memory_order_relaxed) == conn)
            return true;
    return false;
}
