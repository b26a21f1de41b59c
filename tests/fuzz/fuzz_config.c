/* SPDX-License-Identifier: MIT */
/* Any text as a file for --config: what is taken can be written, and reads as the same again.
 * Input: the file. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cmd/config_file.h"
#include "cmd/options_table.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What is written of the options that stand in text; NULL: they are not taken, or have line ends.
 */
static char *written(struct span text)
{
    const struct config_text config = {.path = "x", .text = text};
    struct options *o;
    struct err err;
    char *out = NULL;
    size_t len;
    if (options_new(&o, &refrain_options) < 0)
        abort();
    int r = config_text_read(o, &refrain_options, &config, &err);
    FILE *f = r == 0 ? open_memstream(&out, &len) : NULL;
    if (f) {
        r = config_file_dump(f, o, &refrain_options, &err);
        fclose(f);
    }
    options_free(o);
    if (r == 0)
        return out;
    free(out);
    return NULL;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    /* secrets are read from files that it may name: left out */
    if (memmem(data, size, "@", 1))
        return 0;
    char *once = written(span_of(data, size));
    if (!once)
        return 0;
    char *twice = written(span_str(once));
    if (!twice || strcmp(once, twice) != 0)
        abort();
    free(once);
    free(twice);
    return 0;
}
