/* SPDX-License-Identifier: MIT */
#include "capture/networks.h"

int networks_read(struct networks *networks, const struct options *options, struct err *err)
{
    struct networks n = {.by_vlan = false};
    int64_t id;
    for (size_t i = 0; options_nth_int(options, "input-raw-vlan-vid", i, &id); i++) {
        assert(id >= 0 && id < VLAN_IDS);
        n.vlans[id / 64] |= UINT64_C(1) << id % 64;
        n.by_vlan = true;
    }
    for (size_t i = 0; options_nth_int(options, "input-raw-vxlan-vni", i, &id); i++) {
        if (n.n_vnis == VNIS_MAX)
            return err_usage(err, "--input-raw-vxlan-vni: more than %d networks", VNIS_MAX);
        n.vnis[n.n_vnis++] = (int32_t)id;
    }
    *networks = n;
    return 0;
}

bool networks_has_vni(const struct networks *n, uint32_t vni)
{
    for (size_t i = 0; i < n->n_vnis; i++) {
        int64_t entry = n->vnis[i];
        if (entry == vni || -entry == vni)
            return entry >= 0;
    }
    return networks_has_no_vni(n);
}

bool networks_has_no_vni(const struct networks *n)
{
    for (size_t i = 0; i < n->n_vnis; i++)
        if (n->vnis[i] < 0)
            return true;
    return n->n_vnis == 0;
}
