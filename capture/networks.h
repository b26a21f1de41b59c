/* SPDX-License-Identifier: MIT */
/* Which VLANs and VXLAN networks are wanted: --input-raw-vlan-vid, --input-raw-vxlan-vni. */
#pragma once

#include "lib/base.h"
#include "lib/err.h"
#include "lib/options.h"

#define VLAN_IDS 4096
#define VNIS_MAX 64

struct networks {
    uint64_t vlans[VLAN_IDS / 64];
    bool by_vlan; /* one of vlans must be among a packet's tags */
    int32_t vnis[VNIS_MAX]; /* in the order given; negative: not that one */
    size_t n_vnis; /* 0: all */
};

/* 0, or -EINVAL with err filled. */
MUST_CHECK int networks_read(struct networks *networks, const struct options *options,
                             struct err *err);

static inline bool networks_is_any(const struct networks *n)
{
    return !n->by_vlan && n->n_vnis == 0;
}

/* id < VLAN_IDS */
static inline bool networks_has_vlan(const struct networks *n, uint32_t id)
{
    return n->vlans[id / 64] >> id % 64 & 1;
}

/* gor's rule: the first entry that names it decides; what none names is taken when there is one
 * that leaves something out. */
bool networks_has_vni(const struct networks *n, uint32_t vni);
/* The same for a packet outside all VXLANs. */
bool networks_has_no_vni(const struct networks *n);
