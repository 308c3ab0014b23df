#!/bin/bash
# view_test.sh VTHR LIB VIEWED WAITS: vthr ps, stacks and stat on processes that run.  VIEWS=6: how often the server under load is looked at.
. "$(dirname "$0")/lib.sh"
setup "$1" "$2"
lib=$(realpath "$2") viewed=$(realpath "$3") waits=$(realpath "$4")
pids=()
cleanup() { kill -9 "${pids[@]}" 2>/dev/null; rm -rf "$dir"; }
trap cleanup EXIT

# begin COMMAND...: runs it until it says that it is ready; $pid
begin() {
    : >"$dir/begun"
    "$@" >"$dir/begun" 2>&1 </dev/null &
    pid=$!
    pids+=($pid)
    until grep -q ^ready "$dir/begun"; do
        kill -0 $pid || { echo "did not begin: $*"; cat "$dir/begun"; exit 1; }
        sleep 0.05
    done
}
has() { # TEXT REGEX: a line matches
    local line
    while IFS= read -r line; do [[ $line =~ $2 ]] && return; done <<<"$1"
    fail "not there: $2 in:
$1"
}
json() { python3 -c 'import json, sys; v = json.load(sys.stdin); print(eval(sys.argv[1]))' "$1"; }

# --- What cannot be looked at: one line, and a status for each reason.
expect 125 "" "vthr: abc: not the number of a process, and no such core file" "$vthr" ps abc
expect 125 "" "vthr: 12x: not the number of a process, and no such core file" "$vthr" stacks 12x
expect 125 "" "vthr: 99999999999999: not the number of a process, and no such core file" "$vthr" stat 99999999999999
expect 125 "" "vthr: 0: not the number of a process, and no such core file" "$vthr" stat 0
expect 125 "" "vthr: ps: no process: *" "$vthr" ps
expect 125 "" "vthr: stacks: more than one process: *" "$vthr" stacks 1 2
expect 125 "" "vthr: ps: dead: unknown state: *" "$vthr" ps --state dead 1
expect 125 "" "vthr: ps: (: *" "$vthr" ps --name "(" 1
expect 125 "" "vthr: ps: x: not a number of seconds" "$vthr" ps --older x 1
expect 125 "" "vthr: ps: --wait: needs an argument" "$vthr" ps --wait
expect 125 "" "vthr: ps: --no-such: unknown option: *" "$vthr" ps --no-such 1
sleep 300 &
pids+=($!)
expect 3 "" "vthr: process $!: no virtual threads: libvthr.so is not loaded in it" "$vthr" ps $!
# Ended, and nobody has waited for it: a zombie; then gone.
begin "$viewed" zombie
child=$(sed -n 's/^ready //p' "$dir/begun")
expect 1 "" "vthr: process $child: it has ended" "$vthr" stacks "$child"
kill -9 $pid
true &
child=$!
wait $child
expect 1 "" "vthr: process $child: there is none" "$vthr" stacks $child
# A program of that name is run by "--".
expect 0 "*PID*" "" "$vthr" -- ps

# --- Two carriers, one of each kind of wait, two deadlocks.
begin env LD_PRELOAD="$lib" VTHR_CARRIERS=2 "$waits"
settle parked 27
out=$("$vthr" ps $pid) || fail "ps: status $?"
has "$out" '^ +ID +TID NAME +STATE +SINCE +START +WAITS FOR$'
has "$out" '^ +0 +'$pid' waits?.* parked +[0-9.]+[smh] main +sleep$|^ +0 +'$pid' .* parked +[0-9.]+[smh] main +sleep$'
has "$out" ' timed +parked +[0-9.]+[smh] start +mutex 0x[0-9a-f]+ <taken> of vthread 0$'
has "$out" ' poll +parked +[0-9.]+[smh] start +poll fd [0-9]+,[0-9]+$'
[[ $(wc -l <<<"$out") == 28 ]] || fail "not 27 vthreads: $out"
for stop in "" --stop; do
    out=$("$vthr" stacks $stop $pid) || fail "stacks $stop: status $?"
    has "$out" '^1 vthread "condition" parked, waiting for condition 0x[0-9a-f]+ <never> for .*: [0-9]+$'
    grep -A4 '"condition"' <<<"$out" | tail -n +2 >"$dir/frames"
    printf '    %s\n' "pthread_cond_wait (libvthr.so)" "wait_condition (gdb_waits)" "start (gdb_waits)" "" | sed 's/ *$//' | cmp -s - "$dir/frames" ||
        fail "the stack of a condition: $(<"$dir/frames")"
    has "$out" '^Deadlock of 3 vthreads:$'
    has "$out" '^    [0-9]+ "ring1" waits for mutex 0x[0-9a-f]+ <ring\+80> of vthread [0-9]+$'
    has "$out" '^Deadlock of 1 vthread:$'
    [[ $(grep -c ^Deadlock <<<"$out") == 2 ]] || fail "deadlocks: $out"
    grep -q '\.\.\.' <<<"$out" && fail "a stack is cut: $out"
done
out=$("$vthr" ps --wait taken $pid | awk 'NR > 1 { print $3 }' | sort | xargs)
[[ $out == "mutex timed" ]] || fail "--wait: $out"
out=$("$vthr" ps --name '^ring[01]$' --state parked,ready $pid | awk 'NR > 1 { print $3 }' | xargs)
[[ $out == "ring0 ring1" ]] || fail "--name: $out"
[[ $("$vthr" ps --state running $pid | wc -l) == 1 ]] || fail "--state running"
[[ $("$vthr" ps --older 1000000 $pid | wc -l) == 1 ]] || fail "--older"
[[ $("$vthr" ps --older 0.000001 $pid | wc -l) == 28 ]] || fail "--older"
out=$("$vthr" stat $pid)
has "$out" '^waiting for mutex +6$'
has "$out" '^deadlocks +2$'
has "$out" '^spawns +26$'
if command -v python3 >/dev/null; then
    [[ $("$vthr" ps --json $pid | json 'sorted(x["name"] for x in v["vthreads"] if x.get("waits_for") == 0)') == \
        "['mutex', 'rdlock', 'timed', 'wrlock']" ]] || fail "ps --json"
    [[ $("$vthr" stacks --json $pid | json '[len(d) for d in v["deadlocks"]], v["count"]') == "([3, 1], 27)" ]] || fail "stacks --json"
    [[ $("$vthr" stat --json $pid | json 'v["deadlocks"], v["parked"]') == "(2, 27)" ]] || fail "stat --json"
fi
# Another user's.
if [[ $(id -u) == 0 ]] && setpriv --reuid 65534 --clear-groups true 2>/dev/null; then
    for command in ps stacks stat "stacks --stop"; do
        expect 2 "" "vthr: process $pid: permission refused: *" setpriv --reuid 65534 --clear-groups "$vthr" $command $pid
    done
fi
# A debugger has it.
if command -v strace >/dev/null; then
    strace -qq -f -p $pid -o "$dir/strace" &
    tracer=$!
    pids+=($tracer)
    until grep -q "^TracerPid:.$tracer" /proc/$pid/status; do sleep 0.05; done
    expect 2 "" "vthr: process $pid: it cannot be stopped: *" "$vthr" stacks --stop $pid
    expect 0 "*Deadlock*" "" "$vthr" stacks $pid
    kill $tracer
    wait $tracer 2>/dev/null
fi
kill -9 $pid

# --- Another format, and a library that says less.
patched() { # OFFSET VALUE: of the descriptor, which lies in the file as in memory but for addresses
    local at
    at=$(grep -abo vthrdbg "$lib" | head -1 | cut -d: -f1)
    cp "$lib" "$dir/other/libvthr.so"
    printf "$2" | dd of="$dir/other/libvthr.so" bs=1 seek=$((at + $1)) conv=notrunc 2>/dev/null
}
mkdir "$dir/other"
patched 8 '\002'
begin env LD_PRELOAD="$dir/other/libvthr.so" "$viewed" idle 3
expect 4 "" "vthr: process $pid: its libvthr.so describes itself in format 2, *" "$vthr" ps $pid
kill -9 $pid
patched 12 '\070\002\000\000'
begin env LD_PRELOAD="$dir/other/libvthr.so" "$viewed" idle 3
settle parked 4
out=$("$vthr" stacks $pid)
has "$out" '^3 vthreads parked: 2-4$|^3 vthreads parked: [0-9, -]+$'
has "$out" '^    wait_for_nothing \(tool_viewed\)$'
kill -9 $pid

# --- Running and blocked ones: their stacks only while they are stopped.
begin env LD_PRELOAD="$lib" VTHR_CARRIERS=1 "$viewed" spin
settle blocked 1
out=$("$vthr" ps $pid)
has "$out" ' spins +running [0-9]+ .* spin '
has "$out" ' blocks +blocked [0-9]+ .* call [0-9]+ \([0-9]+, \.\.\.\)$'
out=$("$vthr" stacks $pid)
has "$out" 'it runs; see --stop'
out=$("$vthr" stacks --stop $pid)
has "$out" '^    compute \(tool_viewed\)$'
has "$out" '^    block_in_flock \(tool_viewed\)$'
if ldconfig -p 2>/dev/null | grep -q 'libstdc++\.so\.6'; then
    has "$out" '^    tool::block\(void\*\) \(tool_viewed\)$'
    has "$("$vthr" ps $pid)" ' blocks +blocked [0-9]+ .* tool::block\(void\*\) +call '
fi
grep -q 'it runs' <<<"$out" && fail "no stack although stopped: $out"
kill -9 $pid

# --- Ten thousand at one place are one stack.
begin env LD_PRELOAD="$lib" "$viewed" idle 10000
settle parked 10001
for stop in "" --stop; do
    out=$("$vthr" stacks $stop $pid)
    [[ $(grep -c '^[0-9]* vthread' <<<"$out") == 2 ]] || fail "not two groups: $(head -50 <<<"$out")"
    has "$out" '^10000 vthreads parked, waiting for condition 0x[0-9a-f]+ <nothing_comes> for .*: [0-9]+-[0-9]+$'
done
kill -9 $pid

# --- A server under load does not notice.
serve "$lib" "$viewed" 100
for ((i = 0; i < ${VIEWS:-6}; i++)); do
    "$vthr" stacks $pid >"$dir/out" || fail "stacks under load: $?"
    grep -q '^    serve (tool_viewed)$\|it runs' "$dir/out" || fail "stacks under load: $(<"$dir/out")"
    grep -q '^    \.\.\.\|cannot be read' "$dir/out" && fail "a stack is not whole: $(<"$dir/out")"
    "$vthr" stacks --stop $pid >"$dir/out" || fail "stacks --stop under load: $?"
    [[ $(grep -o '^[0-9]* vthread' "$dir/out" | awk '{ n += $1 } END { print n }') == 101 ]] || fail "not all are seen: $(<"$dir/out")"
    grep -q '^    \.\.\.\|no stack' "$dir/out" && fail "a stack is not whole: $(<"$dir/out")"
    "$vthr" ps $pid >/dev/null || fail "ps under load"
done
served
finish
