/* SPDX-License-Identifier: MIT */
/* Commands of a shell that are taken for a request give one that can be written as a command again,
 * which then is taken too; the script is cut into commands without end. Input: the script. */
#include <stdlib.h>

#include "tools/curl.h"
#include "tools/shell_words.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool holds)
{
    if (!holds)
        abort();
}

static void read_command(struct span command)
{
    struct msg *msg = NULL, *again = NULL;
    char why[WHY_MAX];
    const char *unfit = NULL;
    struct buf buf;
    int r = curl_read(command, &msg, why);
    check(r == 0 || (r == -22 && !msg));
    if (!msg)
        return;
    check(msg->http.head_len > 0);
    buf_init(&buf, 16 * MIB);
    r = curl_write(&buf, msg, &unfit);
    check(r == 0 || (r == -22 && unfit));
    struct span text = buf_span(&buf);
    if (r == 0) {
        check(shell_command_len(text) == text.len);
        check(curl_read(text, &again, why) == 0 && again);
        check(span_eq(msg_target(msg), msg_target(again)));
        check(span_eq(msg_method(msg), msg_method(again)));
    }
    buf_fini(&buf);
    msg_unref(msg);
    msg_unref(again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct span script = span_of(data, size);
    while (script.len > 0) {
        size_t len = shell_command_len(script);
        check(len <= script.len);
        len = len > 0 ? len : script.len;
        read_command(span_of(script.ptr, len));
        script = span_from(script, len);
    }
    return 0;
}
