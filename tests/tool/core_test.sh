#!/bin/bash
# core_test.sh VTHR LIB VIEWED WAITS PARKED: vthr core, of processes and of core files, judged by gdb without any script.
# STEP=4: how many instructions of the switch lie between two moments that core files are made of.
. "$(dirname "$0")/lib.sh"
command -v gdb >/dev/null || { echo "gdb is not installed"; exit 77; }
here=$(cd "$(dirname "$0")" && pwd)
setup "$1" "$2"
lib=$(realpath "$2") viewed=$(realpath "$3") waits=$(realpath "$4") parked=$(realpath "$5")
pids=()
cleanup() { kill -9 "${pids[@]}" 2>/dev/null; rm -rf "$dir"; }
trap cleanup EXIT
# Does the kernel leave core files where a process runs?
pattern=$(</proc/sys/kernel/core_pattern)
[[ $pattern != [\|/]* ]] && ulimit -c unlimited 2>/dev/null && kernel=1
# See gdb_test.sh.
with_gdb() {
    gdb -nx -batch -iex 'set index-cache enabled on' -iex "set index-cache directory $(dirname "$parked")/index-cache" "$@" 2>&1 </dev/null
}
in_gdb() { # PROGRAM CORE...: the stacks in each, behind a line "CORE:"
    local program=$1 commands=() c
    shift
    for c in "$@"; do
        commands+=(-ex "echo \n${c##*/}:\n" -ex "core-file $c" -ex 'info threads' -ex 'thread apply all bt')
    done
    with_gdb -iex 'set auto-load off' -iex 'set debuginfod enabled off' -ex 'set width 0' "$program" "${commands[@]}"
}
part() { # NAME: what in_gdb said of that core file
    awk -v name="$1:" '/^[^ ]+:$/ { here = $0 == name } here' "$dir/gdb"
}
begin() { # DIRECTORY COMMAND...
    mkdir "$dir/$1" && cd "$dir/$1" || exit 1
    shift
    env LD_PRELOAD="$lib" VTHR_CARRIERS=2 "$@" >"$dir/begun" 2>&1 </dev/null &
    pid=$!
    pids+=($pid)
    cd "$dir" || exit 1
}
# from_kernel NAME: the process ends, and vthr core makes $dir/NAME of what the kernel leaves of it.  False: it leaves nothing.
from_kernel() {
    local core
    kill -ABRT $pid
    wait $pid 2>/dev/null
    core=$(compgen -G "$dir/$1.cwd/core*") || return 1
    expect 0 "" "" "$vthr" core "$core" -o "$dir/$1"
}

# --- One of each kind of wait: of the process, and of the core file that the kernel leaves of it.
begin waits.cwd "$waits"
settle parked 27
expect 125 "" "vthr: core: no output file: *" "$vthr" core $pid
expect 125 "" "vthr: core: no process: *" "$vthr" core -o "$dir/core"
expect 125 "" "vthr: ps: -o: only core has this" "$vthr" ps -o "$dir/core" $pid
expect 125 "" "vthr: $dir/no/core: No such file or directory" "$vthr" core $pid -o "$dir/no/core"
expect 0 "" "" "$vthr" core $pid -o "$dir/live"
expect 125 "" "vthr: $dir/live: File exists" "$vthr" core $pid -o "$dir/live"
"$vthr" ps $pid >"$dir/ps" || fail "the process after it: $?"
cores=("$dir/live")
from_kernel waits && cores+=("$dir/waits")
in_gdb "$waits" "${cores[@]}" >"$dir/gdb"
for core in "${cores[@]}"; do
    part "${core##*/}" >"$dir/part"
    declare -A stacks=() # gdb prints a thread's stack as a paragraph
    tid=
    while read -r line; do
        [[ $line =~ ^Thread\ .*LWP\ ([0-9]+)\) ]] && tid=${BASH_REMATCH[1]}
        [[ ! $line ]] && tid=
        [[ ! $tid ]] || stacks[$tid]+=$line$'\n'
    done <"$dir/part"
    n=0
    while read -r _ tid name _; do
        stack=${stacks[$tid]-}
        # The threads are called after the function that they wait in.
        case $name in
        gdb_waits) want='long_sleep \(\).*wait_sleep \(\).*main \(\)' ;;
        task) want='long_sleep \(\).* task \(arg=.*arch_entry \(\)' ;;
        ring?) want="wait_ring \(i=${name#ring}\).*wait_$name \(\).* start \(arg=.*arch_entry \(\)" ;;
        *) want="wait_${name%[12]} \(\).* start \(arg=.*arch_entry \(\)" ;;
        esac
        [[ $stack =~ $want ]] || fail "$core: $name: not $want: $stack"
        n=$((n + 1))
    done < <(tail -n +2 "$dir/ps")
    [[ $n == 27 ]] || fail "not 27 vthreads: $(<"$dir/ps")"
    # And the library's own threads: two carriers, of which one is the process's first, the receiver, the monitor.
    for own in monitor_main receiver_main carrier_main; do
        grep -q "$own" "$dir/part" || fail "$core: $own is not there: $(<"$dir/part")"
    done
    grep -q 'Backtrace stopped' "$dir/part" && fail "$core: a stack is not whole: $(<"$dir/part")"
done
# What can be said of a process can be said of its core file.
whole=$(compgen -G "$dir/waits.cwd/core*") || whole=$dir/live
says() { "$vthr" "$1" "$whole" >"$dir/out" 2>&1 && grep -qE -e "$2" "$dir/out" || fail "$1 of a core file: no $2 in $(<"$dir/out")"; }
says stacks '^Deadlock of 3 vthreads:$'
says stacks '^    wait_ring0 \(gdb_waits\)$'
says ps ' ring1 +parked .* mutex 0x[0-9a-f]+ <ring\+80> of vthread [0-9]+$'
says stat '^parked +27$'

# --- What is no core file, or none of ours, or damaged.
expect 125 "" "vthr: nosuch: not the number of a process, and no such core file" "$vthr" core nosuch -o "$dir/x"
expect 125 "" "vthr: $dir: not a core file" "$vthr" core "$dir" -o "$dir/x"
expect 125 "" "vthr: $lib: not a core file of this architecture, or damaged" "$vthr" core "$lib" -o "$dir/x"
: >"$dir/empty"
expect 125 "" "vthr: $dir/empty: not a core file of this architecture, or damaged" "$vthr" core "$dir/empty" -o "$dir/x"
head -c 5000 "$whole" >"$dir/cut"
expect 125 "" "vthr: *: not a core file of this architecture, or damaged" "$vthr" core "$dir/cut" -o "$dir/x"
for at in 20000 200000 2000000 20000000; do # whatever is missing: no more than a line, no crash
    head -c $at "$whole" >"$dir/cut"
    rm -f "$dir/x"
    "$vthr" core "$dir/cut" -o "$dir/x" >"$dir/out" 2>&1 </dev/null
    status=$?
    [[ $status == 0 || $status == 125 || $status == 3 ]] && [[ $(wc -l <"$dir/out") -le 1 ]] || fail "cut at $at: $status: $(<"$dir/out")"
done
rm -f "$dir/cut" "$dir/x"

# --- OS threads that run a vthread are there too: their own contexts. 
begin spin.cwd "$viewed" spin
settle blocked 1
expect 0 "" "" "$vthr" core $pid -o "$dir/spin_live"
cores=("$dir/spin_live")
from_kernel spin && cores+=("$dir/spin")

# --- A server under load does not notice, and no thread is missing in the file.
serve "$lib" "$viewed" 100
expect 0 "" "" "$vthr" core $pid -o "$dir/served_live"
served
in_gdb "$viewed" "${cores[@]}" "$dir/served_live" >"$dir/gdb"
for core in "${cores[@]}"; do
    part "${core##*/}" >"$dir/part"
    for own in compute block_in_flock carrier_main; do
        grep -q " $own (" "$dir/part" || fail "$core: $own is not there: $(<"$dir/part")"
    done
done
part served_live >"$dir/part"
[[ $(grep -c ' serve (arg=' "$dir/part") == 100 ]] || fail "not 100 servers: $(<"$dir/part")"
[[ $(grep -c ' client (n=' "$dir/part") == 1 ]] || fail "no client: $(<"$dir/part")"
grep -q 'Backtrace stopped\|unavailable' "$dir/gdb" && fail "a stack is not whole: $(<"$dir/gdb")"

# --- Stopped in the middle of a switch, at several of its instructions.
if [[ ${kernel-} ]] && with_gdb -ex 'python pass' >/dev/null; then
    export DIR=$dir LIB=$lib
    MODE=make with_gdb -x "$here/midswitch.py" "$parked" >"$dir/out" || fail "mid-switch: $(<"$dir/out")"
    n=0
    for core in "$dir"/mid.*/core*; do
        [[ -f $core ]] || { fail "no core file in mid-switch: $(<"$dir/out")"; break; }
        expect 0 "" "" "$vthr" core "$core" -o "$(dirname "$core")/made"
        n=$((n + 1))
    done
    [[ $n -ge 7 ]] || fail "not all moments of the switch: $n"
    MODE=judge with_gdb -x "$here/midswitch.py" "$parked" >"$dir/out" || fail "mid-switch: $(grep -v ^warning "$dir/out")"
fi
finish
