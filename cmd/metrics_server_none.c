/* SPDX-License-Identifier: MIT */
/* In the place of metrics_server.c where there is no libmicrohttpd. */
#include "cmd/metrics_server.h"

int metrics_server_check(const char *address, struct err *err)
{
    return err_usage(err,
                     "--metrics-address \"%s\": this refrain was built without libmicrohttpd; "
                     "--metrics-file does without",
                     address);
}

int metrics_server_open(struct metrics_server **serverp, const char *address, struct err *err)
{
    *serverp = NULL;
    return metrics_server_check(address, err);
}

int metrics_server_start(struct metrics_server *server, struct view *view, struct err *err)
{
    (void)server, (void)view, (void)err;
    return 0;
}

void metrics_server_stop(struct metrics_server *server)
{
    (void)server;
}

void metrics_server_close(struct metrics_server *server)
{
    (void)server;
}
