/* SPDX-License-Identifier: MIT */
#include "lib/recent.h"

#include <errno.h>

#include "lib/mem.h"

struct recent {
    uint64_t keys[RECENT_KEYS]; /* 0: none */
};

int recent_new(struct recent **recentp)
{
    *recentp = mem_zalloc(MEM_OTHER, sizeof(**recentp));
    return *recentp ? 0 : -ENOMEM;
}

void recent_free(struct recent *recent)
{
    mem_free(recent);
}

bool recent_add(struct recent *recent, uint64_t key)
{
    uint64_t *slot = &recent->keys[key % RECENT_KEYS];
    key += key == 0;
    bool known = *slot == key;
    *slot = key;
    return known;
}
