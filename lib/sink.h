/* SPDX-License-Identifier: MIT */
/* Where an input puts its messages. */
#pragma once

#include "lib/msg.h"

struct sink {
    /* Takes msg. May wait when the input is one that can (files): see input_ops.live. */
    void (*put)(struct sink *sink, const struct msg *msg);
    /* Optional: who waits for what was put goes to work now, instead of when the input returns. */
    void (*kick)(struct sink *sink);
};

static inline void sink_put(struct sink *sink, const struct msg *msg)
{
    sink->put(sink, msg);
}
static inline void sink_kick(struct sink *sink)
{
    if (sink->kick)
        sink->kick(sink);
}
