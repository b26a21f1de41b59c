/* SPDX-License-Identifier: MIT */
/* Where an input puts its messages. */
#pragma once

#include "lib/msg.h"

struct sink {
    /* Takes msg. May wait when the input is one that can (files): see input_ops.live. */
    void (*put)(struct sink *sink, const struct msg *msg);
};

static inline void sink_put(struct sink *sink, const struct msg *msg)
{
    sink->put(sink, msg);
}
