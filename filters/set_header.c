/* SPDX-License-Identifier: MIT */
/* --http-set-header "Name: Value": the value of the first field of that name is replaced, or the
 * field added as the first one, in the order given (so several new ones appear reversed, as gor
 * has it). What is no HTTP request stays as it is. */
#include <errno.h>

#include "filters/filters.h"
#include "lib/http_edit.h"
#include "lib/mem.h"

#define OPTION "http-set-header"

struct set_header {
    struct filter base;
    size_t n;
    struct {
        struct span name, value;
    } fields[]; /* point into the options */
};

/* A probe that tells whether a name and value make a field. */
static int check(struct span name, struct span value, const char *text, struct err *err)
{
    static const char head[] = "GET / HTTP/1.1\r\n\r\n";
    const struct msg *out = NULL;
    struct msg *probe = msg_new(sizeof(head) - 1);
    if (!probe)
        return err_sys(err, ENOMEM, "--" OPTION);
    memcpy(probe->bytes, head, sizeof(head) - 1);
    probe->len = sizeof(head) - 1;
    probe->type = MSG_REQUEST;
    msg_parse_head(probe);
    int r = http_edit_set_field(probe, name, value, &out);
    if (r == 0)
        msg_unref(out);
    msg_unref(probe);
    if (r == -ENOMEM)
        return err_sys(err, ENOMEM, "--" OPTION);
    if (r < 0)
        return err_usage(err, "--" OPTION " \"%s\": not a header field that could be sent", text);
    return 0;
}

static int set_header_open(struct filter **filterp, const struct options *options, struct err *err)
{
    size_t n = 0;
    while (options_nth(options, OPTION, n))
        n++;
    if (n == 0)
        return 0;
    struct set_header *f = mem_zalloc(MEM_OTHER, sizeof(*f) + n * sizeof(f->fields[0]));
    if (!f)
        return err_sys(err, ENOMEM, "--" OPTION);
    f->base.ops = &filter_set_header;
    int r = 0;
    for (; f->n < n && r == 0; f->n++) {
        const char *text = options_nth(options, OPTION, f->n);
        const char *colon = strchr(text, ':');
        size_t name_len = colon ? (size_t)(colon - text) : 0;
        struct span name = span_trim(span_of(text, name_len));
        struct span value = span_trim(span_str(colon ? colon + 1 : ""));
        f->fields[f->n].name = name;
        f->fields[f->n].value = value;
        r = name.len > 0 ? check(name, value, text, err)
                         : err_usage(err, "--" OPTION " \"%s\": expected \"Name: Value\"", text);
    }
    if (r < 0) {
        mem_free(f);
        return r;
    }
    *filterp = &f->base;
    return 0;
}

static enum verdict set_header_apply(struct filter *filter, const struct msg *msg,
                                     const struct msg **out)
{
    const struct set_header *f = container_of(filter, struct set_header, base);
    if (msg->http.head_len == 0)
        return VERDICT_PASS;
    const struct msg *current = msg_ref(msg);
    for (size_t i = 0; i < f->n; i++) {
        const struct msg *next = NULL;
        int r = http_edit_set_field(current, f->fields[i].name, f->fields[i].value, &next);
        msg_unref(current);
        if (r < 0)
            return VERDICT_FAIL; /* no memory, or the head would grow beyond its limit */
        current = next;
    }
    if (current == msg) {
        msg_unref(current);
        return VERDICT_PASS;
    }
    *out = current;
    return VERDICT_REPLACE;
}

static void set_header_close(struct filter *filter)
{
    if (filter)
        mem_free(container_of(filter, struct set_header, base));
}

const struct filter_ops filter_set_header = {
    .name = OPTION,
    .stage = FILTER_REWRITE,
    .open = set_header_open,
    .apply = set_header_apply,
    .close = set_header_close,
};
