/* SPDX-License-Identifier: MIT */
/* Keep-alive GETs to a server of fixed answers on this machine, each connection one at a time.
 * usage: load PORT CONNECTIONS REQUESTS [RATE]
 * With RATE requests are due at even steps, and latency counts from then on, so that a server that
 * stalls cannot hide it; without, each connection goes as fast as it can. All requests are
 * answered before it ends. Prints "requests seconds p50_us p99_us max_us". */
#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define NS_PER_S INT64_C(1000000000)
#define EVENTS 256
#define SILENCE_S 10

static const char request[] =
    "GET /products/1234567?session=0123abcd HTTP/1.1\r\nHost: shop.example\r\n"
    "User-Agent: Mozilla/5.0 (X11; Linux x86_64)\r\nAccept: text/html,application/xhtml+xml\r\n"
    "Accept-Language: en\r\nAccept-Encoding: gzip, deflate\r\nConnection: keep-alive\r\n"
    "Cookie: id=abcdefghijklmnopqrstuvwxyz0123456789abcdefghijklmnopqrstuvwxyz0123456789abcdefghij"
    "klmnopqrstuvwxyz0123456789abcdefghijklmnopqrstuvwxyz0123456789abcdefghijklmnopqrstuvwxyz01234"
    "\r\n\r\n";

struct connection {
    int fd;
    size_t got; /* bytes of the answer */
    int64_t due_ns;
};

struct load {
    struct connection *all;
    struct connection **idle; /* a stack */
    size_t n, n_idle;
    size_t answer_len; /* known after the first one */
    uint64_t wanted, sent, answered;
    int64_t start_ns, step_ns; /* step 0: as fast as it can */
    int64_t *latency_ns;
    int epoll;
};

static void fail(const char *what)
{
    fprintf(stderr, "load: %s: %s\n", what, strerror(errno));
    exit(EXIT_FAILURE);
}

static int64_t now_ns(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return ts.tv_sec * NS_PER_S + ts.tv_nsec;
}

static void open_connection(struct load *load, struct connection *c, uint16_t port)
{
    struct sockaddr_in to = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr = {htonl(INADDR_LOOPBACK)}};
    int yes = 1;
    c->fd = socket(AF_INET, SOCK_STREAM, 0);
    if (c->fd == -1 || connect(c->fd, (const struct sockaddr *)&to, sizeof(to)) != 0)
        fail("connect");
    setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof(yes));
    struct epoll_event event = {.events = EPOLLIN, .data = {.ptr = c}};
    if (epoll_ctl(load->epoll, EPOLL_CTL_ADD, c->fd, &event) != 0)
        fail("epoll_ctl");
    load->idle[load->n_idle++] = c;
}

/* Sends what is due, as far as connections are idle. */
static void send_due(struct load *load)
{
    int64_t now = now_ns();
    while (load->n_idle > 0 && load->sent < load->wanted) {
        int64_t due = load->step_ns ? load->start_ns + (int64_t)load->sent * load->step_ns : now;
        if (due > now)
            return;
        struct connection *c = load->idle[--load->n_idle];
        c->due_ns = due;
        c->got = 0;
        if (send(c->fd, request, sizeof(request) - 1, MSG_NOSIGNAL) != sizeof(request) - 1)
            fail("send");
        load->sent++;
    }
}

/* The length of the first answer, which is that of all. */
static size_t length_of(char *answer, size_t len)
{
    answer[len] = '\0';
    const char *end = strstr(answer, "\r\n\r\n"), *field = strstr(answer, "Content-Length: ");
    if (strncmp(answer, "HTTP/1.1 200", 12) != 0 || !end || !field || field > end) {
        errno = EPROTO;
        fail(answer);
    }
    return (size_t)(end + 4 - answer) + strtoul(field + 16, NULL, 10);
}

static void receive(struct load *load, struct connection *c)
{
    static char bytes[1 << 16];
    ssize_t n = recv(c->fd, bytes, sizeof(bytes) - 1, 0);
    if (n <= 0)
        fail("recv");
    if (load->answer_len == 0)
        load->answer_len = length_of(bytes, (size_t)n);
    c->got += (size_t)n;
    if (c->got < load->answer_len)
        return;
    load->latency_ns[load->answered++] = now_ns() - c->due_ns;
    load->idle[load->n_idle++] = c;
}

/* Until an answer comes, or the next request is due. */
static int wait_for_event(struct load *load, struct epoll_event *events)
{
    struct timespec wait = {.tv_sec = SILENCE_S};
    bool paced = load->step_ns && load->n_idle > 0 && load->sent < load->wanted;
    if (paced) {
        int64_t left = load->start_ns + (int64_t)load->sent * load->step_ns - now_ns();
        left = left > 0 ? left : 0;
        wait = (struct timespec){.tv_sec = left / NS_PER_S, .tv_nsec = left % NS_PER_S};
    }
    int n = epoll_pwait2(load->epoll, events, EVENTS, &wait, NULL);
    if (n < 0 || (n == 0 && !paced)) {
        errno = n < 0 ? errno : ETIMEDOUT;
        fail("no answer");
    }
    return n;
}

static void run(struct load *load)
{
    struct epoll_event events[EVENTS];
    load->start_ns = now_ns();
    while (load->answered < load->wanted) {
        send_due(load);
        int n = wait_for_event(load, events);
        for (int i = 0; i < n; i++)
            receive(load, events[i].data.ptr);
    }
}

static int compare(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return x < y ? -1 : x > y;
}

static void print(const struct load *load)
{
    double seconds = (double)(now_ns() - load->start_ns) / (double)NS_PER_S;
    uint64_t n = load->wanted;
    qsort(load->latency_ns, n, sizeof(int64_t), compare);
    printf("%" PRIu64 " %.6f %.1f %.1f %.1f\n", n, seconds, (double)load->latency_ns[n / 2] / 1e3,
           (double)load->latency_ns[n - 1 - n / 100] / 1e3, (double)load->latency_ns[n - 1] / 1e3);
}

int main(int argc, char **argv)
{
    if (argc < 4) {
        fprintf(stderr, "usage: load PORT CONNECTIONS REQUESTS [RATE]\n");
        return 2;
    }
    struct load load = {.n = strtoul(argv[2], NULL, 10), .wanted = strtoull(argv[3], NULL, 10)};
    double rate = argc > 4 ? strtod(argv[4], NULL) : 0;
    load.step_ns = rate > 0 ? (int64_t)((double)NS_PER_S / rate) : 0;
    load.all = calloc(load.n, sizeof(*load.all));
    load.idle = calloc(load.n, sizeof(struct connection *));
    load.latency_ns = calloc(load.wanted, sizeof(int64_t));
    load.epoll = epoll_create1(0);
    if (!load.all || !load.idle || !load.latency_ns || load.epoll == -1 || load.wanted == 0)
        fail("start");
    for (size_t i = 0; i < load.n; i++)
        open_connection(&load, &load.all[i], (uint16_t)atoi(argv[1]));
    run(&load);
    print(&load);
    free(load.all);
    free(load.idle);
    free(load.latency_ns);
    return EXIT_SUCCESS;
}
