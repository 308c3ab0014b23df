#!/bin/bash
# core_test.sh VTHR LIB VIEWED WAITS: vthr core, judged by gdb without any script.
. "$(dirname "$0")/lib.sh"
command -v gdb >/dev/null || { echo "gdb is not installed"; exit 77; }
setup "$1" "$2"
lib=$(realpath "$2") viewed=$(realpath "$3") waits=$(realpath "$4")
pids=()
cleanup() { kill -9 "${pids[@]}" 2>/dev/null; rm -rf "$dir"; }
trap cleanup EXIT
in_gdb() { # PROGRAM CORE COMMAND...
    local program=$1 core=$2 commands=() c
    shift 2
    for c in "$@"; do commands+=(-ex "$c"); done
    gdb -nx -batch -iex 'set auto-load off' -iex 'set debuginfod enabled off' -ex 'set width 0' "$program" "$core" "${commands[@]}" 2>&1 </dev/null
}

# --- One of each kind of wait.
LD_PRELOAD=$lib VTHR_CARRIERS=2 "$waits" >"$dir/begun" 2>&1 </dev/null &
pid=$!
pids+=($pid)
until [[ $("$vthr" stat $pid 2>/dev/null | sed -n 's/^parked  *//p') == 27 ]]; do
    kill -0 $pid || { cat "$dir/begun"; exit 1; }
done
expect 125 "" "vthr: core: no output file: *" "$vthr" core $pid
expect 125 "" "vthr: core: no process: *" "$vthr" core -o "$dir/core"
expect 125 "" "vthr: ps: -o: only core writes a file" "$vthr" ps -o "$dir/core" $pid
expect 125 "" "vthr: $dir/no/core: No such file or directory" "$vthr" core $pid -o "$dir/no/core"
expect 0 "" "" "$vthr" core $pid -o "$dir/core"
expect 125 "" "vthr: $dir/core: File exists" "$vthr" core $pid -o "$dir/core"
"$vthr" ps $pid >"$dir/ps" || fail "the process after it: $?"
kill -9 $pid
in_gdb "$waits" "$dir/core" 'info threads' 'thread apply all bt' >"$dir/gdb"
while read -r _ tid name _; do
    # gdb prints a thread's stack as a paragraph.
    stack=$(awk -v RS= -v lwp="LWP $tid)" 'index($0, "Thread ") == 1 && index($0, lwp)' "$dir/gdb")
    # The threads are called after the function that they wait in.
    case $name in
    gdb_waits) want='long_sleep \(\).*wait_sleep \(\).*main \(\)' ;;
    task) want='long_sleep \(\).* task \(arg=.*arch_entry \(\)' ;;
    ring?) want="wait_ring \(i=${name#ring}\).*wait_$name \(\).* start \(arg=.*arch_entry \(\)" ;;
    *) want="wait_${name%[12]} \(\).* start \(arg=.*arch_entry \(\)" ;;
    esac
    [[ $stack =~ $want ]] || fail "$name: not $want: $stack"
    n=$((n + 1))
done < <(tail -n +2 "$dir/ps")
[[ $n == 27 ]] || fail "not 27 vthreads: $(<"$dir/ps")"
# And the library's own threads: two carriers, of which one is the process's first, the receiver, the monitor.
for own in monitor_main receiver_main carrier_main; do grep -q "$own" "$dir/gdb" || fail "$own is not there: $(<"$dir/gdb")"; done
grep -q 'Backtrace stopped' "$dir/gdb" && fail "a stack is not whole: $(<"$dir/gdb")"

# --- OS threads that run a vthread are there too: their own contexts.
LD_PRELOAD=$lib VTHR_CARRIERS=2 "$viewed" spin >"$dir/begun" 2>&1 </dev/null &
pid=$!
pids+=($pid)
until [[ $("$vthr" stat $pid 2>/dev/null | sed -n 's/^blocked  *//p') == 1 ]]; do
    kill -0 $pid || { cat "$dir/begun"; exit 1; }
done
expect 0 "" "" "$vthr" core $pid -o "$dir/core3"
kill -9 $pid
in_gdb "$viewed" "$dir/core3" 'thread apply all bt' >"$dir/gdb"
for own in compute block_in_flock carrier_main; do grep -q " $own (" "$dir/gdb" || fail "$own is not there: $(<"$dir/gdb")"; done
grep -q 'Backtrace stopped\|unavailable' "$dir/gdb" && fail "a stack is not whole: $(<"$dir/gdb")"

# --- A server under load does not notice, and no thread is missing in the file.
mkfifo "$dir/stdin"
env LD_PRELOAD="$lib" VTHR_CARRIERS=2 "$viewed" serve 100 >"$dir/served" 2>&1 <"$dir/stdin" &
pid=$!
pids+=($pid)
exec 5>"$dir/stdin"
until grep -q ^ready "$dir/served"; do kill -0 $pid || { cat "$dir/served"; exit 1; }; sleep 0.05; done
expect 0 "" "" "$vthr" core $pid -o "$dir/core2"
exec 5>&-
wait $pid || fail "the server: status $?"
grep -q "^all came back" "$dir/served" || fail "the server: $(<"$dir/served")"
in_gdb "$viewed" "$dir/core2" 'thread apply all bt' >"$dir/gdb"
[[ $(grep -c ' serve (arg=' "$dir/gdb") == 100 ]] || fail "not 100 servers: $(<"$dir/gdb")"
[[ $(grep -c ' client (n=' "$dir/gdb") == 1 ]] || fail "no client: $(<"$dir/gdb")"
grep -q 'Backtrace stopped' "$dir/gdb" && fail "a stack is not whole: $(<"$dir/gdb")"
finish
