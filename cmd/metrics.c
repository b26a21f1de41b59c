/* SPDX-License-Identifier: MIT */
#include "cmd/metrics.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cmd/metrics_text.h"
#include "cmd/replace_file.h"
#include "lib/clock.h"
#include "lib/log.h"
#include "lib/mem.h"

struct metrics {
    struct view *view;
    struct metrics_server *server; /* borrowed; NULL: no --metrics-address */
    const char *path; /* of the file; "": none */
    int64_t every_ns, due_ns; /* it is written */
    bool told; /* that it cannot be */
    bool begun;
};

static const char *address_of(const struct options *options)
{
    return options_string(options, "metrics-address");
}

bool metrics_wanted(const struct options *options)
{
    return *address_of(options) || *options_string(options, "metrics-file");
}

int metrics_check(const struct options *options, struct err *err)
{
    if (options_duration_ns(options, "metrics-interval") < NS_PER_S)
        return err_usage(err, "--metrics-interval: at least 1s");
    return *address_of(options) ? metrics_server_check(address_of(options), err) : 0;
}

/* It is for another user's node_exporter, which reads only what ends in .prom. */
static int write_file(const struct metrics *m, struct err *err)
{
    const struct replacing to = {.path = m->path, .suffix = ".new", .mode = 0644};
    char *text = NULL;
    size_t len = 0;
    int r = metrics_text(&text, &len, m->view);
    if (r == 0)
        r = replace_file(&to, text, len);
    free(text);
    return r == 0 ? 0 : err_sys(err, -r, "--metrics-file \"%s\"", m->path);
}

int metrics_listen(struct metrics_server **serverp, const struct options *options, struct err *err)
{
    *serverp = NULL;
    return *address_of(options) ? metrics_server_open(serverp, address_of(options), err) : 0;
}

int metrics_open(struct metrics **metricsp, struct metrics_server *server, const struct view_of *of,
                 struct err *err)
{
    *metricsp = NULL;
    if (!metrics_wanted(of->options))
        return 0;
    struct metrics *m = mem_zalloc(MEM_OTHER, sizeof(*m));
    if (!m)
        return err_sys(err, ENOMEM, "start");
    m->server = server;
    m->path = options_string(of->options, "metrics-file");
    m->every_ns = options_duration_ns(of->options, "metrics-interval");
    m->due_ns = clock_mono_ns() + m->every_ns;
    m->view = view_new(of);
    int r = m->view ? 0 : err_sys(err, ENOMEM, "start");
    if (r == 0 && *m->path)
        r = write_file(m, err);
    if (r < 0) {
        metrics_close(m);
        return r;
    }
    *metricsp = m;
    return 0;
}

int metrics_serve(struct metrics *m, struct err *err)
{
    return m && m->server ? metrics_server_start(m->server, m->view, err) : 0;
}

void metrics_begin(struct metrics *m)
{
    if (!m)
        return;
    m->begun = true;
    view_turn(m->view, clock_mono_ns());
    atomic_store(&m->view->running, true);
}

static void keep_file(struct metrics *m)
{
    struct err err;
    if (write_file(m, &err) == 0) {
        m->told = false;
    } else if (!m->told) {
        m->told = true;
        log_warn(NULL, "%s", err.text);
    }
}

int64_t metrics_tick(struct metrics *m, int64_t now_ns)
{
    if (!m)
        return INT64_MAX;
    view_turn(m->view, now_ns);
    if (*m->path && now_ns >= m->due_ns) {
        m->due_ns = now_ns + m->every_ns;
        keep_file(m);
    }
    return now_ns + VIEW_TURN_NS;
}

void metrics_hold(struct metrics *m)
{
    view_hold(m ? m->view : NULL);
}

void metrics_release(struct metrics *m)
{
    view_release(m ? m->view : NULL);
}

void metrics_stop(struct metrics *m)
{
    if (!m)
        return;
    metrics_server_stop(m->server);
    if (m->view)
        atomic_store(&m->view->running, false);
}

void metrics_close(struct metrics *m)
{
    if (!m)
        return;
    metrics_stop(m);
    if (*m->path && m->begun)
        keep_file(m);
    view_free(m->view);
    mem_free(m);
}
