/* SPDX-License-Identifier: MIT */
/* What a replay is measured against: keep-alive GETs by libcurl's multi interface, one easy handle
 * for each connection, used again and again; bodies are thrown away. Its two idioms are those of
 * libcurl's examples: "perform" (10-at-a-time.c) and "socket" (multi-uv.c, here with epoll).
 * usage: curl_multi URL REQUESTS CONNECTIONS [perform|socket] */
#include <curl/curl.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <time.h>

#define MAX_CONNECTIONS 1024
#define EVENTS 64
#define WAIT_MS 1000
#define NEVER INT64_MAX

struct client {
    CURLM *multi;
    uint64_t left; /* requests not yet begun */
    uint64_t under_way;
    uint64_t done;
    int epfd;
    int64_t due_ms; /* when libcurl wants to be called */
};

static void fail(const char *what, const char *why)
{
    fprintf(stderr, "curl_multi: %s: %s\n", what, why);
    exit(EXIT_FAILURE);
}

static void must(CURLMcode code, const char *what)
{
    if (code != CURLM_OK)
        fail(what, curl_multi_strerror(code));
}

static int64_t now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static size_t discard(char *bytes, size_t size, size_t n, void *user)
{
    (void)bytes;
    (void)user;
    return size * n;
}

/* The request is refrain's and wrk's to the byte: a Host field and nothing else. */
static CURL *new_easy(const char *url, struct curl_slist *fields)
{
    CURL *easy = curl_easy_init();
    if (!easy || curl_easy_setopt(easy, CURLOPT_URL, url) != CURLE_OK ||
        curl_easy_setopt(easy, CURLOPT_HTTPHEADER, fields) != CURLE_OK ||
        curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, discard) != CURLE_OK ||
        curl_easy_setopt(easy, CURLOPT_NOPROXY, "*") != CURLE_OK ||
        curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L) != CURLE_OK)
        fail(url, "no handle for it");
    return easy;
}

static void begin(struct client *c, CURL *easy)
{
    must(curl_multi_add_handle(c->multi, easy), "add_handle");
    c->left--;
    c->under_way++;
}

/* Counts what has ended, and lets its handles begin anew. */
static void collect(struct client *c)
{
    const CURLMsg *msg;
    int queued;
    while ((msg = curl_multi_info_read(c->multi, &queued))) {
        CURL *easy = msg->easy_handle;
        CURLcode result = msg->data.result;
        long status = 0;
        if (msg->msg != CURLMSG_DONE)
            continue;
        curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status);
        if (result != CURLE_OK || status != 200)
            fail("a request", result != CURLE_OK ? curl_easy_strerror(result) : "status not 200");
        must(curl_multi_remove_handle(c->multi, easy), "remove_handle");
        c->under_way--;
        c->done++;
        if (c->left > 0)
            begin(c, easy);
    }
}

static void run_perform(struct client *c)
{
    int running;
    while (c->under_way > 0) {
        must(curl_multi_perform(c->multi, &running), "perform");
        collect(c);
        if (c->under_way > 0)
            must(curl_multi_poll(c->multi, NULL, 0, WAIT_MS, NULL), "poll");
    }
}

static int on_socket(CURL *easy, curl_socket_t fd, int what, void *user, void *known)
{
    struct client *c = user;
    struct epoll_event event = {.data.fd = fd};
    (void)easy;
    if (what == CURL_POLL_REMOVE)
        return epoll_ctl(c->epfd, EPOLL_CTL_DEL, fd, NULL);
    if (what != CURL_POLL_OUT)
        event.events |= EPOLLIN;
    if (what != CURL_POLL_IN)
        event.events |= EPOLLOUT;
    if (!known)
        curl_multi_assign(c->multi, fd, c);
    return epoll_ctl(c->epfd, known ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, fd, &event);
}

static int on_timer(CURLM *multi, long timeout_ms, void *user)
{
    struct client *c = user;
    (void)multi;
    c->due_ms = timeout_ms < 0 ? NEVER : timeout_ms == 0 ? 0 : now_ms() + timeout_ms;
    return 0;
}

static int wait_ms(const struct client *c)
{
    int64_t left = c->due_ms == NEVER ? WAIT_MS : c->due_ms == 0 ? 0 : c->due_ms - now_ms();
    return left < 0 ? 0 : left > WAIT_MS ? WAIT_MS : (int)left;
}

static void run_socket(struct client *c)
{
    struct epoll_event events[EVENTS];
    int running;
    while (c->under_way > 0) {
        int n = epoll_wait(c->epfd, events, EVENTS, wait_ms(c));
        for (int i = 0; i < n; i++) {
            int what = (events[i].events & EPOLLIN ? CURL_CSELECT_IN : 0) |
                       (events[i].events & EPOLLOUT ? CURL_CSELECT_OUT : 0) |
                       (events[i].events & (EPOLLERR | EPOLLHUP) ? CURL_CSELECT_ERR : 0);
            must(curl_multi_socket_action(c->multi, events[i].data.fd, what, &running), "action");
        }
        collect(c);
        if (wait_ms(c) > 0)
            continue;
        c->due_ms = NEVER;
        must(curl_multi_socket_action(c->multi, CURL_SOCKET_TIMEOUT, 0, &running), "timeout");
        collect(c);
    }
}

static void set_up_sockets(struct client *c)
{
    c->epfd = epoll_create1(EPOLL_CLOEXEC);
    if (c->epfd == -1)
        fail("epoll", "not to be had");
    must(curl_multi_setopt(c->multi, CURLMOPT_SOCKETFUNCTION, on_socket), "SOCKETFUNCTION");
    must(curl_multi_setopt(c->multi, CURLMOPT_SOCKETDATA, c), "SOCKETDATA");
    must(curl_multi_setopt(c->multi, CURLMOPT_TIMERFUNCTION, on_timer), "TIMERFUNCTION");
    must(curl_multi_setopt(c->multi, CURLMOPT_TIMERDATA, c), "TIMERDATA");
}

int main(int argc, char **argv)
{
    CURL *easy[MAX_CONNECTIONS];
    size_t n = argc > 3 ? strtoul(argv[3], NULL, 10) : 0;
    bool by_socket = argc > 4 && strcmp(argv[4], "socket") == 0;
    if (n == 0 || n > MAX_CONNECTIONS) {
        fprintf(stderr, "usage: curl_multi URL REQUESTS CONNECTIONS [perform|socket]\n");
        return 2;
    }
    curl_global_init(CURL_GLOBAL_DEFAULT);
    struct client c = {.multi = curl_multi_init(), .left = strtoull(argv[2], NULL, 10), .epfd = -1};
    struct curl_slist *fields = curl_slist_append(NULL, "Accept:");
    if (!c.multi || !fields)
        fail("libcurl", "does not start");
    if (n > c.left)
        n = c.left;
    if (by_socket)
        set_up_sockets(&c);
    for (size_t i = 0; i < n; i++) {
        easy[i] = new_easy(argv[1], fields);
        begin(&c, easy[i]);
    }
    if (by_socket)
        run_socket(&c);
    else
        run_perform(&c);
    for (size_t i = 0; i < n; i++)
        curl_easy_cleanup(easy[i]);
    curl_multi_cleanup(c.multi);
    curl_slist_free_all(fields);
    curl_global_cleanup();
    printf("%" PRIu64 "\n", c.done);
    return EXIT_SUCCESS;
}
