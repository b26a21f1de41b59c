#!/bin/sh
# SPDX-License-Identifier: MIT
# Who may include whom: the table of the README, as a test. Prints TAP; a failing point names file
# and line. usage: layers.sh [SOURCE_DIR]
cd "${1:-$(dirname "$0")/../..}" || exit 1
. tests/style/tap.sh

# A folder, and an expression for what its files may include with quotes.
layer()
{
    [ -d "$1" ] || { report "$1/ exists" "there is no folder $1"; return; }
    report "$1/ includes only what its layer may" "$(
        grep -rnE '^[[:space:]]*#[[:space:]]*include[[:space:]]*"' "$1" --include='*.[ch]' |
            grep -vE "\"($2)\"")"
}

# A foreign header, and the files that may include it.
fence()
{
    report "<$1 stays in $3" "$(
        grep -rnE "^[[:space:]]*#[[:space:]]*include[[:space:]]*<$1" cmd lib capture reassembly \
            compare filters middleware outputs report tools --include='*.[ch]' | grep -vE "^($2)")"
}

layer lib 'lib/.*'
layer reassembly '(reassembly|lib)/.*'
layer filters '(filters|lib)/.*'
layer capture '(capture|reassembly|lib)/.*'
layer outputs '(outputs|lib)/.*'
layer compare '(compare|lib)/.*'
layer middleware '(middleware|lib)/.*'
layer report '(report|lib)/.*'
layer tools '(tools|capture|filters|lib)/.*'
layer cmd '(cmd|capture|compare|filters|middleware|report|tools|outputs|reassembly|lib)/.*|config\.h'
fence 'pcap' 'capture/' 'capture/'
fence 'curl/' 'outputs/' 'outputs/'
fence 'pcre2' 'lib/regex\.c:' 'lib/regex.c'
fence 'ck_' 'lib/' 'lib/'
fence 'jansson' 'cmd/|compare/|lib/|outputs/elastic|report/|tools/' \
    'cmd/, compare/, lib/, outputs/elastic*, report/ and tools/'
fence 'microhttpd' 'cmd/metrics_server\.c:' 'cmd/metrics_server.c'
fence 'librdkafka/' '(lib|capture|outputs)/[a-z_]*kafka[a-z_]*\.[ch]:' 'the files of Kafka'
report 'includes name their folder' "$(
    grep -rnE '^[[:space:]]*#[[:space:]]*include[[:space:]]*"[^/"]+"' cmd lib capture reassembly \
        compare filters middleware outputs report tools tests --include='*.[ch]' | grep -v '"config\.h"')"
echo "1..$point"
exit $failed
