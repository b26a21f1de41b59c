# SPDX-License-Identifier: MIT
# shellcheck shell=sh
# Points of TAP, one for each check; sourced by style.sh and lint.sh.
point=0
failed=0

# report NAME FAULTS: ok when there are none.
report()
{
    point=$((point + 1))
    if [ -z "$2" ]; then
        echo "ok $point - $1"
        return
    fi
    failed=1
    echo "not ok $point - $1"
    echo "$2" | head -n 40 | sed 's/^/# /'
}

# skip NAME TOOL
skip()
{
    point=$((point + 1))
    echo "ok $point - $1 # SKIP $2 is not installed"
}
