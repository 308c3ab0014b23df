#!/bin/bash
# own_test.sh LIB PROGRAM: VTHR_EXCLUDE, VTHR_INCLUDE and VTHR_MAX_THREADS.
unset LD_PRELOAD ${!VTHR_@}
lib=$(realpath "$1") program=$(realpath "$2") failed=0
fail() { echo "FAILED: $*"; failed=1; }

# threads SETTING...: which threads keep an OS thread
threads() {
    env LD_PRELOAD="$lib" "$@" "$program" 2>&1 | sed -n 's/=own$//p' | tr '\n' ' '
}
expect() {
    local want=$1 got
    shift
    got=$(threads "$@")
    [[ $got == "$want" ]] || fail "$*: '$got', not '$want'"
}

all='first second library given '
[[ $("$program" | sed -n 's/=own$//p' | tr '\n' ' ') == "$all" ]] || fail "natively"
expect ''
expect "$all" VTHR_EXCLUDE='*'
expect 'first ' VTHR_EXCLUDE='!first'
expect 'first ' VTHR_EXCLUDE='tool_own!first'
expect 'first second ' VTHR_EXCLUDE='!first,tool_own!sec*'
expect 'second ' VTHR_EXCLUDE='!seco?d'
expect '' VTHR_EXCLUDE='!irst,!first_,other!first,*.so!first'
# By library: its routines, and what it starts.
expect 'library given ' VTHR_EXCLUDE='libtool_own*'
expect 'library given ' VTHR_EXCLUDE='*/libtool_own_lib.so'
expect 'library ' VTHR_EXCLUDE='libtool_own_lib.so!*'
expect 'library ' VTHR_EXCLUDE='!in_library' # static: in .symtab only
expect '' VTHR_EXCLUDE='libtool_own'
expect 'first second given ' VTHR_EXCLUDE="$program"
address=$(nm "$program" | awk '$3 == "second" { print $1 }')
expect 'second ' VTHR_EXCLUDE="tool_own!0x$address"
# What is not included is native; both lists.
expect 'second library given ' VTHR_INCLUDE='!first'
expect 'first library given ' VTHR_INCLUDE='tool_own!*' VTHR_EXCLUDE='!first,!given_away'
expect '' VTHR_INCLUDE='*'

for n in 1 3; do
    for how in "$n" "$n:eagain"; do
        got=$(LD_PRELOAD=$lib VTHR_MAX_THREADS=$how "$program" limit $n 2>&1) || fail "$how: status $?"
        [[ $got == "made=$n error=EAGAIN" ]] || fail "$how: $got"
        got=$(LD_PRELOAD=$lib VTHR_MAX_THREADS=$how VTHR_EXCLUDE='*' "$program" limit $n 2>&1) || fail "$how, own: status $?"
        [[ $got == "made=$n error=EAGAIN" ]] || fail "$how, own: $got"
    done
    got=$(LD_PRELOAD=$lib VTHR_MAX_THREADS=$n:wait "$program" churn $n 2>&1) || fail "$n:wait: status $?"
    [[ $got == kept ]] || fail "$n:wait: $got"
done
got=$(LD_PRELOAD=$lib VTHR_MAX_THREADS=3 "$program" limit 2 2>&1)
[[ $got == "made=3 error=none" ]] || fail "below the limit: $got"

for bad in VTHR_EXCLUDE=, VTHR_EXCLUDE=a,,b VTHR_EXCLUDE=a! 'VTHR_INCLUDE=a!b!c' VTHR_MAX_THREADS=x VTHR_MAX_THREADS=3:never VTHR_MAX_THREADS=:wait; do
    got=$(env LD_PRELOAD="$lib" "$bad" "$program" 2>&1 >/dev/null)
    [[ $got == "vthr: $bad: must be "*": running natively" ]] || fail "$bad: $got"
done
exit $failed
