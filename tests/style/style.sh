#!/bin/sh
# SPDX-License-Identifier: MIT
# The quick house rules: format, white space, sizes, forbidden calls, shell scripts, manual pages.
# Prints TAP. A check whose tool is missing is skipped. usage: style.sh [SOURCE_DIR]
cd "${1:-$(dirname "$0")/../..}" || exit 1
. tests/style/tap.sh

have()
{
    command -v "$1" >/dev/null 2>&1
}

c_files()
{
    find cmd lib capture reassembly compare filters middleware outputs report tools tests -name '*.[ch]' | sort
}

text_files()
{
    find . -path './.git' -prune -o -path './build*' -prune -o -path './tests/*/corpus' -prune -o \
        -type f \( -name '*.[ch]' -o -name '*.def' -o -name '*.py' -o -name '*.sh' \
        -o -name '*.md' -o -name '*.build' -o -name '*.[1-8]' -o -name setup -o -path './.ci/run' \) \
        -print | sort
}

scripts()
{
    text_files | while read -r file; do
        head -n 1 "$file" | grep -qE '^#!.*[ /](sh|bash)$' && echo "$file"
    done
}

format_differs()
{
    c_files | while read -r file; do
        clang-format-14 "$file" | cmp -s - "$file" ||
            echo "$file: differs from clang-format; run clang-format-14 -i $file"
    done
}

spdx_missing()
{
    c_files | while read -r file; do
        head -n 1 "$file" | grep -q 'SPDX-License-Identifier: MIT' ||
            echo "$file: the first line is not its SPDX line"
    done
    text_files | grep -E '\.(py|sh)$|/setup$|/run$' | while read -r file; do
        head -n 2 "$file" | grep -q 'SPDX-License-Identifier: MIT' ||
            echo "$file: no SPDX line in the first two"
    done
}

too_long()
{
    c_files | xargs wc -l | awk '$2 != "total" { max = $2 ~ /^tests\// ? 700 : 500 }
        $2 != "total" && $1 > max {
            print $2 ": " $1 " lines, more than " max ": one file has one subject" }'
    [ "$(wc -l <README.md)" -le 150 ] || echo "README.md: more than 150 lines"
}

# calls FILTER NAMES: where files that pass FILTER call one of NAMES, comments aside.
calls()
{
    c_files | grep -vE "$1" | while read -r file; do
        sed 's,/\*.*\*/,,' "$file" | grep -nE "\b($2)\(" | sed "s,^,$file:,"
    done
}

forbidden()
{
    calls '^tests/' 'v?sprintf|strcpy|strcat|strncpy|atoi|atol|strerror|localtime|gmtime'
    calls '^tests/' 's?rand|gets|system|popen|alloca'
    calls '^tests/|^lib/mem(_pool)?\.[ch]$' 'malloc|calloc|realloc|strdup|strndup'
}

unfinished()
{
    text_files | grep -vE 'tests/style/style.sh|CONTRIBUTING' |
        xargs grep -nE '\b(TODO|FIXME|XXX|HACK)\b'
}

if have clang-format-14; then
    report 'C is formatted as .clang-format says' "$(format_differs)"
else
    skip 'C is formatted as .clang-format says' clang-format-14
fi
report 'no trailing white space' "$(text_files | xargs grep -nE '[[:space:]]+$')"
report 'no tab in C, Python and Meson' \
    "$(text_files | grep -E '\.(c|h|def|py|build)$' | xargs grep -nP '\t')"
report 'files end with a line feed' "$(text_files | while read -r file; do
    [ -z "$(tail -c 1 "$file")" ] || echo "$file: no line feed at the end"
done)"
report 'C lines are at most 100 columns' "$(c_files | xargs grep -nP '^.{101,}')"
report 'every file says its licence' "$(spdx_missing)"
report 'files are short' "$(too_long)"
report 'no function that is unsafe or goes around lib/mem.h' "$(forbidden)"
report 'nothing is left unfinished' "$(unfinished)"
report 'headers are guarded by #pragma once' \
    "$(c_files | grep '\.h$' | xargs grep -L '^#pragma once')"
if have shellcheck; then
    report 'shellcheck is content' "$(scripts | xargs shellcheck -x -f gcc)"
else
    skip 'shellcheck is content' shellcheck
fi
pages=$(find man -name '*.[1-8]')
if [ -z "$pages" ] || ! have mandoc; then
    skip 'manual pages pass mandoc -T lint' mandoc
else
    # shellcheck disable=SC2086
    report 'manual pages pass mandoc -T lint' "$(mandoc -T lint -W warning $pages 2>&1)"
fi
echo "1..$point"
exit $failed
