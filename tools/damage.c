/* SPDX-License-Identifier: MIT */
#include "tools/damage.h"

#include <inttypes.h>
#include <string.h>

bool damage_is_json(const struct options *options)
{
    return strcmp(options_string(options, "summary"), "json") == 0;
}

/* A name may hold anything: neither a terminal nor a reader of JSON is led astray by it. */
static void put_name(FILE *out, const char *name, bool json)
{
    for (const char *p = name; *p; p++) {
        unsigned char c = (unsigned char)*p;
        if (c < ' ' || c == 0x7f)
            fprintf(out, json ? "\\u%04x" : "\\x%02x", (unsigned)c);
        else if (json && (c == '"' || c == '\\'))
            fprintf(out, "\\%c", c);
        else
            fputc(c, out);
    }
}

void damage_print(FILE *out, const struct options *options, const struct reader_damage *damage,
                  const char *fate)
{
    bool json = damage_is_json(options);
    fputs(json ? "{\"file\": \"" : "", out);
    put_name(out, damage->path, json);
    fprintf(out,
            json ? "\", \"offset\": %" PRIu64 ", \"bytes\": %" PRIu64
                   ", \"fate\": \"%s\", \"what\": \"%s\""
                 : ": byte %" PRIu64 ": %" PRIu64 " bytes %s: %s",
            damage->offset, damage->len, fate, damage->what);
    if (damage->compressed)
        fprintf(out,
                json ? ", \"compressed_offset\": %" PRIu64
                     : " (in the uncompressed data; near byte %" PRIu64 " of the file)",
                damage->file_offset);
    fputs(json ? "}\n" : "\n", out);
}
