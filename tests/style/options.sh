#!/bin/sh
# SPDX-License-Identifier: MIT
# The option table, --help, the manual and the completions list the same options; the manuals are
# good mdoc; the same for each tool. Prints TAP.
# usage: options.sh GENERATE BUILT_MAN_1 BUILT_TOOLS_MAN_1 BUILT_GOR_MAN_7 SOURCE_DIR
generate=$1
man_1=$2
tools_man_1=$3
gor_man_7=$4
source_dir=$5
. "$source_dir/tests/style/tap.sh"

# same TITLE LIST: the names in LIST are those of the table.
same()
{
    report "$1" "$(echo "$2" | sort | diff "$names" -)"
}

names=$(mktemp) || exit 1
trap 'rm -f "$names"' EXIT
"$generate" names | sort >"$names"
report 'the table has options, and none twice' "$(
    [ "$(wc -l <"$names")" -gt 100 ] || echo "too few"
    uniq -d "$names")"
same '--help lists the options of the table' "$(
    "$generate" help | sed -n 's/^  \(--[a-z-]*\).*/\1/p')"
same 'refrain(1) lists the options of the table' "$(
    sed -n '/^.Ss Other names/,$d; s/^\.It Fl \\-\([a-z-]*\).*/--\1/p' "$man_1")"
same 'fish completes them' "$(
    "$generate" fish | sed -n '/__fish_seen_subcommand_from [a-z]*'"'"'/d; s/.* -l \([a-z-]*\) .*/--\1/p')"
same 'zsh completes them' "$(
    "$generate" zsh | sed -n "s/^    '\*\{0,1\}\(--[a-z-]*\).*/\1/p")"
same 'bash completes them' "$(
    "$generate" bash | sed -n "/compgen -W '--/,\$s/.*\(--[a-z][a-z-]*\).*/\1/p")"
for tool in $("$generate" tools); do
    "$generate" names "$tool" | sort >"$names"
    report "$tool has options, and none twice" "$(
        [ "$(wc -l <"$names")" -ge 5 ] || echo "too few"
        uniq -d "$names")"
    same "refrain $tool --help lists its options" "$(
        "$generate" help "$tool" | sed -n 's/^  \(--[a-z-]*\).*/\1/p')"
    same "refrain-tools(1) lists them" "$(
        sed -n "/^\.Ss $tool\$/,/^\.S[sh] /p" "$tools_man_1" |
            sed -n 's/^\.It Fl \\-\([a-z-]*\).*/--\1/p; s/^\.Fl \\-\([a-z-]*\) [,.]$/--\1/p' | sort -u)"
    same "fish completes them" "$(
        "$generate" fish | sed -n "/_from $tool'/s/.* -l \([a-z-]*\) .*/--\1/p")"
    same "zsh completes them" "$(
        "$generate" zsh | sed -n "/^$tool)/,/return/s/^        '\*\{0,1\}\(--[a-z-]*\).*/\1/p")"
    same "bash completes them" "$(
        "$generate" bash | sed -n "s/^        words='\(.*\)' ;; # $tool\$/\1/p" | tr ' ' '\n')"
done
if command -v bash >/dev/null 2>&1; then
    report 'bash reads its completions' "$("$generate" bash | bash -n 2>&1)"
fi
if command -v mandoc >/dev/null 2>&1; then
    for page in "$man_1" "$tools_man_1" "$gor_man_7" "$source_dir"/man/*.[57]; do
        # mandoc looks for other manuals among the installed ones
        report "mandoc: $(basename "$page")" "$(
            mandoc -T lint -W style "$page" 2>/dev/null | grep -v 'referenced manual not found')"
    done
fi
echo "1..$point"
exit $failed
