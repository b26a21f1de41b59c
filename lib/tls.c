/* SPDX-License-Identifier: MIT */
#include "lib/tls.h"

#include <arpa/inet.h>
#include <errno.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/ssl.h>
#include <string.h>

#include "lib/mem.h"
#include "lib/pem.h"

#define KEY "tcp-key"
/* 128 bits, if they are random ones. */
#define KEY_MIN 16
#define IDENTITY "refrain-relay"
/* TLS_AES_128_GCM_SHA256 (RFC 8446, B.4): every TLS 1.3 has it. */
static const unsigned char cipher[] = {0x13, 0x01};
/* What a peer's chain of certificates may take while nobody knows who it is. */
#define CHAIN_BYTES (32 * 1024)

struct tls {
    SSL_CTX *ctx;
    bool server, has_key;
    uint8_t psk[32]; /* the key's SHA-256 */
};

/* The options of one end. */
struct names {
    const char *secure, *cert, *key, *ca; /* ca: whom to trust; client_ca of the listener */
};
static const struct names listener = {"input-tcp-secure", "input-tcp-certificate",
                                      "input-tcp-certificate-key", "input-tcp-client-ca"};
static const struct names sender = {"output-tcp-secure", "output-tcp-client-cert",
                                    "output-tcp-client-key", "output-tcp-ca-cert"};

void tls_free(struct tls *tls)
{
    if (!tls)
        return;
    SSL_CTX_free(tls->ctx);
    OPENSSL_cleanse(tls->psk, sizeof(tls->psk));
    mem_free(tls);
}

bool tls_is_server(const struct tls *tls)
{
    return tls->server;
}

bool tls_has_key(const struct tls *tls)
{
    return tls->has_key;
}

bool tls_is_agreed(const struct tls *tls, const struct ssl_st *ssl)
{
    return !tls->has_key || SSL_session_reused(ssl);
}

/* --- the shared key --- */

/* NULL: no memory. */
static SSL_SESSION *key_session(SSL *ssl)
{
    const struct tls *tls = SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl));
    SSL_SESSION *session = SSL_SESSION_new();
    const SSL_CIPHER *suite = SSL_CIPHER_find(ssl, cipher);
    if (session && suite && SSL_SESSION_set1_master_key(session, tls->psk, sizeof(tls->psk)) &&
        SSL_SESSION_set_cipher(session, suite) &&
        SSL_SESSION_set_protocol_version(session, TLS1_3_VERSION))
        return session;
    SSL_SESSION_free(session);
    return NULL;
}

static int use_key(SSL *ssl, const EVP_MD *md, const unsigned char **id, size_t *id_len,
                   SSL_SESSION **session)
{
    *session = NULL;
    if (md && !EVP_MD_is_a(md, "SHA256"))
        return 1; /* the server chose a suite that the key is not for */
    *session = key_session(ssl);
    *id = (const unsigned char *)IDENTITY;
    *id_len = sizeof(IDENTITY) - 1;
    return *session != NULL;
}

static int find_key(SSL *ssl, const unsigned char *id, size_t id_len, SSL_SESSION **session)
{
    *session = NULL;
    if (id_len != sizeof(IDENTITY) - 1 || memcmp(id, IDENTITY, id_len) != 0)
        return 1;
    *session = key_session(ssl);
    return *session != NULL;
}

static int set_key(struct tls *tls, const char *text, struct err *err)
{
    unsigned len;
    if (strlen(text) < KEY_MIN)
        return err_usage(err,
                         "--" KEY ": a key of %d characters or more is wanted: make one with "
                         "openssl rand -hex 32",
                         KEY_MIN);
    tls->has_key = true;
    if (!EVP_Digest(text, strlen(text), tls->psk, &len, EVP_sha256(), NULL) ||
        !SSL_CTX_set_min_proto_version(tls->ctx, TLS1_3_VERSION) ||
        !SSL_CTX_set_ciphersuites(tls->ctx, "TLS_AES_128_GCM_SHA256"))
        return err_failure(err, "--" KEY ": this OpenSSL cannot do TLS 1.3");
    if (tls->server) {
        SSL_CTX_set_psk_find_session_callback(tls->ctx, find_key);
        return 0;
    }
    SSL_CTX_set_psk_use_session_callback(tls->ctx, use_key);
    SSL_CTX_set_verify(tls->ctx, SSL_VERIFY_PEER, NULL); /* no certificate will do instead */
    return 0;
}

/* --- certificates --- */

static int refuse_file(const char *option, const char *path, struct err *err)
{
    const char *reason = ERR_reason_error_string(ERR_peek_error());
    return err_usage(err, "--%s: OpenSSL does not take %s: %s", option, path,
                     reason ? reason : "it does not say why");
}

static int load_cert(SSL_CTX *ctx, const struct names *names, const struct options *o,
                     struct err *err)
{
    const char *cert = options_string(o, names->cert), *key = options_string(o, names->key);
    const char *key_option = *key ? names->key : names->cert;
    if (!*cert && *key)
        return err_usage(err,
                         "--%s %s: a key is of no use without its certificate; give it with --%s",
                         names->key, key, names->cert);
    if (!*cert)
        return 0;
    int r = pem_want_cert(names->cert, cert, err);
    if (r == 0)
        r = pem_want_key(key_option, *key ? key : cert, *key ? NULL : names->key, err);
    if (r < 0)
        return r;
    if (SSL_CTX_use_certificate_chain_file(ctx, cert) != 1)
        return refuse_file(names->cert, cert, err);
    if (SSL_CTX_use_PrivateKey_file(ctx, *key ? key : cert, SSL_FILETYPE_PEM) != 1)
        return refuse_file(key_option, *key ? key : cert, err);
    return 0;
}

static int trust_file(SSL_CTX *ctx, const struct names *names, const char *path, struct err *err)
{
    int r = pem_want_cert(names->ca, path, err);
    if (r < 0)
        return r;
    return SSL_CTX_load_verify_file(ctx, path) == 1 ? 0 : refuse_file(names->ca, path, err);
}

static int secure_listener(SSL_CTX *ctx, const struct options *o, struct err *err)
{
    const char *ca = options_string(o, listener.ca);
    if (!*options_string(o, listener.cert))
        return err_usage(err, "--input-tcp-secure: give a certificate with --%s and --%s",
                         listener.cert, listener.key);
    int r = load_cert(ctx, &listener, o, err);
    if (r < 0 || !*ca)
        return r;
    SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
    SSL_CTX_set_client_CA_list(ctx, SSL_load_client_CA_file(ca)); /* NULL: it says no names */
    return trust_file(ctx, &listener, ca, err);
}

static int secure_sender(SSL_CTX *ctx, const struct options *o, struct err *err)
{
    const char *ca = options_string(o, sender.ca);
    int r = load_cert(ctx, &sender, o, err);
    if (r < 0 || options_bool(o, "output-tcp-skip-verify"))
        return r;
    SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, NULL);
    if (*ca)
        return trust_file(ctx, &sender, ca, err);
    return SSL_CTX_set_default_verify_paths(ctx) == 1
               ? 0
               : err_failure(err, "--output-tcp-secure: OpenSSL cannot find the system's CAs; name "
                                  "a file with --output-tcp-ca-cert");
}

/* --- both --- */

/* What would be passed over in silence. */
static int check_use(const struct names *names, const struct options *o, bool secure,
                     struct err *err)
{
    const char *const files[] = {names->cert, names->key, names->ca};
    for (size_t i = 0; i < ARRAY_LEN(files) && !secure; i++)
        if (*options_string(o, files[i]))
            return err_usage(err, "--%s is of no use without --%s", files[i], names->secure);
    if (secure && *options_string(o, KEY))
        return err_usage(err,
                         "--%s and --" KEY ": choose one: the key stands for certificates, and "
                         "encrypts as well",
                         names->secure);
    return 0;
}

static SSL_CTX *new_ctx(bool server)
{
    SSL_CTX *ctx = SSL_CTX_new(server ? TLS_server_method() : TLS_client_method());
    if (!ctx || !SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION) ||
        (server && !SSL_CTX_set_num_tickets(ctx, 0))) {
        SSL_CTX_free(ctx);
        return NULL;
    }
    SSL_CTX_set_options(ctx, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION | SSL_OP_NO_TICKET);
    SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_max_cert_list(ctx, CHAIN_BYTES);
    /* buffers for the time of a record only: a listener has many connections that are idle */
    SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    return ctx;
}

static int make(struct tls **tlsp, const struct options *o, bool server, struct err *err)
{
    const struct names *names = server ? &listener : &sender;
    const char *key = options_string(o, KEY);
    bool secure = options_bool(o, names->secure);
    *tlsp = NULL;
    int r = check_use(names, o, secure, err);
    if (r < 0 || (!secure && !*key))
        return r;
    struct tls *tls = mem_zalloc(MEM_IO, sizeof(*tls));
    if (!tls || !(tls->ctx = new_ctx(server))) {
        mem_free(tls);
        return err_sys(err, ENOMEM, "--%s", secure ? names->secure : KEY);
    }
    tls->server = server;
    SSL_CTX_set_app_data(tls->ctx, tls);
    if (!secure)
        r = set_key(tls, key, err);
    else
        r = server ? secure_listener(tls->ctx, o, err) : secure_sender(tls->ctx, o, err);
    ERR_clear_error();
    if (r < 0)
        tls_free(tls);
    else
        *tlsp = tls;
    return r;
}

int tls_of_listener(struct tls **tlsp, const struct options *options, struct err *err)
{
    return make(tlsp, options, true, err);
}

int tls_of_sender(struct tls **tlsp, const struct options *options, struct err *err)
{
    return make(tlsp, options, false, err);
}

/* The certificate must be for that name; SNI says it, unless it is an address (RFC 6066, 3). */
static bool expect_name(SSL *ssl, const char *name)
{
    struct in6_addr address;
    if (inet_pton(AF_INET, name, &address) == 1 || inet_pton(AF_INET6, name, &address) == 1)
        return X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), name) == 1;
    return SSL_set1_host(ssl, name) == 1 && SSL_set_tlsext_host_name(ssl, name) == 1;
}

struct ssl_st *tls_connection(const struct tls *tls, int fd, const char *name)
{
    SSL *ssl = SSL_new(tls->ctx);
    if (!ssl || SSL_set_fd(ssl, fd) != 1 ||
        (!tls->server && !tls->has_key && !expect_name(ssl, *name ? name : "localhost"))) {
        SSL_free(ssl);
        return NULL;
    }
    if (tls->server)
        SSL_set_accept_state(ssl);
    else
        SSL_set_connect_state(ssl);
    return ssl;
}
