/* SPDX-License-Identifier: MIT */
#include "cmd/state_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cmd/replace_file.h"
#include "lib/log.h"
#include "report/json_object.h"

#define VERSION 1
/* What outlives a restart: the file of --stop-file is there itself, or not. */
#define REMEMBERED (PAUSED_BY_HAND | PAUSED_BY_GUARD)

/* --- writing --- */

static json_t *json_item(const struct steered *item)
{
    char steps[256];
    struct object o = object_new();
    put(&o, "by_hand", json_boolean(item->paused & PAUSED_BY_HAND));
    put(&o, "by_guard", json_boolean(item->paused & PAUSED_BY_GUARD));
    put_text(&o, "why", item->why);
    if (item->ramp.n == 0)
        return o.json;
    ramp_text(&item->ramp, steps, sizeof(steps));
    put_text(&o, "ramp", steps);
    put_integer(&o, "step", item->ramp.step);
    put(&o, "percent", json_real(ramp_percent(&item->ramp)));
    put_seconds(&o, "elapsed_s", item->ramp.elapsed_ns);
    put(&o, "held", json_boolean(item->ramp.held));
    return o.json;
}

static json_t *json_state(const struct steer *steer)
{
    struct object items = object_new(), state = object_new();
    for (const struct steered *item = steer_next(steer, NULL); item; item = steer_next(steer, item))
        if (item->ramp.n > 0 || (item->paused & REMEMBERED))
            put(&items, item->name, json_item(item));
    put_integer(&state, "version", VERSION);
    put(&state, "items", items.json);
    return state.json;
}

int state_file_write(const char *path, const struct steer *steer, bool sync, struct err *err)
{
    json_t *state = json_state(steer);
    char *text = state ? json_dumps(state, JSON_INDENT(1) | JSON_REAL_PRECISION(12)) : NULL;
    json_decref(state);
    const struct replacing to = {.path = path, .suffix = ".new", .mode = 0600, .sync = sync};
    int r = text ? replace_file(&to, text, strlen(text)) : -ENOMEM;
    free(text);
    return r < 0 ? err_sys(err, -r, "--state %s", path) : 0;
}

/* --- reading --- */

static void read_ramp(struct steered *item, const json_t *state)
{
    char steps[256];
    struct ramp *ramp = &item->ramp;
    const char *written = json_string_value(json_object_get(state, "ramp"));
    json_int_t step = json_integer_value(json_object_get(state, "step"));
    double elapsed_s = json_number_value(json_object_get(state, "elapsed_s"));
    double percent = json_number_value(json_object_get(state, "percent"));
    if (ramp->n == 0 || !written)
        return;
    ramp->held = json_is_true(json_object_get(state, "held"));
    ramp_text(ramp, steps, sizeof(steps));
    if (strcmp(steps, written) == 0 && step >= 0 && (size_t)step < ramp->n) {
        ramp->step = (size_t)step;
        if (elapsed_s > 0 && elapsed_s * 1e9 < (double)ramp->every_ns)
            ramp->elapsed_ns = (int64_t)(elapsed_s * 1e9);
    } else {
        for (size_t i = 0; i < ramp->n; i++)
            if (ramp->steps[i] == percent)
                ramp->step = i;
    }
    log_info(NULL, "%s: the ramp goes on from %.10g%%%s", item->name, ramp_percent(ramp),
             ramp->held ? ", where it is held until refrain ctl resume" : "");
}

static void read_item(struct steer *steer, struct steered *item, const json_t *state)
{
    const char *why = json_string_value(json_object_get(state, "why"));
    snprintf(item->why, sizeof(item->why), "%s", why ? why : "");
    read_ramp(item, state);
    if (item->ramp.n > 0)
        steer_follow_ramp(steer, item);
    if (json_is_true(json_object_get(state, "by_hand")))
        steer_pause(steer, item, PAUSED_BY_HAND);
    if (json_is_true(json_object_get(state, "by_guard")))
        steer_pause(steer, item, PAUSED_BY_GUARD);
}

/* The file's JSON; NULL with *r 0: there is none. */
static json_t *load(const char *path, int *r, struct err *err)
{
    json_error_t error;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (fd == -1 && errno == ENOENT) {
        *r = 0;
        return NULL;
    }
    if (fd == -1) {
        *r = err_sys(err, errno, "--state %s", path);
        return NULL;
    }
    json_t *state = json_loadfd(fd, JSON_DISABLE_EOF_CHECK, &error);
    close(fd);
    if (json_integer_value(json_object_get(state, "version")) == VERSION)
        return state;
    json_decref(state);
    *r = err_failure(
        err, "--state %s: not a state of this version of refrain; remove it to begin anew", path);
    return NULL;
}

int state_file_read(const char *path, struct steer *steer, struct err *err)
{
    int r = 0;
    json_t *state = load(path, &r, err);
    const json_t *items = json_object_get(state, "items");
    for (struct steered *item = steer_next(steer, NULL); item; item = steer_next(steer, item)) {
        const json_t *written = json_object_get(items, item->name);
        if (json_is_object(written))
            read_item(steer, item, written);
    }
    json_decref(state);
    return r;
}
