/* SPDX-License-Identifier: MIT */
/* The page is made at build time (embed.py) in two parts, between which the data go. */
#include <errno.h>

#include "report/page.inc"
#include "report/report.h"

/* In JSON '<' stands in strings only. Written so, no text can end the element that holds it, or
 * begin a comment or another script (HTML, 13.2.5.15 and following). */
static int put_escaped(const char *text, size_t len, void *arg)
{
    FILE *f = arg;
    size_t from = 0;
    for (size_t i = 0; i <= len; i++) {
        if (i < len && text[i] != '<')
            continue;
        if (fwrite(text + from, 1, i - from, f) != i - from ||
            (i < len && fputs("\\u003c", f) == EOF))
            return -1;
        from = i + 1;
    }
    return 0;
}

int report_write_html(FILE *f, const json_t *report)
{
    errno = 0;
    fwrite(page_before, 1, sizeof(page_before), f);
    int r = json_dump_callback(report, put_escaped, f,
                               JSON_COMPACT | JSON_ENSURE_ASCII | JSON_REAL_PRECISION(9));
    fwrite(page_after, 1, sizeof(page_after), f);
    if (fflush(f) == 0 && !ferror(f))
        return r < 0 ? -ENOMEM : 0;
    return errno != 0 ? -errno : -EIO;
}
