/* SPDX-License-Identifier: MIT */
#include "capture/raw_address.h"

#include <string.h>
#include <sys/stat.h>

static int bad_ports(const char *text, const char *ports, struct err *err)
{
    return err_usage(err,
                     "--input-raw \"%s\": cannot read the ports \"%s\" (numbers from 1 to 65535, "
                     "with commas between them)",
                     text, ports);
}

/* "80,8080"; empty or "0": all. */
static int parse_ports(struct raw_address *a, const char *text, const char *ports, struct err *err)
{
    const char *p = ports;
    if (strcmp(ports, "0") == 0)
        return 0;
    while (*p) {
        unsigned long port = 0;
        size_t digits = strspn(p, "0123456789");
        for (size_t i = 0; i < digits && port <= UINT16_MAX; i++)
            port = port * 10 + (unsigned long)(p[i] - '0');
        bool last = p[digits] == '\0';
        if (port == 0 || port > UINT16_MAX || (!last && (p[digits] != ',' || !p[digits + 1])))
            return bad_ports(text, ports, err);
        if (a->n_ports == RAW_PORTS_MAX)
            return err_usage(err, "--input-raw \"%s\": more than %d ports", text, RAW_PORTS_MAX);
        a->ports[a->n_ports++] = (uint16_t)port;
        p += digits + (last ? 0 : 1);
    }
    return 0;
}

static int set_host(struct raw_address *a, const char *text, size_t len, struct err *err)
{
    if (len >= sizeof(a->host))
        return err_usage(err, "--input-raw \"%.60s…\": the name is too long", text);
    memcpy(a->host, text, len);
    a->host[len] = '\0';
    return 0;
}

static bool ends_in(const char *text, size_t *len, const char *end)
{
    size_t n = strlen(end);
    if (*len <= n || memcmp(text + *len - n, end, n) != 0)
        return false;
    *len -= n;
    return true;
}

static bool is_capture_name(const char *name, size_t len)
{
    if (len == 1 && name[0] == '-')
        return true;
    ends_in(name, &len, ".gz");
    return ends_in(name, &len, ".pcap") || ends_in(name, &len, ".pcapng");
}

/* How much of text is the name of a file: what follows the last colon are its ports, unless there
 * is a file of the whole name. */
static size_t file_name_len(const char *text)
{
    struct stat st;
    const char *colon = strrchr(text, ':');
    if (!colon || strspn(colon + 1, "0123456789,") != strlen(colon + 1) || stat(text, &st) == 0)
        return strlen(text);
    return (size_t)(colon - text);
}

static int parse_device(struct raw_address *a, const char *text, struct err *err)
{
    const char *host = text, *colon = strrchr(text, ':');
    if (strncmp(text, "k8s://", 6) == 0)
        return err_usage(err,
                         "--input-raw \"%s\": Kubernetes addresses are not offered (capture on the "
                         "node's interface instead, e.g. --input-raw :8080)",
                         text);
    if (!colon && strspn(text, "0123456789,") == strlen(text))
        return err_usage(err, "--input-raw \"%s\": a colon is missing: write \":%s\"", text, text);
    if (!colon)
        return err_usage(err,
                         "--input-raw \"%s\": a port is missing: write \"%s:80\", or with "
                         "--input-raw-engine pcap_file the name of a capture file",
                         text, text);
    size_t len = (size_t)(colon - host);
    if (len >= 2 && host[0] == '[' && host[len - 1] == ']') {
        host++;
        len -= 2;
    } else if (memchr(host, ':', len)) {
        return err_usage(err, "--input-raw \"%s\": write an IPv6 address in brackets: [::1]:80",
                         text);
    }
    int r = set_host(a, host, len, err);
    return r == 0 ? parse_ports(a, text, colon + 1, err) : r;
}

static int parse_file(struct raw_address *a, const char *text, size_t len, struct err *err)
{
    if (len == 0)
        return err_usage(err, "--input-raw \"%s\": the name of a capture file is missing", text);
    int r = set_host(a, text, len, err);
    return r == 0 && text[len] ? parse_ports(a, text, text + len + 1, err) : r;
}

int raw_address_parse(struct raw_address *address, const char *text, bool file_engine,
                      struct err *err)
{
    struct raw_address a = {.n_ports = 0};
    size_t len = file_name_len(text);
    a.is_file = file_engine || is_capture_name(text, len);
    int r = a.is_file ? parse_file(&a, text, len, err) : parse_device(&a, text, err);
    if (r == 0)
        *address = a;
    return r;
}
