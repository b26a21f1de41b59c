#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Builds refrain in five ways and runs every suite; called by `./setup test`. With --long the tests
# that have a long form run in it. What a step says goes to build-test/logs; the last line is
# "N passed, N failed, N skipped".
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit

top="build-test"
logs=$PWD/$top/logs
fuzz_seconds=${REFRAIN_FUZZ_SECONDS:-20}
tallies=()
longer=()
seeds=()
if [ "${1-}" = --long ]; then
    export REFRAIN_LONG=1
    longer=(--timeout-multiplier 30)
    seeds=(--test-args='--seeds 10000')
fi
mkdir -p "$logs"
rm -f "$logs"/*

# Some sanitizers do not stand the kernel's address space randomization.
fixed=(setarch --addr-no-randomize)
export ASAN_OPTIONS=detect_leaks=1:detect_stack_use_after_return=1
export UBSAN_OPTIONS=print_stacktrace=1:halt_on_error=1
export TSAN_OPTIONS=halt_on_error=1

say()
{
    printf '== %s (%d s)\n' "$*" "$SECONDS"
}

# step NAME COMMAND...: one TAP point in steps.tap; its output only when it fails.
steps=0
step()
{
    local name=$1
    shift
    steps=$((steps + 1))
    say "$name"
    if "$@" >"$logs/step-$steps.log" 2>&1; then
        echo "ok $steps - $name" >>"$logs/steps.tap"
        return 0
    fi
    echo "not ok $steps - $name" >>"$logs/steps.tap"
    grep -vE "^(\[|Compiler for|Program |Run-time)" "$logs/step-$steps.log" | tail -n 40
    return 1
}

# make NAME CC OPTION... [-- TARGET...]: configures $top/NAME and builds it.
make()
{
    local folder=$top/$1 cc=$2 options=()
    shift 2
    while [ $# -gt 0 ] && [ "$1" != -- ]; do
        options+=("$1")
        shift
    done
    [ $# -eq 0 ] || shift
    if [ -f "$folder/build.ninja" ]; then
        meson setup --reconfigure "$folder" -Dwerror=true "${options[@]}" || return
    else
        CC=$cc meson setup "$folder" -Dwerror=true "${options[@]}" || return
    fi
    ninja -C "$folder" "$@"
}

# run NAME BUILD OPTION...: meson test in $top/BUILD; its log becomes NAME in the tally. What failed
# runs once more, alone: much of it measures time, and the machine may have been busy with something
# else. The tally tells of both.
run()
{
    local name=$1 build=$2 failed tally
    shift 2
    [ -f "$top/$build/build.ninja" ] || return
    say "running $name"
    tally=$(meson_test "$name" "$build" "$@")
    mapfile -t failed < <(python3 tests/tally.py --failed "$tally")
    if [ ${#failed[@]} -gt 0 ]; then
        say "once more: ${failed[*]}"
        tally+=,$(meson_test "$name-again" "$build" --num-processes 1 "${failed[@]}")
    fi
    tallies+=("$name=$tally")
}

# meson_test NAME BUILD ARGUMENT...: prints where its log is.
meson_test()
{
    local log=$top/$2/meson-logs/testlog-$1.json output=$logs/$1.log
    rm -f "$log"
    "${fixed[@]}" meson test -C "$top/$2" --no-rebuild --logbase "testlog-$1" "${@:3}" \
        >"$output" 2>&1
    tail -n +2 "$output" | grep -E '^ *[0-9]+/[0-9]+ .*(FAIL|ERROR|TIMEOUT)' >&2
    echo "$log"
}

fuzz_one()
{
    local name=$1 work
    work=$(mktemp -d)
    "${fixed[@]}" "$top/fuzz/tests/fuzz/fuzz_$name" -max_total_time="$fuzz_seconds" -timeout=5 \
        -rss_limit_mb=1024 -print_final_stats=1 -artifact_prefix="$logs/$name-" "$work" \
        "tests/fuzz/corpus/$name" >"$logs/fuzz-$name.log" 2>&1
    local status=$?
    rm -rf "$work"
    return $status
}

fuzz_all()
{
    local names=() name i=0 pid_one pid_two
    for name in tests/fuzz/fuzz_*.c; do
        [ -e "$name" ] || continue
        name=$(basename "$name" .c)
        names+=("${name#fuzz_}")
    done
    say "fuzzing ${names[*]} for $fuzz_seconds s each"
    while [ $i -lt ${#names[@]} ]; do
        fuzz_one "${names[$i]}" &
        pid_one=$!
        pid_two=
        if [ $((i + 1)) -lt ${#names[@]} ]; then
            fuzz_one "${names[$((i + 1))]}" &
            pid_two=$!
        fi
        fuzz_report "${names[$i]}" $((i + 1)) "$pid_one"
        [ -z "$pid_two" ] || fuzz_report "${names[$((i + 1))]}" $((i + 2)) "$pid_two"
        i=$((i + 2))
    done
    echo "1..${#names[@]}" >>"$logs/fuzz.tap"
    tallies+=("fuzz=$logs/fuzz.tap")
}

fuzz_report()
{
    local ok='ok'
    if ! wait "$3"; then
        ok='not ok'
        tail -n 40 "$logs/fuzz-$1.log"
    fi
    echo "$ok $2 - $1 survives $(sed -n 's/^stat::number_of_executed_units: *//p' \
        "$logs/fuzz-$1.log") inputs" >>"$logs/fuzz.tap"
}

step 'build with ASan and UBSan (gcc)' make asan gcc -Db_sanitize=address,undefined
step 'build with TSan (gcc)' make tsan gcc -Db_sanitize=thread
step 'build for release (gcc)' make release gcc --buildtype=release
step 'build with every optional feature off (clang)' make minimal clang-14 \
    -Dauto_features=disabled -Dtests=false
step 'build the fuzz targets (clang)' make fuzz clang-14 -Db_sanitize=address,undefined \
    -Db_lundef=false -Dfuzzing=true -Dc_args=-fsanitize=fuzzer-no-link
echo "1..$steps" >>"$logs/steps.tap"
tallies+=("builds=$logs/steps.tap")

run unit asan --suite unit --suite fuzz --suite cli --suite style
run threads tsan --suite unit
fuzz_all
run lint release --suite lint
run corpus release --suite corpus
run mutations asan --suite mutations
run generated asan --suite generated "${longer[@]}" "${seeds[@]}"
run bench release --suite bench
run e2e asan --suite e2e "${longer[@]}"
run e2e-threads tsan --suite e2e-threads

say 'done'
python3 tests/tally.py "${tallies[@]}"
