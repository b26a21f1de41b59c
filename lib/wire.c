/* SPDX-License-Identifier: MIT */
#include "lib/wire.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/mem.h"

#define HANDSHAKE 22 /* first byte of every TLS connection: RFC 8446, 5.1 */

void wire_open(struct wire *w, int fd, const struct tls *tls, const char *name)
{
    *w = (struct wire){.fd = fd, .tls = tls, .name = name, .shaken = tls == NULL};
}

void wire_close(struct wire *w)
{
    if (w->ssl && w->shaken && !w->failed && !w->stuck)
        (void)SSL_shutdown(w->ssl); /* a word of farewell, if there is room for it */
    SSL_free(w->ssl);
    ERR_clear_error();
    mem_free(w->stuck);
    if (w->fd != -1)
        close(w->fd);
    w->fd = -1;
    w->ssl = NULL;
    w->stuck = NULL;
}

/* --- what went wrong --- */

static void tell(struct wire *w, enum book fault, const char *what, const char *detail)
{
    w->fault = fault;
    snprintf(w->why, sizeof(w->why), "%s%s%s", what, detail ? ": " : "", detail ? detail : "");
}

/* An alert: what the peer minds. */
static void tell_alert(struct wire *w, int alert)
{
    const char *text = SSL_alert_desc_string_long(alert);
    switch (alert) {
    case SSL_AD_BAD_CERTIFICATE:
    case SSL_AD_UNSUPPORTED_CERTIFICATE:
    case SSL_AD_CERTIFICATE_REVOKED:
    case SSL_AD_CERTIFICATE_EXPIRED:
    case SSL_AD_CERTIFICATE_UNKNOWN:
    case SSL_AD_UNKNOWN_CA:
    case SSL_AD_ACCESS_DENIED:
        tell(w, BOOK_TLS_CERTIFICATE, "it does not accept our certificate", text);
        return;
    case SSL_AD_CERTIFICATE_REQUIRED:
        tell(w, BOOK_TLS_CERTIFICATE, "it wants a certificate of ours", NULL);
        return;
    default:
        if (tls_has_key(w->tls) && !w->shaken)
            tell(w, BOOK_TLS_KEY, "it has another --tcp-key, or none", NULL);
        else
            tell(w, BOOK_TLS_OTHER, "TLS failed: it says", text);
    }
}

static void tell_reason(struct wire *w, unsigned long code)
{
    int reason = ERR_GET_REASON(code);
    if (reason > SSL_AD_REASON_OFFSET) {
        tell_alert(w, reason - SSL_AD_REASON_OFFSET);
        return;
    }
    switch (reason) {
    case SSL_R_CERTIFICATE_VERIFY_FAILED:
        if (tls_has_key(w->tls))
            tell(w, BOOK_TLS_KEY, "it has no --tcp-key, but a certificate", NULL);
        else
            tell(w, BOOK_TLS_CERTIFICATE, "its certificate is not accepted",
                 X509_verify_cert_error_string(SSL_get_verify_result(w->ssl)));
        return;
    case SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE:
        tell(w, BOOK_TLS_CERTIFICATE, "it shows no certificate", NULL);
        return;
    case SSL_R_HTTP_REQUEST:
    case SSL_R_WRONG_VERSION_NUMBER:
        tell(w, BOOK_TLS_NOT, "it speaks no TLS", NULL);
        return;
    case SSL_R_BINDER_DOES_NOT_VERIFY:
        tell(w, BOOK_TLS_KEY, "it has another --tcp-key", NULL);
        return;
    case SSL_R_NO_SHARED_CIPHER:
    case SSL_R_NO_SUITABLE_SIGNATURE_ALGORITHM: /* a server without certificate says that */
        if (tls_has_key(w->tls)) {
            tell(w, BOOK_TLS_KEY, "it has no --tcp-key", NULL);
            return;
        }
        break;
    default:
        break;
    }
    tell(w, BOOK_TLS_OTHER, "TLS failed", ERR_reason_error_string(code));
}

/* The peer went away, with an errno or without. */
static void tell_end(struct wire *w)
{
    if (!w->shaken && BIO_number_read(SSL_get_rbio(w->ssl)) == 0)
        tell(w, BOOK_TLS_NOT, "it closed the connection instead of speaking TLS", NULL);
    else if (!w->shaken)
        tell(w, BOOK_TLS_OTHER, "it closed the connection during the TLS handshake", NULL);
}

/* What a call of OpenSSL answered that did not do what it should. 0: the peer has ended. */
static int outcome(struct wire *w, int r)
{
    int errnum = errno;
    switch (SSL_get_error(w->ssl, r)) {
    case SSL_ERROR_WANT_READ:
    case SSL_ERROR_WANT_WRITE:
        return -EAGAIN;
    case SSL_ERROR_ZERO_RETURN:
        return 0;
    case SSL_ERROR_SYSCALL:
        tell_end(w);
        w->failed = errnum ? -errnum : -ECONNRESET;
        break;
    default:
        w->failed = -EPROTO;
        unsigned long code = ERR_peek_error();
        if (ERR_GET_LIB(code) == ERR_LIB_SSL &&
            ERR_GET_REASON(code) == SSL_R_UNEXPECTED_EOF_WHILE_READING) {
            tell_end(w);
            w->failed = -ECONNRESET;
        } else {
            tell_reason(w, code);
        }
    }
    ERR_clear_error();
    return w->failed;
}

/* --- the handshake --- */

static int begin(struct wire *w)
{
    uint8_t first;
    if (tls_is_server(w->tls)) { /* who speaks no TLS, or does not speak, shall cost nothing */
        ssize_t n = recv(w->fd, &first, 1, MSG_PEEK | MSG_DONTWAIT);
        if (n == -1)
            return errno == EINTR ? -EAGAIN : -errno;
        if (n == 0 || first != HANDSHAKE) {
            if (n > 0)
                tell(w, BOOK_TLS_NOT, "it speaks no TLS", NULL);
            return n == 0 ? -ECONNRESET : -EPROTO;
        }
    }
    w->ssl = tls_connection(w->tls, w->fd, w->name);
    return w->ssl ? 0 : -ENOMEM;
}

int wire_shake(struct wire *w)
{
    if (w->shaken)
        return 0;
    int r = w->ssl ? 0 : begin(w);
    if (r == -EAGAIN)
        return r;
    if (r < 0)
        return w->failed = r;
    ERR_clear_error();
    errno = 0;
    r = SSL_do_handshake(w->ssl);
    if (r == 1 && !tls_is_agreed(w->tls, w->ssl)) {
        tell(w, BOOK_TLS_KEY, "it has no --tcp-key", NULL);
        return w->failed = -EPROTO;
    }
    if (r == 1) {
        w->shaken = true;
        return 0;
    }
    r = outcome(w, r);
    return r == 0 ? -ECONNRESET : r;
}

bool wire_is_shaking(const struct wire *w)
{
    return w->ssl && !w->shaken;
}

short wire_events(const struct wire *w)
{
    if (w->stuck || (wire_is_shaking(w) && SSL_want_write(w->ssl)))
        return POLLOUT;
    return 0;
}

/* --- bytes --- */

static ssize_t recv_tls(struct wire *w, uint8_t *bytes, size_t room)
{
    size_t got = 0, n;
    /* the first call may find little room; the others only as much as the longest record */
    while (got == 0 || room - got >= WIRE_RECORD) {
        if (w->failed)
            return got > 0 ? (ssize_t)got : w->failed;
        ERR_clear_error();
        errno = 0;
        int r = SSL_read_ex(w->ssl, bytes + got, room - got, &n);
        if (r != 1) {
            r = outcome(w, r);
            return got > 0 ? (ssize_t)got : r;
        }
        got += n;
    }
    return (ssize_t)got;
}

ssize_t wire_recv(struct wire *w, void *bytes, size_t room)
{
    assert(w->shaken && room > 0);
    if (w->ssl)
        return recv_tls(w, bytes, room);
    ssize_t n = recv(w->fd, bytes, room, MSG_DONTWAIT);
    return n == -1 ? -errno : n;
}

/* Bytes that OpenSSL has not taken, or taken and not sent: it must be offered the same again. */
static int keep_stuck(struct wire *w, const void *bytes, size_t len)
{
    w->stuck = mem_alloc(MEM_IO, len);
    if (!w->stuck)
        return w->failed = -ENOMEM;
    memcpy(w->stuck, bytes, len);
    w->stuck_len = len;
    return 0;
}

/* One record. 0: it is sent, or stuck. */
static int send_record(struct wire *w, const void *bytes, size_t len)
{
    size_t n = 0;
    ERR_clear_error();
    errno = 0;
    int r = SSL_write_ex(w->ssl, bytes, len, &n);
    if (r == 1) {
        assert(n == len); /* no partial writes */
        return 0;
    }
    r = outcome(w, r);
    if (r == -EAGAIN)
        return keep_stuck(w, bytes, len);
    return r == 0 ? -ECONNRESET : r;
}

int wire_flush(struct wire *w)
{
    if (w->failed)
        return w->failed;
    if (!w->stuck)
        return 0;
    uint8_t *bytes = w->stuck;
    w->stuck = NULL;
    int r = send_record(w, bytes, w->stuck_len);
    mem_free(bytes);
    return r < 0 ? r : w->stuck ? -EAGAIN : 0;
}

/* At most a record of what iov holds from skip bytes on: where it lies, or copied to room. */
static const void *gather(const struct iovec *iov, size_t n, size_t skip, uint8_t *room,
                          size_t *len)
{
    size_t i = 0;
    *len = 0;
    for (; i < n && skip >= iov[i].iov_len; i++)
        skip -= iov[i].iov_len;
    if (i < n && (i == n - 1 || iov[i].iov_len - skip >= WIRE_RECORD)) {
        *len = iov[i].iov_len - skip < WIRE_RECORD ? iov[i].iov_len - skip : WIRE_RECORD;
        return (const uint8_t *)iov[i].iov_base + skip;
    }
    for (; i < n && *len < WIRE_RECORD; i++, skip = 0) {
        size_t left = iov[i].iov_len - skip;
        size_t some = left < WIRE_RECORD - *len ? left : WIRE_RECORD - *len;
        memcpy(room + *len, (const uint8_t *)iov[i].iov_base + skip, some);
        *len += some;
    }
    return room;
}

static ssize_t send_tls(struct wire *w, const struct iovec *iov, size_t n)
{
    uint8_t room[WIRE_RECORD];
    size_t sent = 0, len;
    int r = wire_flush(w);
    while (r == 0 && !w->stuck) {
        const void *bytes = gather(iov, n, sent, room, &len);
        if (len == 0)
            break;
        r = send_record(w, bytes, len);
        sent += r == 0 ? len : 0;
    }
    return sent > 0 ? (ssize_t)sent : r;
}

ssize_t wire_send(struct wire *w, const struct iovec *iov, size_t n)
{
    assert(w->shaken);
    if (w->ssl)
        return send_tls(w, iov, n);
    struct msghdr out = {.msg_iov = (struct iovec *)iov, .msg_iovlen = n};
    ssize_t sent = sendmsg(w->fd, &out, MSG_NOSIGNAL | MSG_DONTWAIT);
    return sent == -1 ? -errno : sent;
}

int wire_shut(struct wire *w)
{
    if (w->ssl && w->shaken) {
        int r = wire_flush(w);
        if (r < 0)
            return r;
        ERR_clear_error();
        errno = 0;
        r = SSL_get_shutdown(w->ssl) & SSL_SENT_SHUTDOWN ? 1 : SSL_shutdown(w->ssl);
        r = r < 0 ? outcome(w, r) : 0;
        if (r < 0)
            return r;
    }
    return shutdown(w->fd, SHUT_WR) == -1 ? -errno : 0;
}
