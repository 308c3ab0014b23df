#!/bin/bash
# parked_test.sh LIB PROGRAM: what is said to park needs no OS thread while it waits.
lib=$1 program=$2
. "$(dirname "$0")/lib.sh"

for call in $("$program"); do
    n=$(LD_PRELOAD=$lib VTHR_CARRIERS=1 "$program" "$call" 2>&1)
    # One carrier, the receiver, the monitor, and spares of the start.
    [[ $n =~ ^[0-9]+$ && $n -le 8 ]] || fail "$call: 40 waiting threads have $n OS threads"
    n=$("$program" "$call" 2>&1)
    [[ $n =~ ^[0-9]+$ && $n -gt 40 ]] || fail "$call, natively: $n OS threads: the test does not test"
done
finish
