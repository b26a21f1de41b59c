/* SPDX-License-Identifier: MIT */
#include "outputs/farewell.h"

#include <linux/sockios.h>
#include <sys/ioctl.h>

/* How long the end waits for the peer's: while bytes still go out, and when all are out. */
#define STALL_NS (10 * NS_PER_S)
#define ANSWER_NS (2 * NS_PER_S)

static int unsent_bytes(int fd)
{
    int n = 0;
    return ioctl(fd, SIOCOUTQ, &n) == -1 ? 0 : n;
}

void farewell_init(struct farewell *f, int fd, int64_t now_ns)
{
    f->unsent = unsent_bytes(fd);
    f->deadline_ns = now_ns + (f->unsent > 0 ? STALL_NS : ANSWER_NS);
}

bool farewell_over(struct farewell *f, int fd, int64_t now_ns)
{
    int unsent = unsent_bytes(fd);
    if (unsent < f->unsent)
        f->deadline_ns = now_ns + (unsent > 0 ? STALL_NS : ANSWER_NS);
    f->unsent = unsent;
    return now_ns >= f->deadline_ns;
}
