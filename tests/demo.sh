#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Shows what refrain does, on this machine's loopback only: records a small web server's traffic
# while it is used, then plays the recording at twice the speed to a second server. Called by
# `./setup demo`. Needs CAP_NET_RAW, nginx and curl. Exit status 1 when the counts do not agree.
# usage: demo.sh REFRAIN
set -euo pipefail
refrain=$(realpath "$1")
requests=200
dir=$(mktemp -d /tmp/refrain-demo.XXXXXX)
pids=()

cleanup()
{
    local pid
    for pid in "${pids[@]}"; do
        kill "$pid" 2>/dev/null || true
    done
    wait 2>/dev/null || true
    rm -rf "$dir"
}
trap cleanup EXIT
trap 'exit 130' INT TERM

if [ -t 1 ]; then
    bold=$'\e[1m' plain=$'\e[0m'
else
    bold='' plain=''
fi

title()
{
    printf '\n%s%s%s\n' "$bold" "$*" "$plain"
}

# The command as a user would type it.
show()
{
    printf '  $ %s\n' "$*"
}

fail()
{
    printf 'demo: %s\n' "$*" >&2
    exit 1
}

# A port that nothing listens on: connecting to it is refused.
free_port()
{
    local port
    while :; do
        port=$((20000 + RANDOM % 12000))
        if ! (: <"/dev/tcp/127.0.0.1/$port") 2>/dev/null; then
            echo "$port"
            return
        fi
    done
}

# wait_for SECONDS COMMAND...: until it succeeds.
wait_for()
{
    local tries=$(($1 * 20))
    shift
    until "$@" >/dev/null 2>&1; do
        tries=$((tries - 1))
        [ $tries -gt 0 ] || return 1
        sleep 0.05
    done
}

# start_server NAME PORT: an nginx of our own, with its own configuration and log.
start_server()
{
    local root=$dir/$1
    mkdir -p "$root"
    cat >"$root/nginx.conf" <<END
daemon off;
worker_processes 1;
pid $root/pid;
error_log $root/error.log;
events { worker_connections 256; }
http {
    log_format plain '\$request';
    access_log $root/access.log plain;
    client_body_temp_path $root/body;
    proxy_temp_path $root/proxy;
    fastcgi_temp_path $root/fastcgi;
    uwsgi_temp_path $root/uwsgi;
    scgi_temp_path $root/scgi;
    server {
        listen 127.0.0.1:$2;
        location / { return 200 "$1 answers\\n"; }
    }
}
END
    chmod 755 "$dir" "$root"
    nginx -p "$root" -c "$root/nginx.conf" -e "$root/error.log" &
    pids+=($!)
    wait_for 5 curl -sf -o /dev/null "http://127.0.0.1:$2/ready" ||
        fail "nginx did not start: $(tail -n 1 "$root/error.log")"
}

served()
{
    grep -vc ' /ready ' "$dir/$1/access.log" || true
}

# Some seconds of somebody's traffic: pages, a search, orders with a body.
use_the_shop()
{
    local i base=http://127.0.0.1:$1
    for ((i = 0; i < requests; i += 4)); do
        curl -s -o /dev/null "$base/" -o /dev/null "$base/products/$i" \
            -o /dev/null "$base/search?q=item+$i" --next \
            -s -o /dev/null -X POST -H 'Content-Type: application/json' \
            -d "{\"order\":$i,\"amount\":3}" "$base/orders"
        sleep 0.1
    done
}

now_ms()
{
    echo $(($(date +%s%N) / 1000000))
}

seconds()
{
    printf '%d.%02d s' $(($1 / 1000)) $(($1 % 1000 / 10))
}

live_port=$(free_port)
start_server production "$live_port"
staging_port=$(free_port)
start_server staging "$staging_port"

title '1. Record'
echo "A web server runs on port $live_port. refrain listens to its traffic without touching it,"
echo 'prints each request, and writes it to a file.'
show "refrain --input-raw :$live_port --output-stdout \\"
echo "        --output-file $dir/requests.gor --output-file-append"
"$refrain" --input-raw ":$live_port" --output-stdout --output-file "$dir/requests.gor" \
    --output-file-append >"$dir/stdout" 2>"$dir/stderr" &
recorder=$!
pids+=("$recorder")
wait_for 10 grep -q 'listening' "$dir/stderr" || fail "refrain did not start: $(cat "$dir/stderr")"

echo
echo "Now $requests requests. What refrain prints, as it comes:"
echo
tail -n +1 --pid="$recorder" -s 0.1 -f "$dir/stdout" |
    grep --line-buffered -aE '^(GET|POST|PUT|DELETE|HEAD) ' |
    awk '{ n++; if (n <= 12 || n % 17 == 0) { print "  " $0; fflush() }
           if (n == 12) { print "  ... (from here on every 17th)"; fflush() } }' &
viewer=$!
start=$(now_ms)
use_the_shop "$live_port"
recorded_ms=$(($(now_ms) - start))
sleep 1
kill -INT "$recorder"
status=0
wait "$recorder" || status=$?
wait "$viewer" || true
[ "$status" -eq 0 ] || fail "refrain ended with status $status: $(cat "$dir/stderr")"

title '2. The file'
show "ls -l $dir/requests.gor"
echo "  $(ls -l "$dir/requests.gor")"
echo 'Its first record: a header line, the request as it was on the wire, a separator.'
echo
awk '{ print "  " $0 } /^🐵🙈🙉/ { exit }' "$dir/requests.gor" | tr -d '\r'

title '3. Replay at twice the speed'
echo "The recording took $(seconds $recorded_ms). At 200% it goes to a second server, port $staging_port."
show "refrain --input-file '$dir/requests.gor|200%' --output-http http://127.0.0.1:$staging_port"
start=$(now_ms)
status=0
"$refrain" --input-file "$dir/requests.gor|200%" \
    --output-http "http://127.0.0.1:$staging_port" 2>"$dir/replay.stderr" || status=$?
replayed_ms=$(($(now_ms) - start))
[ "$status" -eq 0 ] || fail "the replay ended with status $status: $(cat "$dir/replay.stderr")"
echo "The replay took $(seconds $replayed_ms)."

title '4. The summaries: nothing is lost without being counted'
echo 'Of the recording:'
sed -n '/summary/,$s/^/  /p' "$dir/stderr"
echo 'Of the replay:'
sed -n '/summary/,$s/^/  /p' "$dir/replay.stderr"

title '5. Do the counts agree?'
recorded=$(grep -acE '^1 [0-9a-f]+ [0-9]+ ' "$dir/requests.gor" || true)
sleep 0.2
production=$(served production)
staging=$(served staging)
echo "  sent by curl               $requests"
echo "  served by the first server $production"
echo "  recorded in the file       $recorded"
echo "  served by the second       $staging"
if [ "$production" -ne "$requests" ] || [ "$recorded" -ne "$requests" ] ||
    [ "$staging" -ne "$requests" ]; then
    fail 'they do not agree'
fi
echo
echo 'They agree. Now try it on your own server:'
show "sudo $(realpath --relative-to="$PWD" "$refrain") --input-raw :80 --output-stdout"
