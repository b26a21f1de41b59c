/* SPDX-License-Identifier: MIT */
#include "capture/raw_probe.h"

#include <stdio.h>
#include <string.h>

#include "capture/decode.h"
#include "capture/source.h"

int raw_probe(struct raw_probe *probe, const char *address, const struct options *options,
              struct err *err)
{
    struct raw_probe found = {.decoded = false};
    struct source source = {.fd = -1};
    const struct sharing alone = {.is_shared = false};
    bool file_engine = strcmp(options_string(options, "input-raw-engine"), "pcap_file") == 0;
    int r = raw_address_parse(&found.address, address, file_engine, err);
    if (r < 0)
        return r;
    r = source_open(&source, &found.address, &alone, options, -1, err);
    bool is_pipe = r == 0 && found.address.is_file && source_is_pipe(&source);
    if (r == 0 && found.address.is_file && !is_pipe)
        r = source_begin_file(&source, options, err);
    if (r == 0) {
        const char *link = source.vxlan ? "VXLAN"
                           : is_pipe    ? NULL /* nobody can tell before something comes */
                                        : pcap_datalink_val_to_name(source.link_type);
        found.decoded = is_pipe || decoder_knows(source.link_type);
        snprintf(found.name, sizeof(found.name), "%s", source.name);
        snprintf(found.link_type, sizeof(found.link_type), "%s", link ? link : "not known yet");
        snprintf(found.filter, sizeof(found.filter), "%s", source.filter);
        *probe = found;
    }
    source_close(&source);
    return r;
}
