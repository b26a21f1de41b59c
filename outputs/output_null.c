/* SPDX-License-Identifier: MIT */
/* output-null: takes everything and does nothing with it. For measuring what comes before it, and
 * the file to copy for a new output. */
#include <errno.h>

#include "lib/mem.h"
#include "outputs/outputs.h"

static int null_open(struct output **outp, const struct output_args *args, struct err *err)
{
    struct output *out = mem_zalloc(MEM_OTHER, sizeof(*out));
    if (!out)
        return err_sys(err, ENOMEM, "--output-null");
    *out = (struct output){.ops = &output_null, .books = args->books};
    *outp = out;
    return 0;
}

static enum output_result null_write(struct output *out, const struct msg *msg)
{
    (void)out;
    (void)msg;
    return OUTPUT_DONE;
}

static void null_close(struct output *out)
{
    mem_free(out);
}

const struct output_ops output_null = {
    .option = "output-null",
    .is_switch = true,
    .at_once = true, /* there is nothing to wait for */
    .open = null_open,
    .write = null_write,
    .close = null_close,
};
