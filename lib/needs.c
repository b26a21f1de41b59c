/* SPDX-License-Identifier: MIT */
#include "lib/needs.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "lib/mem.h"
#include "lib/units.h"

void needs_fini(struct needs *needs)
{
    for (size_t i = 0; i < needs->n; i++)
        mem_free(needs->list[i].path);
    mem_free(needs->list);
    *needs = (struct needs){0};
}

static void add(struct needs *needs, struct need need)
{
    struct need *list =
        mem_realloc(MEM_OTHER, needs->list, (needs->n + 1) * sizeof(needs->list[0]));
    if (!list) {
        mem_free(need.path);
        needs->broken = true;
        return;
    }
    needs->list = list;
    needs->list[needs->n++] = need;
}

void needs_path(struct needs *needs, enum need_kind kind, const char *option, const char *path)
{
    if (path[0] == '\0')
        return;
    char *copy = mem_strdup(MEM_OTHER, path);
    if (copy)
        add(needs, (struct need){.kind = kind, .option = option, .path = copy});
    else
        needs->broken = true;
}

static void add_port(struct needs *needs, const char *option, int64_t port)
{
    if (port > 0 && port <= UINT16_MAX)
        add(needs, (struct need){.kind = NEED_CONNECT, .option = option, .port = (uint16_t)port});
}

void needs_connect(struct needs *needs, const char *option, const char *port)
{
    int64_t number;
    if (!units_parse_int(port, &number))
        add_port(needs, option, number);
}

static uint16_t port_of_scheme(const char *url, uint16_t usual)
{
    static const struct {
        const char *scheme;
        uint16_t port;
    } known[] = {{"http://", 80}, {"https://", 443}, {"ws://", 80}, {"wss://", 443}};
    for (size_t i = 0; i < ARRAY_LEN(known); i++)
        if (strncasecmp(url, known[i].scheme, strlen(known[i].scheme)) == 0)
            return known[i].port;
    return usual;
}

void needs_connect_url(struct needs *needs, const char *option, const char *url, uint16_t usual)
{
    char port[8] = "";
    const char *scheme = strstr(url, "://");
    const char *authority = scheme ? scheme + 3 : url;
    size_t len = strcspn(authority, "/?#");
    const char *at = memrchr(authority, '@', len);
    const char *host = at ? at + 1 : authority, *end = authority + len;
    const char *bracket = memchr(host, ']', (size_t)(end - host));
    const char *from = bracket ? bracket : host;
    const char *colon = memchr(from, ':', (size_t)(end - from));
    if (colon && end - colon - 1 < (ptrdiff_t)sizeof(port))
        snprintf(port, sizeof(port), "%.*s", (int)(end - colon - 1), colon + 1);
    if (port[0])
        needs_connect(needs, option, port);
    else
        add_port(needs, option, port_of_scheme(url, usual));
}

void needs_connect_anywhere(struct needs *needs, const char *option)
{
    add(needs, (struct need){.kind = NEED_CONNECT_ANYWHERE, .option = option});
}

bool needs_folder(char *out, const char *path)
{
    const char *slash = memrchr(path, '/', strcspn(path, "%"));
    if (!slash)
        return snprintf(out, PATH_MAX, ".") > 0;
    size_t len = slash == path ? 1 : (size_t)(slash - path);
    return snprintf(out, PATH_MAX, "%.*s", (int)len, path) < PATH_MAX;
}
