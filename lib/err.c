/* SPDX-License-Identifier: MIT */
#include "lib/err.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "lib/userinfo.h"

PRINTF_LIKE(3, 0)
static void set(struct err *err, enum exit_status status, const char *fmt, va_list args)
{
    err->status = status;
    vsnprintf(err->text, sizeof(err->text), fmt, args);
    userinfo_hide(err->text, sizeof(err->text));
}

int err_usage(struct err *err, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    set(err, STATUS_USAGE, fmt, args);
    va_end(args);
    return -EINVAL;
}

int err_permission(struct err *err, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    set(err, STATUS_PERMISSION, fmt, args);
    va_end(args);
    return -EPERM;
}

int err_failure(struct err *err, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    set(err, STATUS_FAILURE, fmt, args);
    va_end(args);
    return -EIO;
}

int err_sys(struct err *err, int errnum, const char *fmt, ...)
{
    assert(errnum > 0);
    va_list args;
    va_start(args, fmt);
    set(err, STATUS_FAILURE, fmt, args);
    va_end(args);
    size_t used = strlen(err->text);
    snprintf(err->text + used, sizeof(err->text) - used, ": %s", err_text(errnum));
    return -errnum;
}

const char *err_text(int errnum)
{
    const char *text = strerrordesc_np(errnum); /* strerror() is not thread-safe */
    return text ? text : "unknown error";
}
