/* SPDX-License-Identifier: MIT */
#include "capture/source.h"

#include <string.h>

int source_open(struct source *s, const struct raw_address *address, const struct sharing *sharing,
                const struct options *options, int stop_fd, struct err *err)
{
    if (address->is_file)
        return source_open_file(s, address, stop_fd, err);
    if (strcmp(options_string(options, "input-raw-engine"), "vxlan") == 0)
        return source_open_vxlan(s, address, options, err);
    return source_open_live(s, address, sharing, options, err);
}
