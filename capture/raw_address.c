/* SPDX-License-Identifier: MIT */
#include "capture/raw_address.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

/* "80,8080"; empty or "0": all. */
static int parse_ports(struct raw_address *a, const char *text, const char *ports, struct err *err)
{
    const char *p = ports;
    while (*p) {
        unsigned long port = 0;
        size_t digits = strspn(p, "0123456789");
        for (size_t i = 0; i < digits && port <= UINT16_MAX; i++)
            port = port * 10 + (unsigned long)(p[i] - '0');
        bool last = p[digits] == '\0';
        if (digits == 0 || port > UINT16_MAX || (!last && (p[digits] != ',' || !p[digits + 1])))
            return err_usage(err,
                             "--input-raw \"%s\": cannot read the ports \"%s\" (numbers from 1 to "
                             "65535, with commas between them)",
                             text, ports);
        if (a->n_ports == RAW_PORTS_MAX)
            return err_usage(err, "--input-raw \"%s\": more than %d ports", text, RAW_PORTS_MAX);
        if (port != 0)
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

int raw_address_parse(struct raw_address *address, const char *text, struct err *err)
{
    struct raw_address a = {.n_ports = 0};
    const char *host = text, *colon = strrchr(text, ':');
    if (strncmp(text, "k8s://", 6) == 0)
        return err_usage(err,
                         "--input-raw \"%s\": Kubernetes addresses are not offered (capture on the "
                         "node, e.g. --input-raw :8080)",
                         text);
    if (!colon)
        return err_usage(err, "--input-raw \"%s\": a port is missing (to capture port 80: :80)",
                         text);
    size_t len = (size_t)(colon - host);
    if (len >= 2 && host[0] == '[' && host[len - 1] == ']') {
        host++;
        len -= 2;
    } else if (memchr(host, ':', len)) {
        return err_usage(err, "--input-raw \"%s\": write an IPv6 address in brackets: [::1]:80",
                         text);
    }
    int r = set_host(&a, host, len, err);
    if (r == 0)
        r = parse_ports(&a, text, colon + 1, err);
    if (r == 0)
        *address = a;
    return r;
}

int raw_address_parse_file(struct raw_address *address, const char *text, struct err *err)
{
    struct raw_address a = {.n_ports = 0};
    struct stat st;
    const char *colon = strrchr(text, ':');
    /* a file may have a colon in its name; what exists is meant */
    bool has_ports =
        colon && stat(text, &st) == -1 && strspn(colon + 1, "0123456789,") == strlen(colon + 1);
    int r = set_host(&a, text, has_ports ? (size_t)(colon - text) : strlen(text), err);
    if (r == 0 && has_ports)
        r = parse_ports(&a, text, colon + 1, err);
    if (r == 0)
        *address = a;
    return r;
}
