/* SPDX-License-Identifier: MIT */
/* The connections to one target: those that are being opened, those that wait for work, and those
 * that are at it. They are opened by libcurl (http_dial.h), with a back-off while nothing listens
 * there. What goes over them is http_pool.c's business. Owned by the output's thread. */
#pragma once

#include "lib/base.h"
#include "lib/ledger.h"
#include "outputs/http_conn.h"
#include "outputs/http_dial.h"
#include "outputs/http_health.h"

struct http_conns_config {
    struct http_dialer_config dial; /* but for its epfd */
    struct books *books; /* borrowed */
    struct http_voice *voice; /* borrowed */
    size_t max;
    int64_t idle_ns; /* an idle connection beyond keep_idle is closed after this time */
    size_t keep_idle;
    bool sessions; /* each recorded connection has one of its own */
};

struct http_conns;

MUST_CHECK int http_conns_new(struct http_conns **connsp, const struct http_conns_config *config);
/* NULL is fine. No exchange may be under way. */
void http_conns_free(struct http_conns *conns);

/* An epoll(7) descriptor: its events' data are http_event(), of all sockets here. */
int http_conns_fd(const struct http_conns *conns);
/* CLOCK_MONOTONIC: when http_conns_tick() has something to do; INT64_MAX: never. wanted: how many
 * more connections there is work for. */
int64_t http_conns_due_ns(const struct http_conns *conns, size_t wanted);
/* Goes on with what is due: attempts, and connections that were idle for too long. */
void http_conns_tick(struct http_conns *conns, int64_t now_ns);

/* One that can be used now for that recorded connection; NULL: none. It stays idle. */
struct http_conn *http_conns_idle(struct http_conns *conns, uint64_t session, int64_t now_ns);
/* Starts attempts so that as many as wanted are under way, as far as that is of use. */
void http_conns_dial(struct http_conns *conns, size_t wanted, int64_t now_ns);
/* May another one be opened? */
bool http_conns_room(const struct http_conns *conns);
/* The number of connections that can be used, now or after their exchange. */
size_t http_conns_open(const struct http_conns *conns);
/* True once after an attempt failed while nothing else was open or being opened: what waits for a
 * connection waits in vain. */
bool http_conns_failed(struct http_conns *conns);
/* Is the target away, as far as is known? */
bool http_conns_down(const struct http_conns *conns);
/* What is known of it; lives as long as conns. */
struct http_health *http_conns_health(struct http_conns *conns);

/* The connection that an event is for, when it is one with an exchange under way; NULL: it is not,
 * and was dealt with. */
struct http_conn *http_conns_event(struct http_conns *conns, uint64_t data, uint32_t events,
                                   int64_t now_ns);
/* An idle one goes to work. */
void http_conns_work(struct http_conns *conns, struct http_conn *conn, uint64_t session,
                     int64_t now_ns);
/* Its exchange is over, and it can be used again. */
void http_conns_rest(struct http_conns *conns, struct http_conn *conn, int64_t now_ns);
/* A connection that had been used before ended under a request, and not a byte was answered: the
 * server closes without saying so. */
void http_conns_beware(struct http_conns *conns, int64_t now_ns);
/* Its exchange (conn->lane is NULL again) is over, and so is it. */
void http_conns_drop(struct http_conns *conns, struct http_conn *conn);
/* Tells epoll whether it waits to write. */
void http_conns_watch(struct http_conns *conns, struct http_conn *conn);
/* The one at work for the longest; NULL: none. */
struct http_conn *http_conns_oldest(const struct http_conns *conns);
