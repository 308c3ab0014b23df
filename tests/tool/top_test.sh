#!/bin/bash
# top_test.sh VTHR LIB WAITS: vthr top, vthr stat --prometheus, vthr ps --tree, of a process whose threads wait for all kinds of things.
. "$(dirname "$0")/lib.sh"
command -v python3 >/dev/null || { echo "python3 is not installed"; exit 77; }
here=$(cd "$(dirname "$0")" && pwd)
setup "$1" "$2"
lib=$(realpath "$2") waits=$(realpath "$3")
LD_PRELOAD=$lib VTHR_CARRIERS=2 "$waits" >"$dir/begun" 2>&1 </dev/null &
pid=$!
trap 'kill -9 $pid 2>/dev/null; rm -rf "$dir"' EXIT
settle parked 27
has() { grep -qE -e "$1" "$dir/got" || fail "not there: $1 in $(<"$dir/got")"; }

expect 125 "" "vthr: ps: -n: only top has this" "$vthr" ps -n 1 $pid
expect 125 "" "vthr: top: --prometheus: only stat has this" "$vthr" top --prometheus $pid
expect 125 "" "vthr: stat: --tree: only ps has this" "$vthr" stat --tree $pid
expect 125 "" "vthr: top: size: unknown key: *" "$vthr" top --sort size $pid
expect 125 "" "vthr: top: 0: not how often, *" "$vthr" top -n 0 $pid
expect 125 "" "vthr: top: x: not a number of seconds, *" "$vthr" top -d x $pid
expect 125 "" "vthr: top: --json: *" "$vthr" top --json $pid
expect 125 "" "vthr: stat: --json: *" "$vthr" stat --json --prometheus $pid

# --- Prometheus
"$vthr" stat --prometheus $pid | python3 "$here/prometheus.py" >"$dir/got" 2>"$dir/err" || fail "prometheus: $(<"$dir/err")"
has '^vthr_vthreads\{state="parked"\} 27$'
has '^vthr_waiting\{for="mutex"\} 6$'
has '^vthr_deadlocks 2$'
has '^vthr_spawns_total 26$'
has '^vthr_handoffs_total\{cause="blocked"\} [0-9]+$'
has '^vthr_poller_calls_total\{call="epoll_wait"\} [1-9][0-9]*$'
has '^vthr_parks_by_cause_total\{for="barrier"\} [1-9][0-9]*$'
has '^vthr_timers_pending [1-9][0-9]*$'
has '^vthr_stack_memory_bytes [1-9][0-9]*$'
# Parks are counted by cause, all of them.
awk '/^vthr_parks_total/ { all = $2 } /^vthr_parks_by_cause_total/ { sum += $NF } END { exit !(all > 0 && sum == all) }' "$dir/got" ||
    fail "the causes of parks do not sum up: $(<"$dir/got")"

# --- The tree of tasks
"$vthr" ps --tree $pid >"$dir/got"
owner=$(awk '$3 == "scope" { print $1 }' "$dir/got")
grep -A1 -E '^ +[0-9]+ +[0-9]+ scope ' "$dir/got" | tail -1 | grep -qE '^ +[0-9]+ +[0-9]+   task ' || fail "no task below its scope: $(<"$dir/got")"
[[ $(wc -l <"$dir/got") == 28 ]] || fail "not 27 in the tree: $(<"$dir/got")"
"$vthr" ps --json --name '^task$' $pid >"$dir/got"
has "\"parent\":$owner,"

# --- As text
"$vthr" top -n 2 -d 0.05 --sort id $pid >"$dir/got" || fail "top: status $?"
[[ $(grep -c '^process [0-9]*: 27 vthreads: 0 running, 0 ready, 0 blocked, 27 parked; 2 processors, [0-9]* carriers, 2 deadlocks$' "$dir/got") == 2 ]] ||
    fail "top: $(<"$dir/got")"
[[ $(awk '$2 == "4194331"' "$dir/got" | wc -l) == 2 ]] || fail "top: not all: $(<"$dir/got")"
has '^per second: 0 switches, 0 parks, '

# --- On a terminal, to the end of the process
python3 "$here/terminal.py" $pid "$vthr" >"$dir/got" 2>&1 || fail "on a terminal: $(<"$dir/got")"
finish
