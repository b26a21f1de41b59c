/* SPDX-License-Identifier: MIT */
#include "outputs/elastic_url.h"

#include <errno.h>
#include <string.h>
#include <strings.h>

#include <curl/curl.h>

#include "lib/mem.h"
#include "lib/span.h"
#include "outputs/http_target.h"

#define OPTION "output-http-elasticsearch"
#define FORM "[http[s]://][USER[:PASSWORD]@]HOST[:PORT]/INDEX"
/* Of the answer no more than is read. */
#define PATH "/_bulk"
#define QUERY "timeout=20s&filter_path=items.*.status,items.*.error.type"

/* What stands before the '@' in the authority; ptr NULL: there is none. */
static struct span user_of(const char *address)
{
    const char *start = strstr(address, "://");
    start = start ? start + 3 : address;
    struct span user = {0};
    for (size_t i = 0; i < strcspn(start, "/?#"); i++)
        if (start[i] == '@')
            user = span_of(start, i);
    return user;
}

/* The address as it may be shown: without user information. */
static char *without_user(const char *address, struct span user)
{
    struct span all = span_str(address);
    size_t before = user.ptr ? (size_t)(user.ptr - all.ptr) : 0;
    size_t behind = user.ptr ? before + user.len + 1 : 0;
    const struct span pieces[] = {span_of(all.ptr, before), span_from(all, behind)};
    return http_join(pieces, ARRAY_LEN(pieces));
}

/* Percent-decoded; NULL: no memory. */
static char *decoded(struct span s)
{
    char *plain = curl_easy_unescape(NULL, (const char *)s.ptr, (int)s.len, NULL);
    char *copy = plain ? mem_strdup(MEM_OTHER, plain) : NULL;
    curl_free(plain);
    return copy;
}

static int read_login(struct elastic_url *url, struct span user, const char *password,
                      struct err *err)
{
    const uint8_t *colon = user.len > 0 ? memchr(user.ptr, ':', user.len) : NULL;
    size_t name_len = colon ? (size_t)(colon - user.ptr) : user.len;
    if (password[0] && name_len == 0)
        return err_usage(err, "--" OPTION "-password: whose? Name the user in the URL: " FORM);
    if (password[0] && colon)
        return err_usage(err, "--" OPTION "-password: there is a password in the URL already");
    if (name_len == 0)
        return 0;
    url->user = decoded(span_of(user.ptr, name_len));
    url->password =
        colon ? decoded(span_from(user, name_len + 1)) : mem_strdup(MEM_OTHER, password);
    return url->user && url->password ? 0 : err_sys(err, ENOMEM, "--" OPTION);
}

/* The rules of Elasticsearch for names, as far as they can be told apart from %XX. A name in '<',
 * which can only be written so, is date math: the node works it out. */
static int check_index(const char *path, const char *shown, struct err *err)
{
    const char *slash = strrchr(path, '/');
    const char *index = slash ? slash + 1 : "";
    if (!index[0])
        return err_usage(err, "--" OPTION " \"%s\": no index (write " FORM ")", shown);
    if (strchr("-_+", index[0]))
        return err_usage(err, "--" OPTION " \"%s\": the name of an index cannot begin with %c",
                         shown, index[0]);
    if (strncasecmp(index, "%3c", 3) == 0)
        return 0;
    for (const char *p = index; *p; p++) {
        if (*p == '%' && p[1] && p[2])
            p += 2;
        else if ((*p >= 'A' && *p <= 'Z') || strchr("\\*\"<>|,:", *p))
            return err_usage(err,
                             "--" OPTION " \"%s\": the name of an index cannot hold %c (it is in "
                             "lower case)",
                             shown, *p);
    }
    return 0;
}

/* The URL of bulks. */
static CURLUcode join(struct elastic_url *url, CURLU *u, const struct http_target *target)
{
    char *text = NULL;
    const struct span pieces[] = {span_str(target->prefix), span_str(PATH)};
    char *path = http_join(pieces, ARRAY_LEN(pieces));
    CURLUcode r = path ? curl_url_set(u, CURLUPART_URL, target->url, 0) : CURLUE_OUT_OF_MEMORY;
    if (r == CURLUE_OK && curl_url_get(u, CURLUPART_PORT, &text, 0) == CURLUE_NO_PORT)
        r = curl_url_set(u, CURLUPART_PORT, "9200", 0);
    curl_free(text);
    text = NULL;
    if (r == CURLUE_OK)
        r = curl_url_set(u, CURLUPART_PATH, path, 0);
    if (r == CURLUE_OK)
        r = curl_url_set(u, CURLUPART_QUERY, QUERY, 0);
    if (r == CURLUE_OK)
        r = curl_url_get(u, CURLUPART_URL, &text, 0);
    url->bulk = r == CURLUE_OK ? mem_strdup(MEM_OTHER, text) : NULL;
    curl_free(text);
    mem_free(path);
    return r == CURLUE_OK && !url->bulk ? CURLUE_OUT_OF_MEMORY : r;
}

static int parse(struct elastic_url *url, const char *address, const char *password,
                 struct err *err)
{
    struct http_target target = {0};
    struct span user = user_of(address);
    char *bare = without_user(address, user);
    if (!bare)
        return err_sys(err, ENOMEM, "--" OPTION);
    int r = http_target_parse(&target, OPTION, bare, err);
    mem_free(bare);
    if (r == 0) {
        url->shown = mem_strdup(MEM_OTHER, target.shown);
        r = url->shown ? check_index(target.prefix, target.shown, err)
                       : err_sys(err, ENOMEM, "--" OPTION);
    }
    if (r == 0)
        r = read_login(url, user, password, err);
    CURLU *u = curl_url();
    CURLUcode code = u ? CURLUE_OK : CURLUE_OUT_OF_MEMORY;
    if (r == 0 && u)
        code = join(url, u, &target);
    if (r == 0 && code != CURLUE_OK)
        r = err_failure(err, "--" OPTION " \"%s\": %s", url->shown, curl_url_strerror(code));
    curl_url_cleanup(u);
    http_target_fini(&target);
    return r;
}

int elastic_url_parse(struct elastic_url *url, const char *address, const char *password,
                      struct err *err)
{
    struct elastic_url parsed = {0};
    int r = parse(&parsed, address, password, err);
    if (r < 0)
        elastic_url_fini(&parsed);
    else
        *url = parsed;
    return r;
}

void elastic_url_fini(struct elastic_url *url)
{
    mem_free(url->bulk);
    mem_free(url->user);
    mem_free(url->password);
    mem_free(url->shown);
    *url = (struct elastic_url){0};
}
