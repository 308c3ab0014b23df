#!/bin/bash
# dump_test.sh LIBVTHR PROGRAM: what a process says of its threads when it is asked, and of deadlocks.
lib=$1 program=$2
. "$(dirname "$0")/lib.sh"
dir=$(mktemp -d) || exit 1
pid=
trap '[[ $pid ]] && { kill -9 $pid; wait $pid; } 2>/dev/null; rm -rf "$dir"' EXIT
unset LD_PRELOAD ${!VTHR_@}

begin() # MODE VAR=VALUE...: its pid is in $pid; a line to descriptor 3 ends it
{
    local mode=$1 line
    shift
    rm -f "$dir/in" "$dir/out"
    mkfifo "$dir/in" "$dir/out"
    env "$@" LD_PRELOAD="$lib" "$program" "$mode" <"$dir/in" >"$dir/out" 2>"${err:-$dir/err}" &
    pid=$!
    exec 3>"$dir/in" 4<"$dir/out"
    read -t 60 -r line <&4
    [[ $line == ready ]] || fail "$mode: it does not begin: $(cat "$dir/err")"
}

dump() # FILE: one more, of all; leaves it in $dir/dump
{
    local n
    n=$(grep -c '^vthr: end of stacks' "$1" 2>/dev/null)
    kill -QUIT $pid
    for ((i = 0; i < 600; i++)); do
        [[ $(grep -c '^vthr: end of stacks' "$1" 2>/dev/null) -gt ${n:-0} ]] && break
        sleep 0.1
    done
    tac "$1" | sed '/^vthr: stacks of/q' | tac >"$dir/dump"
}

nl=$'\n' any=$'[^\n]*'
number='[1-9][0-9]*' hex='0x[0-9a-f]+' time='[0-9]+\.[0-9]{3} s'
at() { printf '%s' "    #$1 +$2\+$hex \($3\)"; }

has() # LINE...: the dump has these lines, one behind the other
{
    local IFS=$nl
    [[ $nl$(<"$dir/dump")$nl$nl =~ $nl$*$nl ]]
}
# The threads are on their way to where they stay: looks until each is there.
settled() # FILE CHECK...
{
    local file=$1 check try
    shift
    for ((try = 0; try < 100; try++)); do
        dump "$file"
        for check; do
            $check || continue 2
        done
        return
    done
    fail "$check: $(cat "$dir/dump")"
}

one() { printf '%s' "1 $2, for $time: vthread $number \"$1\""; } # NAME WHAT
parked() # NAME WHAT CALL
{
    has "$(one "$1" "parked, $2")" "$(at 0 "$3" libvthr.so)" "$(at 1 "on_$1" tool_dumped)" ""
}
the_head() { has "vthr: stacks of process $pid \"tool_dumped\", 209 vthreads" "processor 0: OS thread $number, $any"; }
the_many()
{
    has "200 parked, read, for up to $time: vthreads $number-$number \"connection\"" "$(at 0 read libvthr.so)" \
        "$(at 1 serve tool_dumped)" "$(at 2 many tool_dumped)" ""
}
the_running() { has "1 running: vthread $number \"cpu\"" "$(at 0 spin_here tool_dumped)" "$(at 1 on_cpu tool_dumped)" ""; }
the_raw()
{
    has "1 asleep in the kernel: vthread $number \"raw\"" "$(at 0 raw_read tool_dumped)" "$(at 1 on_raw tool_dumped)" ""
}
the_call()
{
    has "$(one call "in a call, call $number")" "$(at 0 flock libvthr.so)" "$(at 1 on_call tool_dumped)" ""
}
the_mutex() { parked mutex "mutex $hex, held by vthread 0 \"tool_dumped\"" pthread_mutex_lock; }
the_cond() { parked cond "condition $hex" pthread_cond_wait; }
the_sem() { parked sem "semaphore $hex" sem_wait; }
the_sleep() { parked sleep sleep sleep; }
the_signal() { parked signal signal pause; }
the_main()
{
    has "1 parked, read descriptor 0, for $time: vthread 0 \"tool_dumped\"" "$(at 0 read libvthr.so)" "(    #$any$nl)*$(at "$number" main tool_dumped)"
}

begin mixed VTHR_DUMP_SIGNAL=QUIT VTHR_DUMP_FILE="$dir/file" VTHR_CARRIERS=2
settled "$dir/file" the_head the_many the_running the_raw the_call the_mutex the_cond the_sem the_sleep the_signal the_main
grep -q DEADLOCK "$dir/file" && fail "a deadlock, where there is none"
[[ ! -s $dir/err ]] || fail "something on standard error: $(cat "$dir/err")"
echo >&3
wait $pid || fail "status $? at the end"
exec 3>&- 4<&-

{ kill -9 $pid; wait $pid; } 2>/dev/null
# A thread has malloc's lock and does not go on, another one waits for that lock in libc.
the_sleeping() { has "$(one sleep "parked, sleep")" "$(at 0 sleep libvthr.so)" "$(at 1 on_sleep tool_dumped)" ""; }
the_allocating() { has "1 asleep in the kernel: vthread $number \"allocate\"" "(    #$any$nl)+$(at "$number" allocate tool_dumped)" ""; }
the_faulting() { has "1 parked, $any: vthread 0 \"tool_dumped\"" "(    #$any$nl)+$(at "$number" in_the_middle tool_dumped)" "(    #$any$nl)+$(at "$number" fault_in_malloc tool_dumped)" "(    #$any$nl)*"; }
begin malloc VTHR_DUMP_SIGNAL=QUIT VTHR_DUMP_FILE="$dir/malloc" VTHR_CARRIERS=1
settled "$dir/malloc" the_sleeping the_allocating the_faulting
{ kill -9 $pid; wait $pid; } 2>/dev/null

begin idle VTHR_DUMP_SIGNAL=QUIT VTHR_DUMP_FILE="$dir/idle"
the_ten_thousand() { has "10000 parked, sleep, for up to $time: vthreads $number-$number $any" "$(at 0 sleep libvthr.so)" "$(at 1 on_sleep tool_dumped)" ""; }
settled "$dir/idle" the_ten_thousand
{ kill -9 $pid; wait $pid; } 2>/dev/null

# Standard error that takes nothing: a pipe that is full, one without a reader, a full disk.  The thread that takes the signals
# must get on: the next one ends the process, and nothing else does.
goes_on() # WHAT
{
    kill -QUIT $pid
    for ((i = 0; i < 100; i++)); do # it is at it: it does not wait for signals (rt_sigsuspend)
        grep -q '^130 ' /proc/$pid/task/*/syscall 2>/dev/null || break
    done
    kill -TERM $pid
    { wait $pid; } 2>/dev/null
    local got=$?
    [[ $got == 143 ]] || fail "$1: status $got, not 143"
}
mkfifo "$dir/full" "$dir/broken"
exec 5<>"$dir/full" 6<>"$dir/broken"
dd if=/dev/zero of="$dir/full" bs=4096 oflag=nonblock 2>/dev/null
err=$dir/full begin plain VTHR_DUMP_SIGNAL=QUIT
goes_on "a full pipe"
err=$dir/broken begin plain VTHR_DUMP_SIGNAL=QUIT
exec 6>&-
goes_on "a broken pipe"
if [[ -c /dev/full ]]; then
    err=/dev/full begin plain VTHR_DUMP_SIGNAL=QUIT
    goes_on "a full disk"
fi
# A file that nobody reads: nothing waits for that either.
begin plain VTHR_DUMP_SIGNAL=QUIT VTHR_DUMP_FILE="$dir/broken"
goes_on "a FIFO without a reader"
exec 5>&-

begin deadlock VTHR_DUMP_SIGNAL=SIGQUIT VTHR_DEADLOCK=1
for ((i = 0; i < 600; i++)); do # each is reported by itself
    [[ $(grep -c '^1 parked' "$dir/err") == 5 ]] && break
    sleep 0.1
done
cp "$dir/err" "$dir/dump"
waits() { printf '%s' "    vthread $number \"$1\" waits for $2 vthread $number \"$3\""; }
of_two() { has "DEADLOCK:" "$(waits one "mutex $hex, held by" two)" "$(waits two "mutex $hex, held by" one)" ""; }
of_one() { has "DEADLOCK:" "$(waits again "mutex $hex, held by" again)" ""; }
by_join() { has "DEADLOCK:" "$(waits "joins second" "join of" "joins first")" "$(waits "joins first" "join of" "joins second")" ""; }
for check in of_two of_one by_join; do
    $check || fail "not reported: $check: $(cat "$dir/err")"
done
has "vthr: threads wait for each other for ever" "DEADLOCK:" || fail "no heading"
has "1 parked, $any \"one\"" "$(at 0 pthread_mutex_lock libvthr.so)" "$(at 1 take tool_dumped)" || fail "no stacks: $(cat "$dir/err")"
settled "$dir/err" of_two of_one by_join
[[ $(grep -c "^vthr: threads wait" "$dir/err") == 3 ]] || fail "not each deadlock once: $(cat "$dir/err")"
finish
