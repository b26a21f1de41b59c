#!/bin/sh
# SPDX-License-Identifier: MIT
# The slow checks: clang-tidy and cppcheck over every file that is compiled. Prints TAP, one point
# per file for clang-tidy. usage: lint.sh SOURCE_DIR BUILD_DIR
source_dir=$(cd "$1" && pwd) || exit 1
build_dir=$(cd "$2" && pwd) || exit 1
cd "$source_dir" || exit 1
out=$(mktemp -d) || exit 1
trap 'rm -rf "$out"' EXIT
. tests/style/tap.sh

compiled()
{
    find cmd lib capture reassembly compare filters middleware outputs report tools -name '*.c' | sort | while read -r file; do
        grep -q "$file\"" "$build_dir/compile_commands.json" && echo "$file"
    done
}

if command -v clang-tidy-14 >/dev/null 2>&1; then
    # compile_commands.json has switches of gcc that clang does not know
    compiled | xargs -P "$(nproc)" -I '{}' sh -c "
        clang-tidy-14 --quiet --extra-arg=-Wno-unknown-warning-option -p '$build_dir' '{}' \
            2>/dev/null | grep -E 'warning:|error:' >'$out/'\$(echo '{}' | tr / _)"
    for file in $(compiled); do
        report "clang-tidy: $file" "$(cat "$out/$(echo "$file" | tr / _)")"
    done
else
    skip 'clang-tidy' clang-tidy-14
fi

if command -v cppcheck >/dev/null 2>&1; then
    report 'cppcheck' "$(cppcheck --quiet --std=c11 --inline-suppr -j "$(nproc)" -I . \
        -I "$build_dir" --enable=warning,performance,portability \
        --suppress=missingIncludeSystem --suppress=unknownMacro \
        --template='{file}:{line}: {id}: {message}' \
        cmd lib capture reassembly compare filters middleware outputs report tools 2>&1)"
else
    skip 'cppcheck' cppcheck
fi
echo "1..$point"
exit $failed
