/* SPDX-License-Identifier: MIT */
#include "outputs/http_dial.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <unistd.h>

#include <curl/curl.h>

#include "lib/clock.h"
#include "lib/mem.h"

/* Dials kept for the next attempt: making a libcurl handle costs more than using it. */
#define MAX_SPARE 16
#define NAMES_LIVE_S 1L /* each handle looks up a name for itself, once in so many seconds */

struct http_dialer {
    struct http_dialer_config config;
    bool carries; /* the bytes of its connections */
    /* libcurl knows the system's certificates in a file, NULL here when it does not matter, and in
     * a folder. It reads all of the file for each multi handle (23 ms for 140 of them), but takes
     * from the folder what it needs. So the file is for what the folder alone does not vouch for.
     */
    const char *ca_file;
    bool needs_ca_file;
    CURLSH *share; /* TLS sessions */
    struct http_dial *spare;
    size_t n_spare;
};

/* Each has a multi handle of its own: libcurl closes idle connections of a shared one when it opens
 * another, and it would take ours for idle. */
struct http_dial {
    unsigned magic;
    struct http_dialer *dialer;
    CURLM *multi;
    CURL *easy;
    uint32_t slot;
    bool running; /* easy is in multi */
    bool has_ca_file; /* easy trusts the dialer's ca_file, too */
    bool retried; /* this attempt failed without it */
    int64_t due_ns;
    char error[CURL_ERROR_SIZE];
    CURLcode result;
    struct http_dial *next; /* spare */
};

/* In the texts of TLS libraries. */
#define ALERT " alert "

#define DIAL_MAGIC 0x6469616cu /* for pointers that come back through libcurl */

static struct http_dial *dial_of(void *user)
{
    struct http_dial *dial = user;
    assert(dial->magic == DIAL_MAGIC);
    return dial;
}

static int on_socket(CURL *easy, curl_socket_t fd, int what, void *user, void *socket_user)
{
    (void)easy, (void)socket_user;
    struct http_dial *dial = dial_of(user);
    struct epoll_event event = {.data.u64 = http_event(dial->slot, fd)};
    if (what == CURL_POLL_REMOVE) {
        (void)epoll_ctl(dial->dialer->config.epfd, EPOLL_CTL_DEL, fd, NULL);
        return 0;
    }
    if (what != CURL_POLL_OUT)
        event.events |= EPOLLIN;
    if (what != CURL_POLL_IN)
        event.events |= EPOLLOUT;
    if (epoll_ctl(dial->dialer->config.epfd, EPOLL_CTL_MOD, fd, &event) == 0)
        return 0;
    return epoll_ctl(dial->dialer->config.epfd, EPOLL_CTL_ADD, fd, &event);
}

static int on_timer(CURLM *multi, long timeout_ms, void *user)
{
    (void)multi;
    struct http_dial *dial = dial_of(user);
    dial->due_ns = timeout_ms < 0 ? INT64_MAX : clock_mono_ns() + timeout_ms * NS_PER_MS;
    return 0;
}

/* What libcurl says while bytes pass through it. CURLOPT_ERRORBUFFER has only the first error of a
 * transfer: a send that is reset, and not the alert read after it that tells why. OpenSSL:
 * "tlsv13 alert certificate required"; GnuTLS: "A TLS fatal alert has been received." */
static int on_text(CURL *easy, curl_infotype type, char *text, size_t n, void *user)
{
    (void)easy;
    struct http_dial *dial = dial_of(user);
    if (type != CURLINFO_TEXT || !memmem(text, n, ALERT, strlen(ALERT)))
        return 0;
    while (n > 0 && text[n - 1] == '\n')
        n--;
    snprintf(dial->error, sizeof(dial->error), "%.*s", (int)n, text);
    return 0;
}

static bool set_files(CURL *easy, const struct http_tls *tls)
{
    bool ok = true;
    if (tls->ca_cert[0]) /* without the folder: the system's are not trusted beside it */
        ok = curl_easy_setopt(easy, CURLOPT_CAINFO, tls->ca_cert) == CURLE_OK &&
             curl_easy_setopt(easy, CURLOPT_CAPATH, NULL) == CURLE_OK;
    if (tls->client_cert[0]) {
        const char *key = tls->client_key[0] ? tls->client_key : tls->client_cert;
        ok = ok && curl_easy_setopt(easy, CURLOPT_SSLCERT, tls->client_cert) == CURLE_OK &&
             curl_easy_setopt(easy, CURLOPT_SSLKEY, key) == CURLE_OK &&
             /* without one, libcurl would ask the terminal for it */
             curl_easy_setopt(easy, CURLOPT_KEYPASSWD, "") == CURLE_OK;
    }
    return ok;
}

/* Trust the system's certificates in its file, too, or only those in its folder? */
static bool set_ca_file(struct http_dial *dial, bool on)
{
    const char *file = dial->dialer->ca_file;
    dial->has_ca_file = on;
    return !file || curl_easy_setopt(dial->easy, CURLOPT_CAINFO, on ? file : NULL) == CURLE_OK;
}

bool http_dial_set_up(void *easy, const struct http_dialer_config *config)
{
    long verify = config->tls.skip_verify ? 0 : 1;
    return curl_easy_setopt(easy, CURLOPT_URL, config->target->url) == CURLE_OK &&
           /* a proxy must not see our requests, which are not made for one */
           curl_easy_setopt(easy, CURLOPT_HTTPPROXYTUNNEL, 1L) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_TCP_KEEPALIVE, 1L) == CURLE_OK &&
           /* all addresses of a name are used, not always the first one, nor one for long */
           curl_easy_setopt(easy, CURLOPT_DNS_SHUFFLE_ADDRESSES, 1L) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_DNS_CACHE_TIMEOUT, NAMES_LIVE_S) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS,
                            (long)(config->timeout_ns / NS_PER_MS)) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, verify) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, 2 * verify) == CURLE_OK &&
           set_files(easy, &config->tls);
}

static bool configure(struct http_dial *dial)
{
    CURL *easy = dial->easy;
    return curl_multi_setopt(dial->multi, CURLMOPT_SOCKETFUNCTION, on_socket) == CURLM_OK &&
           curl_multi_setopt(dial->multi, CURLMOPT_SOCKETDATA, dial) == CURLM_OK &&
           curl_multi_setopt(dial->multi, CURLMOPT_TIMERFUNCTION, on_timer) == CURLM_OK &&
           curl_multi_setopt(dial->multi, CURLMOPT_TIMERDATA, dial) == CURLM_OK &&
           http_dial_set_up(easy, &dial->dialer->config) &&
           set_ca_file(dial, dial->dialer->needs_ca_file) &&
           curl_easy_setopt(easy, CURLOPT_CONNECT_ONLY, 1L) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, dial->error) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_DEBUGFUNCTION, on_text) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_DEBUGDATA, dial) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_SHARE, dial->dialer->share) == CURLE_OK;
}

static void destroy(struct http_dial *dial)
{
    if (dial->running)
        curl_multi_remove_handle(dial->multi, dial->easy);
    curl_easy_cleanup(dial->easy);
    curl_multi_cleanup(dial->multi);
    mem_free(dial);
}

static struct http_dial *make(struct http_dialer *dialer)
{
    struct http_dial *dial = mem_zalloc(MEM_IO, sizeof(*dial));
    if (!dial)
        return NULL;
    dial->magic = DIAL_MAGIC;
    dial->dialer = dialer;
    dial->multi = curl_multi_init();
    dial->easy = curl_easy_init();
    if (!dial->multi || !dial->easy || !configure(dial)) {
        destroy(dial);
        return NULL;
    }
    return dial;
}

/* May there be TLS to the proxy of an http target? These are the variables that libcurl looks at;
 * no_proxy may leave the proxy out, and bytes can pass through libcurl all the same. */
static bool proxy_is_tls(void)
{
    static const char *const names[] = {"http_proxy", "all_proxy", "ALL_PROXY"};
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        /* NOLINTNEXTLINE(concurrency-mt-unsafe): nobody writes the environment */
        const char *proxy = getenv(names[i]);
        if (proxy && strncasecmp(proxy, "https://", 8) == 0)
            return true;
    }
    return false;
}

static const char *system_ca_file(const struct http_tls *tls)
{
    const curl_version_info_data *curl = curl_version_info(CURLVERSION_NOW);
    return tls->skip_verify || tls->ca_cert[0] || !curl->capath ? NULL : curl->cainfo;
}

int http_dialer_new(struct http_dialer **dialerp, const struct http_dialer_config *config)
{
    struct http_dialer *dialer = mem_zalloc(MEM_IO, sizeof(*dialer));
    if (!dialer)
        return -ENOMEM;
    dialer->config = *config;
    dialer->carries = config->target->tls || proxy_is_tls();
    dialer->ca_file = system_ca_file(&config->tls);
    dialer->share = curl_share_init();
    if (!dialer->share || curl_share_setopt(dialer->share, CURLSHOPT_SHARE,
                                            CURL_LOCK_DATA_SSL_SESSION) != CURLSHE_OK) {
        http_dialer_free(dialer);
        return -ENOMEM;
    }
    *dialerp = dialer;
    return 0;
}

bool http_dialer_carries(const struct http_dialer *dialer)
{
    return dialer->carries;
}

void http_dialer_free(struct http_dialer *dialer)
{
    if (!dialer)
        return;
    while (dialer->spare) {
        struct http_dial *dial = dialer->spare;
        dialer->spare = dial->next;
        destroy(dial);
    }
    curl_share_cleanup(dialer->share);
    mem_free(dialer);
}

static bool begin(struct http_dial *dial)
{
    dial->error[0] = '\0';
    (void)curl_easy_setopt(dial->easy, CURLOPT_VERBOSE, 0L);
    dial->due_ns = 0; /* the first step is due at once */
    dial->running = curl_multi_add_handle(dial->multi, dial->easy) == CURLM_OK;
    return dial->running;
}

static void end(struct http_dial *dial)
{
    curl_multi_remove_handle(dial->multi, dial->easy); /* closes the connection, if there is one */
    dial->running = false;
}

struct http_dial *http_dial_start(struct http_dialer *dialer, uint32_t slot)
{
    struct http_dial *dial = dialer->spare;
    if (dial) {
        dialer->spare = dial->next;
        dialer->n_spare--;
    } else {
        dial = make(dialer);
    }
    if (!dial)
        return NULL;
    dial->slot = slot;
    dial->retried = false;
    if (dialer->needs_ca_file != dial->has_ca_file && !set_ca_file(dial, dialer->needs_ca_file)) {
        destroy(dial);
        return NULL;
    }
    if (!begin(dial)) {
        destroy(dial);
        return NULL;
    }
    return dial;
}

void http_dial_free(struct http_dial *dial)
{
    if (!dial)
        return;
    struct http_dialer *dialer = dial->dialer;
    if (dialer->n_spare == MAX_SPARE) {
        destroy(dial);
        return;
    }
    end(dial);
    dial->next = dialer->spare;
    dialer->spare = dial;
    dialer->n_spare++;
}

/* The folder may be incomplete, or not have the links by which certificates are found: the attempt
 * begins again with the file. */
static bool try_ca_file(struct http_dial *dial)
{
    if (!dial->dialer->ca_file || dial->has_ca_file ||
        (dial->result != CURLE_PEER_FAILED_VERIFICATION &&
         dial->result != CURLE_SSL_CACERT_BADFILE))
        return false;
    end(dial);
    dial->retried = set_ca_file(dial, true) && begin(dial);
    return dial->retried;
}

enum dial_result http_dial_step(struct http_dial *dial, int fd, uint32_t events)
{
    int mask = 0, running = 0, left = 0;
    if (events & (EPOLLIN | EPOLLRDHUP))
        mask |= CURL_CSELECT_IN;
    if (events & EPOLLOUT)
        mask |= CURL_CSELECT_OUT;
    if (events & (EPOLLERR | EPOLLHUP))
        mask |= CURL_CSELECT_ERR;
    if (curl_multi_socket_action(dial->multi, fd == -1 ? CURL_SOCKET_TIMEOUT : fd, mask,
                                 &running) != CURLM_OK) {
        dial->result = CURLE_FAILED_INIT;
        return DIAL_FAILED;
    }
    const CURLMsg *msg = curl_multi_info_read(dial->multi, &left);
    if (!msg || msg->msg != CURLMSG_DONE)
        return DIAL_PENDING;
    dial->result = msg->data.result;
    if (dial->result != CURLE_OK)
        return try_ca_file(dial) ? DIAL_PENDING : DIAL_FAILED;
    dial->dialer->needs_ca_file |= dial->retried;
    return DIAL_UP;
}

int64_t http_dial_due_ns(const struct http_dial *dial)
{
    return dial->due_ns;
}

bool http_dial_is_tls(int result)
{
    switch ((CURLcode)result) {
    case CURLE_SSL_CONNECT_ERROR:
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CERTPROBLEM:
    case CURLE_SSL_CIPHER:
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_SSL_CRL_BADFILE:
    case CURLE_SSL_ISSUER_ERROR:
    case CURLE_SSL_ENGINE_NOTFOUND:
    case CURLE_SSL_ENGINE_SETFAILED:
    case CURLE_SSL_ENGINE_INITFAILED:
    case CURLE_SSL_PINNEDPUBKEYNOTMATCH:
    case CURLE_SSL_INVALIDCERTSTATUS:
    case CURLE_SSL_CLIENTCERT:
    case CURLE_USE_SSL_FAILED:
        return true;
    default:
        return false;
    }
}

bool http_dial_failed_tls(const struct http_dial *dial)
{
    return http_dial_is_tls((int)dial->result);
}

/* libcurl's text names whom it tried, which may be a proxy, and leaves out why that failed: "Failed
 * to connect to 127.0.0.1 port 80 after 0 ms: Couldn't connect to server". */
static void tell_peer_and_why(struct http_dial *dial, int errnum)
{
    static const char begin[] = "Failed to connect to ", end[] = " after ";
    char peer[128] = "";
    const char *at = strstr(dial->error, begin);
    const char *stop = at ? strstr(at, end) : NULL;
    if (stop) {
        at += sizeof(begin) - 1;
        snprintf(peer, sizeof(peer), "%.*s: ", (int)(stop - at), at);
    }
    snprintf(dial->error, sizeof(dial->error), "%s%s", peer, err_text(errnum));
}

const char *http_dial_error(struct http_dial *dial)
{
    long errnum = 0, status = 0;
    if (dial->result == CURLE_COULDNT_CONNECT &&
        curl_easy_getinfo(dial->easy, CURLINFO_OS_ERRNO, &errnum) == CURLE_OK && errnum > 0)
        tell_peer_and_why(dial, (int)errnum);
    else if (dial->result != CURLE_OK &&
             curl_easy_getinfo(dial->easy, CURLINFO_HTTP_CONNECTCODE, &status) == CURLE_OK &&
             status >= 300)
        snprintf(dial->error, sizeof(dial->error), "the proxy answers %ld to CONNECT", status);
    return dial->error[0] ? dial->error : curl_easy_strerror(dial->result);
}

int http_dial_take(struct http_dial *dial)
{
    curl_socket_t fd = CURL_SOCKET_BAD;
    if (curl_easy_getinfo(dial->easy, CURLINFO_ACTIVESOCKET, &fd) != CURLE_OK ||
        fd == CURL_SOCKET_BAD)
        return -ENOTCONN;
    if (dial->dialer->carries) {
        dial->error[0] = '\0'; /* of an address that was tried before */
        (void)curl_easy_setopt(dial->easy, CURLOPT_VERBOSE, 1L);
        return fd;
    }
    /* a descriptor of our own: libcurl closes its one, and forgets the connection */
    int own = fcntl(fd, F_DUPFD_CLOEXEC, 0);
    return own == -1 ? -errno : own;
}

/* libcurl has one code for a broken connection and for an alert; its text tells them apart. */
static int failed(struct http_dial *dial, CURLcode r)
{
    if (r == CURLE_AGAIN)
        return -EAGAIN;
    dial->result = r;
    return strstr(dial->error, ALERT) ? -EPROTO : -ECONNRESET;
}

ssize_t http_dial_send(struct http_dial *dial, const void *bytes, size_t n)
{
    size_t sent = 0;
    CURLcode r = curl_easy_send(dial->easy, bytes, n, &sent);
    if (r == CURLE_OK)
        return (ssize_t)sent;
    return failed(dial, r);
}

ssize_t http_dial_recv(struct http_dial *dial, void *bytes, size_t n)
{
    size_t got = 0;
    CURLcode r = curl_easy_recv(dial->easy, bytes, n, &got);
    if (r == CURLE_OK)
        return (ssize_t)got;
    return failed(dial, r);
}
